"""What is said of a value that comes for the first time."""

from __future__ import annotations

from farebox.alerts.alert import Alert
from farebox.alerts.evaluation.news import find_new


def test_of_a_new_key_only_the_beginning_of_its_fingerprint_is_said() -> None:
    key = Alert(name="k", kind="new", subject="key")
    assert find_new(key, "0123456789abcdef", 1, 1, 2).basis == "the first calls with key 01234567"
    model = Alert(name="m", kind="new", subject="model")
    assert find_new(model, "gpt-4o-mini-2024", 1, 1, 2).basis == "the first calls with model gpt-4o-mini-2024"
