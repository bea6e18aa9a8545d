"""No test of the proxy leaves a process behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from proxy_processes import end_all


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    yield
    end_all()
