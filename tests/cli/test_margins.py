"""`farebox margin`: revenue, cost and margin of calls in the record, by plans of the home's file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from calls import TestLedger, done
from test_rerating import book

from farebox.cli.main import main
from farebox.home import Home

CLI = Callable[..., tuple[int, str, str]]
PRICES = (
    "gpt-4o: {input_per_1m: 2.5, output_per_1m: 10}\ngpt-4o-mini: {input_per_1m: 0.15, output_per_1m: 0.6}"
)
BILLING = """
pricing:
  gpt-4o: {input_per_1m: 2.5, output_per_1m: 10}
  gpt-4o-mini: {input_per_1m: 0.15, output_per_1m: 0.6}
customers:
  acme: {name: Acme Inc., currency: USD}
  free: {name: Nobody pays}
plans:
  pro:
    base: "20.00"
    charges:
      - {name: Usage, meter: cost, markup_percent: "25"}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-09-01}
"""
SEPTEMBER = ("--since", "2026-09-01", "--until", "2026-10-01", "--tz", "UTC")


def at(day: int) -> int:
    return int(datetime(2026, 9, day, 12, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CLI:
    home = Home(tmp_path / "home")
    ledger = TestLedger(home)
    ledger.applier.use(book(PRICES))
    agents = ("writer", "researcher", "writer", "writer")
    for day, agent in enumerate(agents, 1):
        customer = "free" if day == 4 else "acme"
        ledger.append(
            done(
                at(day),
                model="gpt-4o",
                input_tokens=4_000_000,
                output_tokens=1_000_000,
                attribution={"customer": customer, "agent": agent},
            )
        )
    ledger.connection.close()
    home.config.write_text(BILLING)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["farebox", *arguments, "--home", str(home.path)])
        status = main()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_margins_of_customers_are_shown_the_lowest_first(cli: CLI) -> None:
    status, said, wrong = cli("margin", *SEPTEMBER)
    assert (status, wrong) == (0, "")
    rows = said.splitlines()
    assert [row.split()[0] for row in rows if row.startswith(("acme", "free"))] == ["free", "acme"]
    assert "$95.00" in said and "$60.00" in said and "36.8" in said
    assert "In all $95.00 revenue, $80.00 cost, $15.00 margin (15.8 %)" in said


def test_margins_as_json_by_agent_and_below_a_threshold(cli: CLI) -> None:
    status, said, _ = cli("margin", "--by", "agent", *SEPTEMBER, "--json")
    answer = json.loads(said)
    assert status == 0 and answer["schema"] == "farebox.margin/1"
    by_agent = {row["value"]: (row["revenue_usd"], row["cost_usd"]) for row in answer["rows"]}
    assert by_agent == {"researcher": ("25", "20"), "writer": ("50", "60"), None: ("20", "0")}
    status, said, _ = cli("margin", "--below", "30%", *SEPTEMBER, "--json")
    assert [row["value"] for row in json.loads(said)["rows"]] == ["free"]


def test_a_threshold_that_is_none_is_refused(cli: CLI) -> None:
    status, _, wrong = cli("margin", "--below", "much", *SEPTEMBER)
    assert status == 64 and "--below 'much' is not a percentage" in wrong


def test_a_customer_without_a_rate_says_how_to_give_one(cli: CLI, tmp_path: Path) -> None:
    config = Home(tmp_path / "home").config
    euro = "customers:\n  paris: {currency: EUR}\n"
    plans = "plans:\n  flat: {base: '10.00'}\n"
    config.write_text(
        config.read_text().replace("customers:\n", euro).replace("plans:\n", plans)
        + "  - {customer: paris, plan: flat, start: 2026-09-01}\n"
    )
    status, told, said = cli("margin", *SEPTEMBER)
    assert status == 0 and "no rate" in told and "usd_rates: {2026-09-01:" in said
