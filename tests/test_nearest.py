"""The one guess of what a mistyped word meant."""

from __future__ import annotations

from farebox.nearest import did_you_mean, nearest


def test_the_likeliest_comes_first_in_its_own_spelling() -> None:
    assert nearest("GPT-4", ["gpt-4o", "Gpt-4", "claude"], most=2) == ["Gpt-4", "gpt-4o"]


def test_what_is_unlike_everything_is_not_guessed() -> None:
    assert did_you_mean("zzz", ["durability", "listen"]) == ""
    assert did_you_mean("durabilty", ["durability", "listen"]) == '; did you mean "durability"?'
