"""What final invoices have billed is not changed afterwards: zone, currency, anchor, start and end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from tests.billing.invoices.billed_customers import at
from tests.billing.usage_in_memory import UsageInMemory, call

from farebox import yamltext
from farebox.billing.invoices.record_position import RecordPosition
from farebox.billing.invoices.run import Desk
from farebox.billing.plans import changes
from farebox.control.database import open_control
from farebox.errors import ConfigError, Finding, UsageError
from farebox.home import Home

TEXT = """customers: {acme: {timezone: UTC}}
plans:
  pro: {base: "30.00", charges: [{name: Usage, meter: cost, markup_percent: "20"}]}
  more: {base: "5.00"}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-11-01}
"""
LATER = at("2026-12-04T00:00")


def apply(home: Home, text: str) -> None:
    found: list[Finding] = []
    root, findings = yamltext.parse(text, "plans.yaml")
    found += findings
    changes.apply(home, changes.read_terms(root, found), "uid:1", LATER, findings=found)


@pytest.fixture
def invoiced(home: Home) -> Home:
    apply(home, TEXT)
    usage = UsageInMemory([call("acme", at("2026-11-02T00:00"), output_cost_pico=10**12)])

    def position(_: Home) -> RecordPosition:
        return RecordPosition(seq=1, outcome=0, head_hash="0" * 64, home_id="home")

    desk = Desk(home, open_control(home), usage, verified=False, position=position)
    assert [each.total_minor for each in desk.run(LATER, actor="uid:1").final] == [3_120]
    return home


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("timezone: UTC", "timezone: Asia/Tokyo", "the time zone UTC"),
        ("{timezone: UTC}", "{timezone: UTC, currency: JPY}", "the currency USD"),
        ("start: 2026-11-01}", "start: 2026-11-01, anchor: 2026-11-10}", "the anchor 2026-11-01"),
        ("plan: pro, start: 2026-11-01", "plan: more, start: 2026-11-15", "a start from 2026-12-01 on"),
    ],
)
def test_terms_that_invoices_were_made_by_are_not_changed(
    invoiced: Home, old: str, new: str, words: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        apply(invoiced, TEXT.replace(old, new))
    assert words in str(refused.value)
    apply(invoiced, TEXT)


@pytest.mark.parametrize(
    "change",
    [
        lambda home, day: changes.end_subscription(home, "acme", None, day, "uid:1", LATER),
        lambda home, day: changes.change_subscription(home, "acme", "more", day, "uid:1", LATER),
    ],
)
def test_a_subscription_does_not_end_before_what_was_invoiced(
    invoiced: Home, change: Callable[[Home, date], object]
) -> None:
    with pytest.raises(UsageError, match="INV-000001 has billed pro until 2026-12-01"):
        change(invoiced, date(2026, 11, 20))
    change(invoiced, date(2026, 12, 1))
