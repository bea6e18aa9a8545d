"""Tables fit the terminal; money is never shown without its certainty."""

from __future__ import annotations

import pytest

from farebox.cli.screen import Column, call_money, clean, colourful, display_width, money, table
from farebox.ledger.rows import Measures

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
def test_a_call_without_a_price_is_never_shown_as_nought(cost: int | None, state: str, text: str) -> None:
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
