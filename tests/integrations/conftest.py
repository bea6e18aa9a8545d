from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from frameworks import ENVIRONMENTS, Programs, respond
from metered import Metered
from tests.client_environments import python_with


@pytest.fixture(scope="session")
def newest() -> Path:
    """A Python with the frameworks that work with the newest openai."""
    return python_with(ENVIRONMENTS / "newest.lock", kind="frameworks")


@pytest.fixture(scope="session")
def openai_2() -> Path:
    """A Python with those that need an older one."""
    return python_with(ENVIRONMENTS / "openai-2.lock", kind="frameworks")


@contextmanager
def _metered(folder: Path) -> Iterator[Metered]:
    made = Metered(folder / "home", respond)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Runs programs against a mock, and has the calls that were recorded."""
    with _metered(tmp_path) as metered:
        yield Programs(metered)


@pytest.fixture(scope="module")
def module_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """The same for all tests of a file."""
    with _metered(tmp_path_factory.mktemp("programs")) as metered:
        yield Programs(metered)


@pytest.fixture(scope="session")
def whole() -> None:
    """Skip what `make test-integrations` runs and `make test` does not; asked for before any environment."""
    if not os.environ.get("FAREBOX_INTEGRATIONS"):
        pytest.skip("run by `make test-integrations`")
