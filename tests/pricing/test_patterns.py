"""Regular expressions of fetched lists: none takes for ever over a name from the network."""

from __future__ import annotations

import pytest

from farebox.pricing.model_names import pattern_problem


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$", "((a|b)*)*", "(a{1,5}){2,9}", "(a?){30}", "(a|b+){3,}", "a?" * 30, ".*.*.*.*b", "(?:a*?)*c",
        "[", "(a|aa)+$", "(?:ab|a.)*c",
        "a" * 501, "(" * 5_000, "(?=(a+)+b)a", "(?i:(a+)+)",
    ],
)  # fmt: skip
def test_a_pattern_that_could_take_for_ever_is_refused(pattern: str) -> None:
    assert pattern_problem(pattern) is not None


@pytest.mark.parametrize(
    "pattern",
    [
        r"^gpt-4o(-\d+)?$", r"^claude-fable-5-\d{8}$", r"^(us|eu)\.anthropic\..+-v\d+:\d+$", "a.*b.*c",
        r"^(typesafe/)?jev-1\.13(-\d{8})?$", r"^composer-2\.5\[fast=false\]$",
    ],
)  # fmt: skip
def test_usual_patterns_are_used(pattern: str) -> None:
    """The control."""
    assert pattern_problem(pattern) is None
