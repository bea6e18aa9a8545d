"""`farebox simulate`: other plans, prices and models over a past month; nothing is saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_margins import CLI, SEPTEMBER, cli

__all__ = ["cli"]  # the fixture


def simulated(cli: CLI, *arguments: str) -> Any:
    status, said, wrong = cli("simulate", *arguments, *SEPTEMBER, "--json")
    assert status == 0, wrong
    return json.loads(said)


def amounts(answer: Any) -> dict[str, tuple[str, str]]:
    return {each["customer"]: (each["before"], each["after"]) for each in answer["customers"]}


def test_without_changes_before_and_after_are_what_is_invoiced(cli: CLI) -> None:
    answer = simulated(cli)
    assert amounts(answer)["acme"] == ("95.00", "95.00")
    _, said, _ = cli("invoices", "preview", "acme", "--json")
    totals = [each["subtotal_minor"] for each in json.loads(said)["invoices"]]
    assert 9_500 in totals


def test_another_plan_shows_who_pays_more_and_for_what(cli: CLI, tmp_path: Path) -> None:
    file = tmp_path / "plans.yaml"
    charge = '{name: Usage, meter: cost, markup_percent: "50"}'
    file.write_text(f'plans:\n  pro:\n    base: "10.00"\n    charges: [{charge}]\n')
    answer = simulated(cli, "--plans", str(file))
    assert amounts(answer)["acme"] == ("95.00", "100.00")
    (acme,) = (each for each in answer["customers"] if each["customer"] == "acme")
    changed = [(each["charge"], each["before"], each["after"]) for each in acme["charges"]]
    assert changed == [("Usage", "75.00", "90.00"), ("Base fee, pro", "20.00", "10.00")]
    assert answer["totals"][0]["pay_more"] == 1
    assert amounts(simulated(cli))["acme"] == ("95.00", "95.00")  # nothing was saved


def test_another_model_shows_what_the_month_would_have_cost(cli: CLI) -> None:
    answer = simulated(cli, "--model", "gpt-4o=gpt-4o-mini")
    assert (answer["cost_before_usd"], answer["cost_after_usd"]) == ("80", "4.8")
    assert amounts(answer)["acme"] == ("95.00", "24.50")
    assert any("Token counts are as they were" in said for said in answer["statements"])


def test_other_prices_change_cost_and_what_depends_on_it(cli: CLI, tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("pricing:\n  gpt-4o: {input_per_1m: 5, output_per_1m: 20}\n")
    answer = simulated(cli, "--prices", str(file))
    assert (answer["cost_before_usd"], answer["cost_after_usd"]) == ("80", "160")
    assert amounts(answer)["acme"] == ("95.00", "170.00")
    status, said, _ = cli("simulate", "--prices", str(file), *SEPTEMBER)
    assert status == 0 and "+75.00" in said and "Nothing was saved." in said
    beside_a_model = simulated(cli, "--prices", str(file), "--model", "nosuch=gpt-4o-mini")
    assert beside_a_model["cost_after_usd"] == "160"


@pytest.mark.parametrize(
    ("flag", "text", "words"),
    [("--model", "gpt-4o", "OLD=NEW"), ("--plans", "/nowhere.yaml", "cannot be read")],
)
def test_what_is_written_otherwise_is_refused(cli: CLI, flag: str, text: str, words: str) -> None:
    status, _, wrong = cli("simulate", flag, text, *SEPTEMBER)
    assert status == 64 and words in wrong


def test_plans_that_are_wrong_are_refused_with_all_findings(cli: CLI, tmp_path: Path) -> None:
    file = tmp_path / "plans.yaml"
    file.write_text("plans:\n  pro: {base: x, charges: [{name: A, meter: nothing}]}\n")
    status, _, wrong = cli("simulate", "--plans", str(file), *SEPTEMBER)
    assert status == 78 and "base" in wrong and "meter" in wrong


def test_totals_say_that_they_are_lower_bounds_where_calls_have_no_price(cli: CLI) -> None:
    _, told, _ = cli("simulate", "--model", "gpt-4o=nosuch", *SEPTEMBER)
    assert "→ ≥ 20.00 (" in told and "→ ≥ $" in told
    assert "Without a price: 0 calls before, 4 calls after" in told
