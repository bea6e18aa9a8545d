"""The demo home's `farebox.yaml`: customers, plans, budgets, alerts and names of keys, sized to its calls."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from farebox.demo import company
from farebox.demo.company import BOUND_CLIENT, BOUND_KEY, CLIENTS, PROGRAMS

USUAL_CALLS = 30_000
"""The number of calls that the amounts here are for; more calls have larger limits and base fees."""

_HEAD = """\
# Made by `farebox demo`: a company that does not exist, and what it spends.
providers:
  {own}: {{upstream: "http://{host}", speaks: openai}}
billing:
  seller: {{name: Example Labs, address: "1 Example Street, Springfield", email: billing@example.com}}
"""
_PLANS = """\
plans:
  starter:
    interval: month
    base: "{starter}"
    charges:
      - {{name: Conversations, meter: conversations, unit: "0.02"}}
      - {{name: Usage, meter: cost, markup_percent: "30"}}
  pro:
    interval: month
    base: "{pro}"
    charges:
      - {{name: Usage, meter: cost, markup_percent: "25"}}
  scale:
    interval: month
    base: "{scale}"
    charges:
      - {{name: Reports, meter: outcome, where: {{outcome: report.delivered}}, unit: "4.00"}}
      - {{name: Usage, meter: cost, markup_percent: "20"}}
  flat:
    interval: month
    base: "{flat}"
    charges:
      - {{name: Calls, meter: calls, unit: "0.002"}}
"""
_LIMITS = """\
budgets:
  - {{name: everything, limit: "{month}", period: month, mode: soft}}
  - {{name: acme-daily, where: {{customer: acme}}, limit: "{acme}", period: day, mode: soft}}
  - {{name: coding-weekly, where: {{app: claude}}, limit: "{coding}", period: week, mode: soft}}
  - {{name: per-session, each: session, limit: "{session}", period: session, mode: soft}}
alerts:
  - {{name: acme-spend, budget: acme-daily, at: ["80%", "100%"]}}
  - {{name: big-day, spend: ["{day}"], period: day, severity: warning}}
  - {{name: cost-jump, rise: cost, by: "150%", over: 1d, severity: critical}}
  - {{name: failing, errors: "10%", over: 15m, severity: critical}}
  - {{name: retried, retries: "20%", over: 15m}}
  - {{name: cache-lost, where: {{app: support-chat}}, cache_hits: {{fall: "50%"}}, over: 2h}}
  - {{name: new-models, new: model}}
  - {{name: no-price, unpriced: true}}
  - {{name: thin-margin, margin: {{below: "10%"}}, each: customer, period: month}}
"""


def text(calls: int, since_ns: int) -> str:
    """Return the file for so many calls that begin at a moment."""
    start = _months_first(since_ns)
    lines = [_HEAD.format(own=company.OWN.provider, host=company.OWN.host)]
    lines.append("keys:\n")
    lines += [f'  "{each.key}": {{label: {each.key_label}}}\n' for each in PROGRAMS]
    lines.append(f'  "{BOUND_KEY}": {{label: {BOUND_CLIENT}, customer: {BOUND_CLIENT}}}\n')
    lines.append("customers:\n")
    lines += [
        f'  {each.name}: {{name: "{each.title}", currency: USD, timezone: {each.timezone}}}\n'
        for each in CLIENTS
    ]
    lines.append(
        _PLANS.format(
            starter=_sized("5.00", calls),
            pro=_sized("15.00", calls),
            scale=_sized("40.00", calls),
            flat=_sized("3.00", calls),
        )
    )
    lines.append("subscriptions:\n")
    lines += [f"  - {{customer: {each.name}, plan: {each.plan}, start: {start}}}\n" for each in CLIENTS]
    lines.append(
        _LIMITS.format(
            month=_sized("600.00", calls),
            acme=_sized("2.50", calls),
            coding=_sized("60.00", calls),
            session="6.00",
            day=_sized("45.00", calls),
        )
    )
    return "".join(lines)


def _sized(amount: str, calls: int) -> str:
    """Return an amount for so many calls, of at most two significant digits, a cent at least."""
    exact = Decimal(amount) * calls / USUAL_CALLS
    step = Decimal(1).scaleb(exact.adjusted() - 1)
    rounded = max((exact / step).to_integral_value() * step, Decimal("0.01"))
    return f"{rounded:.2f}"


def _months_first(moment_ns: int) -> date:
    return datetime.fromtimestamp(moment_ns // 10**9, UTC).date().replace(day=1)
