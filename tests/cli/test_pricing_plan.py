"""The shortest plan there is: a markup under `pricing:`, and no subscription."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import farebox
from farebox.cli.main import main
from farebox.home import Home

FILE = """
pricing:
  gpt-4o: {per_token: 0.000005, markup: 1.2}
  gpt-4o-mini: {per_token: 0.000001}
customers:
  acme: {name: Acme Inc.}
"""


def test_a_markup_and_recorded_calls_are_enough_for_an_invoice_that_explains_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    home.path.mkdir(mode=0o700)
    home.config.write_text(FILE)

    def cli(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["farebox", *arguments, "--home", str(home.path)])
        status = main()
        captured = capsys.readouterr()
        assert status == 0, captured.err
        return captured.out

    def answer(*arguments: str) -> Any:
        return json.loads(cli(*arguments, "--json"))

    farebox.configure(home=home.path)
    try:
        for model in ("gpt-4o", "gpt-4o", "gpt-4o-mini"):
            usage = {"input_tokens": 900_000, "output_tokens": 100_000}
            farebox.record(provider="openai", model=model, usage=usage, customer="acme")
    finally:
        farebox.shutdown()

    said = cli("invoices", "preview", "acme")
    assert "12.00" in said and "is on no plan and billed by `pricing:`" in said and "plans apply" in said
    today = datetime.now(UTC).date()
    after = (today.replace(day=1) + timedelta(days=32)).replace(day=4)
    cli("invoices", "run", "--as-of", str(after))
    lines = answer("invoices", "show", "INV-000001")["invoice"]["lines"]
    assert {line["title"]: line["exact"] for line in lines} == {
        "Usage: gpt-4o": "12",
        "Usage: gpt-4o-mini": "1",
    }
    for line in lines:
        explained = answer("explain", f"INV-000001/{line['id']}")["explanation"]
        assert explained["adds_up"] and explained["quantity"] == line["exact"]

    month = ("--since", str(today.replace(day=1)), "--until", str(after.replace(day=1)), "--tz", "UTC")
    (row,) = answer("margin", *month)["rows"]
    assert (row["revenue_usd"], row["cost_usd"]) == ("13", "11")
    dearer = tmp_path / "prices.yaml"
    dearer.write_text(
        "pricing:\n  gpt-4o: {per_token: 0.000005, markup: 1.5}\n  gpt-4o-mini: {per_token: 0.000001}\n"
    )
    (acme,) = answer("simulate", "--prices", str(dearer), *month)["customers"]
    assert (acme["before"], acme["after"]) == ("13.00", "16.00")

    # Without a markup nobody is billed by it, and what was issued stays.
    home.config.write_text(FILE.replace(", markup: 1.2", ""))
    monkeypatch.setattr(sys, "argv", ["farebox", "invoices", "preview", "acme", "--home", str(home.path)])
    assert main() != 0 and "no subscription now" in capsys.readouterr().err
    assert answer("invoices", "show", "INV-000001")["invoice"]["lines"] == lines
