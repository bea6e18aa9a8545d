"""Tables fit the terminal; money is never shown without its certainty."""

from __future__ import annotations

import pytest

from farebox.analytics.query import Breakdown, Group, Measures
from farebox.cli.reports.summary import groups_table
from farebox.cli.screen import Column, call_money, clean, colourful, display_width, fitted, money, table

COLUMNS = [
    Column("model"),
    Column("calls", right=True, drop=1),
    Column("in", right=True, drop=2),
    Column("cost"),
]
ROWS = [["gpt-4o", "1,204", "93,111", "$1.20"], ["claude", "3", "9", "$0.0042"]]


def test_a_table_lines_its_columns_up() -> None:
    assert table(COLUMNS, ROWS, width=80).splitlines() == [
        "model   calls      in  cost",
        "gpt-4o  1,204  93,111  $1.20",
        "claude      3       9  $0.0042",
    ]


def test_a_narrow_terminal_loses_the_least_needed_columns_first() -> None:
    assert table(COLUMNS, ROWS, width=24).splitlines()[0] == "model   calls  cost"
    assert table(COLUMNS, ROWS, width=10).splitlines()[0] == "model   cost"


@pytest.mark.parametrize("width", [60, 40, 34])
def test_texts_are_shortened_in_the_middle_so_that_a_table_fits(width: int) -> None:
    columns = [Column("model", width_min=20), Column("app", width_min=10), Column("cost", right=True)]
    rows = [["claude-sonnet-4-5-20250929", "batch-evaluation-job", "≥ $0.00 · 5 calls unpriced"[:width]]]
    lines = table(columns, [*rows, ["gpt-4o", "x", "$1.00"]], width=width + 18).splitlines()
    assert max(map(display_width, lines)) <= width + 18
    assert "cl" in lines[1] and "29" in lines[1] and "≥ $0.00" in lines[1]


def test_a_column_goes_only_when_shorter_texts_are_not_enough() -> None:
    columns = [Column("model", width_min=8), Column("status", right=True, drop=1), Column("cost", right=True)]
    rows = [["claude-sonnet-4-5-20250929", "200", "$0.10"]]
    assert table(columns, rows, width=26).splitlines() == [
        "model        status   cost",
        "claud…50929     200  $0.10",
    ]
    assert table(columns, rows, width=20).splitlines()[0].split() == ["model", "cost"]


def test_what_is_typed_somewhere_else_is_shown_whole() -> None:
    columns = [Column("key"), Column("model", width_min=20), Column("cost", right=True)]
    lines = table(
        columns, [["58ae25d71c13f115", "claude-sonnet-4-5-20250929", "$1.00"]], width=34
    ).splitlines()
    assert lines[1].startswith("58ae25d71c13f115  ") and len(lines[1]) <= 34


def test_figures_are_never_shortened() -> None:
    lines = table(
        [Column("m", width_min=3), Column("cost", right=True)], [["abcdefgh", "$1,234,567.89"]], width=10
    )
    assert "$1,234,567.89" in lines


def test_wide_characters_take_two_cells() -> None:
    assert display_width("模型") == 4
    assert table([Column("a"), Column("b")], [["模型", "x"], ["m", "y"]], width=80).splitlines()[1:] == [
        "模型  x",
        "m     y",
    ]


def test_a_models_name_cannot_drive_the_terminal() -> None:
    assert "\x1b" not in table([Column("model")], [["\x1b[2Jgpt\r\n"]], width=80)
    assert clean("a\x1b[31mb") == "a\ufffd[31mb"


@pytest.mark.parametrize(
    ("measures", "text"),
    [
        (Measures(calls=2, cost_pico=12_400_000_000_000), "$12.40"),
        (Measures(calls=5, cost_pico=12_400_000_000_000, unpriced_calls=3), "≥ $12.40 · 3 calls unpriced"),
        (Measures(calls=1, unpriced_calls=1), "≥ $0.00 · 1 call unpriced"),
        (Measures(calls=2, cost_pico=4_200_000_000, estimated_calls=1), "$0.0042 · 1 estimated"),
    ],
)
def test_a_total_carries_its_coverage(measures: Measures, text: str) -> None:
    assert money(measures) == text


@pytest.mark.parametrize(
    ("cost", "state", "text"),
    [
        (4_200_000_000, "priced", "$0.0042"),
        (None, "unpriced", "unpriced"),
        (None, "unknown", "unknown"),
        (0, "free", "$0.00"),
        (1_000_000_000_000, "estimated", "~$1.00"),
        (1_000_000_000_000, "unpriced", "≥ $1.00"),
    ],
)
def test_a_call_without_a_price_is_never_shown_as_zero(cost: int | None, state: str, text: str) -> None:
    assert call_money(cost, state) == text


class Terminal:
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colourful(Terminal())  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colourful(Terminal())  # type: ignore[arg-type]


def test_a_keys_name_and_its_whole_fingerprint_fit_sixty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    measures = Measures(calls=1_204, cost_pico=39_720_000_000, unpriced_calls=12)
    groups = [Group(keys={"key": "58ae25d71c13f115"}, measures=measures)]
    sums = Breakdown(seq=1, groups=groups, rest_groups=0, rest=Measures(), total=measures)
    names = {"58ae25d71c13f115": "backend-production"}
    lines = groups_table(["key"], sums, key_labels=names).splitlines()
    assert max(map(display_width, lines)) <= 60
    assert "58ae25d71c13f115" in lines[1] and "ba" in lines[1] and "≥ $0.03972 · 12 unpriced" in lines[1]


def test_words_stand_on_as_many_lines_as_they_need() -> None:
    assert fitted(["farebox top", "farebox help", "farebox tail -f"], 30) == [
        "farebox top · farebox help",
        "farebox tail -f",
    ]
    assert fitted(["much longer than this"], 5) == ["much longer than this"]
    assert fitted([]) == []
