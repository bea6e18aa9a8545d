"""Plan files of every kind are applied, previewed and invoiced to amounts that were worked out by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import at
from tests.billing.plan_files import EXAMPLES, Example, charge, many
from tests.billing.usage_in_memory import UsageInMemory

from farebox import yamltext
from farebox.billing.customer_terms import give_coupon
from farebox.billing.documents.document import Invoice
from farebox.billing.invoices.record_position import RecordPosition
from farebox.billing.invoices.run import Desk
from farebox.billing.plans.changes import apply, read_terms
from farebox.billing.wallets.changes import GrantRequest, grant
from farebox.charges.plan import Discount
from farebox.charges.usage.cells import Cell
from farebox.control.database import open_control
from farebox.control.publish import change
from farebox.errors import ConfigError
from farebox.home import Home

APPLIED = at("2026-11-01T00:00")


class Founder:
    """One home, in which every file has a customer and a plan of its own."""

    def __init__(self, home: Home) -> None:
        self.home, self.control = home, open_control(home)
        self.usage = UsageInMemory()
        self.desk = Desk(home, self.control, self.usage, verified=False, position=lambda _: self._position())

    def apply(self, text: str) -> None:
        root, findings = yamltext.parse(text, "plans.yaml")
        apply(self.home, read_terms(root, findings), "uid:1", APPLIED, findings=findings)

    def write(self, example: Example, number: int) -> str:
        """Apply an example's file and record its usage; return the customer."""
        start = "" if "start" in example.more else "start: 2026-11-01, "
        text = (
            f"customers:\n  acme: {example.customer}\nplans:\n  pro:{example.plan}"
            f"subscriptions:\n  - {{customer: acme, plan: pro, {start}{example.more}}}\n"
        )
        self.apply(re.sub(r"\b(acme|pro)\b", rf"\g<1>{number}", text))
        for each in example.usage:
            rows = self.usage.calls if isinstance(each, Cell) else self.usage.outcome_rows
            rows.append(replace(each, customer=f"acme{number}"))  # type: ignore[arg-type]
        return f"acme{number}"

    def invoices(self, customer: str, runs: tuple[str, ...]) -> list[Invoice]:
        found: list[Invoice] = []
        for moment in runs:
            report = self.desk.run(at(moment), actor="uid:1", customers=[customer])
            assert not report.refused
            found += report.final
        return found

    def _position(self) -> RecordPosition:
        seq, outcome = self.usage.as_of()
        return RecordPosition(seq=seq, outcome=outcome, head_hash=f"{seq:064x}", home_id="home")


@pytest.fixture(scope="module")
def founder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Founder]:
    home = Home(tmp_path_factory.mktemp("founder") / "home")
    home.prepare()
    yield Founder(home)


def by_title(invoice: Invoice, number: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in invoice.lines:
        title = line.title.replace(f"pro{number}", "pro")
        title = "Billed by" if title.startswith("Billed by") else title
        found[title] = found.get(title, 0) + line.amount_minor
    return found


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=[each.name for each in EXAMPLES])
def test_a_plan_file_is_applied_previewed_and_invoiced_to_the_amounts_worked_out_by_hand(
    founder: Founder, number: int
) -> None:
    example = EXAMPLES[number]
    customer = founder.write(example, number)
    moment = at("2026-11-30T00:00" if "until" not in example.more else "2026-11-08T00:00")
    (preview, *_) = founder.desk.preview(customer, moment)
    issued = founder.invoices(customer, example.runs)
    assert [by_title(each, number) for each in issued] == example.lines
    assert [each.due_minor for each in issued] == example.due
    if len(example.runs) == 1:  # the preview of a period is its invoice
        assert by_title(preview.invoice, number) == example.lines[0]
    assert preview.unconsumed == ()


def test_prepaid_money_and_a_coupon_are_taken_off_what_a_plan_comes_to(founder: Founder) -> None:
    plan = charge('meter: calls, unit: "0.01"', base='"50.00"')
    customer = founder.write(
        Example("wallet", plan, [many(2_500)], [], [], '{timezone: UTC, tax_percent: "10"}'), 900
    )
    ask = GrantRequest(customer=customer, amount="40.00")
    grant(founder.home, ask, "uid:1", APPLIED, founder.control)
    with change(founder.home, founder.control) as connection:
        fixed = Discount(kind="fixed", value=Decimal("5.00"), name="LAUNCH")
        give_coupon(connection, customer, fixed, APPLIED)
    (made,) = founder.invoices(customer, ("2026-12-04T00:00",))
    # 50.00 + 25.00 − 5.00 = 70.00; 10 % tax; 77.00 less the 40.00 that were paid before
    assert (made.subtotal_minor, made.total_minor, made.due_minor) == (7000, 7700, 3700)
    assert by_title(made, 900) == {"Base fee, pro": 5000, "A": 2500, "Discount": -500}


WRONG = """customers:
  acme: {currency: USD, timezone: Mars/Base}
  globex: {currency: EUR}
plans:
  pro:
    base: "-5.00"
    currency: USD
    charges:
      - {name: A, meter: tokens, graduated: [{up_to: 100, unit: "1"}, {up_to: 50, unit: "2"}, {unit: "3"}]}
      - {name: B, meter: tokenz, unit: "1"}
      - {name: C, meter: calls, unit: "-0.01"}
      - {name: D, meter: cost, markup_percent: "10", multiplier: "2"}
  max: {charges: [{name: A, meter: calls, unit: "1"}]}
  other: {charges: [{name: A, meter: calls, unit: "2"}]}
subscriptions:
  - {customer: globex, plan: pro, start: 2026-11-01}
  - {customer: acme, plan: max, start: 2026-11-01}
  - {customer: acme, plan: other, start: 2026-11-15}
  - {customer: nobody, plan: nothing, start: 2026-11-01}
"""


def test_wrong_input_is_refused_with_all_findings_at_once_each_with_its_place(founder: Founder) -> None:
    with pytest.raises(ConfigError) as refused:
        founder.apply(WRONG)
    said = [str(each) for each in refused.value.findings]
    for line, word in (
        (2, "Mars/Base"), (6, "-5.00"), (9, "up_to"), (10, "tokenz"), (11, "-0.01"), (12, "multiplier"),
        (16, "currency"), (18, "one subscription for a meter"), (19, "nobody"), (19, "nothing"),
    ):  # fmt: skip
        assert any(each.startswith(f"plans.yaml:{line}") and word in each for each in said), (
            line,
            word,
            said,
        )


def test_an_edit_of_a_plan_in_use_makes_a_version_and_changes_nobodys_price(founder: Founder) -> None:
    example = Example("edited", charge('meter: calls, unit: "0.01"'), [many(100)], [], [])
    customer = founder.write(example, 901)
    founder.apply('plans:\n  pro901: {charges: [{name: A, meter: calls, unit: "0.05"}]}\n')
    (made,) = founder.invoices(customer, ("2026-12-04T00:00",))
    assert [(line.plan_version, line.amount_minor) for line in made.lines] == [(1, 100)]
