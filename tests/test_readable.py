"""Descriptors beyond 1023 are waited for like all others."""

from __future__ import annotations

import os
import re
import resource
from pathlib import Path

import pytest

import farebox
from farebox.readable import is_readable


def test_a_descriptor_beyond_1023_is_waited_for() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most != resource.RLIM_INFINITY and most < 1_200:
        pytest.skip("this process may not have so many descriptors")
    source, sink = os.pipe()
    try:
        high = os.dup2(source, 1_100)
        assert not is_readable(high, 0)
        os.write(sink, b"x")
        assert is_readable(high)
        os.close(high)
    finally:
        os.close(source)
        os.close(sink)


def test_the_end_of_a_pipe_is_something_to_read() -> None:
    source, sink = os.pipe()
    os.close(sink)
    assert is_readable(source, 5)
    os.close(source)


def test_nothing_waits_in_a_way_that_knows_only_1023_descriptors() -> None:
    root = Path(farebox.__file__).parent
    uses = [
        each for each in root.rglob("*.py") if re.search(r"^[^#`]*\bselect\.select\(", each.read_text(), re.M)
    ]
    assert uses == []
