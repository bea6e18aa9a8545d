"""`/metrics` is read by Prometheus's own parser, never falls, and has a bounded number of series."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families as parsed

from farebox.home import Home
from farebox.telemetry.prometheus.counters import OTHER, Counters, Key, Values
from farebox.telemetry.prometheus.exposition import Family, Sample, exposition

A, B, C = (("openai", f"model-{each}", "acme") for each in "abc")


def shown(
    home: Home, seq: int, sums: dict[Key, Values], series_max: int = 10, rest: int = 0
) -> dict[Key, Values]:
    """Return what one process shows that is started for one scrape."""
    total = [sum(values[0] for values in sums.values()) + rest]
    return Counters(home, ["cost"], series_max).show(seq, sums, total)


def test_labels_are_escaped_as_the_format_asks() -> None:
    awkward = 'a"b\\c\nd{}, =é☃'
    text = exposition(
        [Family("farebox_x_total", "counter", 'Help\\ of\n"x".', [Sample({"customer": awkward}, 3)])]
    )
    (family,) = parsed(text.decode())
    assert family.type == "counter"
    (sample,) = family.samples
    assert (sample.name, sample.labels, sample.value) == ("farebox_x_total", {"customer": awkward}, 3)


def test_a_correction_that_lowers_a_sum_leaves_the_counter_where_it_was(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    assert shown(home, 1, {A: [100]}) == {A: [100]}
    assert shown(home, 2, {A: [90]}) == {A: [100]}, "over a restart"
    assert shown(home, 3, {A: [105]}) == {A: [105]}, "once the record has caught up"


def test_another_record_begins_anew(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    assert shown(home, 50, {A: [100]}) == {A: [100]}
    assert shown(home, 3, {A: [7]}) == {A: [7]}


def test_beyond_the_budget_of_labels_calls_are_of_other(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    assert shown(home, 1, {A: [5], B: [3], C: [1]}, series_max=2) == {A: [5], B: [3], OTHER: [1]}
    assert shown(home, 2, {C: [9], A: [5], B: [3]}, series_max=2) == {A: [5], B: [3], OTHER: [9]}, (
        "names stay"
    )
    assert shown(home, 3, {C: [9], A: [5]}, series_max=2, rest=4) == {A: [5], C: [9], OTHER: [9]}


def test_a_customer_and_a_model_named_other_hide_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    assert shown(home, 1, {OTHER: [7], A: [5]}) == {OTHER: [7], A: [5]}
    assert shown(home, 2, {OTHER: [8], A: [5]}, rest=3) == {OTHER: [11], A: [5]}


def test_a_home_that_cannot_be_written_shows_counters_all_the_same(tmp_path: Path) -> None:
    home = Home(tmp_path / "absent")
    assert shown(home, 1, {A: [5]}) == {A: [5]}
