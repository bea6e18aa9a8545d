"""Usage of times in which a customer was on no plan: nothing bills it, so it is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farebox.billing.documents.amounts import counted
from farebox.billing.invoices.account import Account
from farebox.billing.periods.schedule import Subscribed
from farebox.billing.usage import Appended, AsOf, Span, Usage
from farebox.charges.plan_reader.written_values import day_start_ns
from farebox.ledger.charging.appended_days import DAY_NS


def usage_without_a_plan(
    usage: Usage,
    accounts: Sequence[tuple[Account, Sequence[Subscribed]]],
    now_ns: int,
    as_of: AsOf,
    appended: Appended,
    *,
    verified: bool,
) -> list[tuple[str, str]]:
    """Return customers, and in words their usage of times on no plan, remapped calls among it.

    Of a customer with invoices only what the record got since the newest one: what was used before its first
    plan has been said by then. Days (UTC) that are only in part on no plan are asked about where they have
    newer rows.
    """
    found: dict[str, tuple[int, int]] = {}
    alike: dict[tuple[int, int], list[str]] = {}
    changed: dict[tuple[int, int, AsOf], list[str]] = {}
    for account, on in accounts:
        name = account.customer.id
        for from_ns, until_ns in _times(account, on, now_ns):
            if account.settled is None:
                alike.setdefault((from_ns, until_ns), []).append(name)
            else:
                more = appended.within(name, from_ns, until_ns, account.settled, verified=verified)
                _add(found, name, *more)
                for part in _parts_of_days(from_ns, until_ns):
                    if appended.is_newer(name, *part, account.settled):
                        changed.setdefault((*part, account.settled), []).append(name)

    def add(names: Sequence[str], from_ns: int, until_ns: int, position: AsOf, sign: int) -> None:
        span = Span(
            customers=tuple(names), from_ns=from_ns, until_ns=until_ns, as_of=position, verified=verified
        )
        for cell in usage.cells(span, ()):
            _add(found, cell.customer, sign * cell.calls, 0)
        for cell in usage.outcomes(span, ()):
            _add(found, cell.customer, 0, sign * cell.count)

    for (from_ns, until_ns), names in alike.items():
        add(names, from_ns, until_ns, as_of, 1)
    for (from_ns, until_ns, since), names in changed.items():
        add(names, from_ns, until_ns, as_of, 1)
        add(names, from_ns, until_ns, since, -1)
    return [(name, _words(*found[name])) for name in sorted(found) if max(found[name]) > 0]


def _times(account: Account, on: Sequence[Subscribed], now_ns: int) -> Iterator[tuple[int, int]]:
    """Yield the times until now that no subscription is of."""
    zone, free_ns = account.customer.timezone, 0
    for said, _ in sorted(on, key=lambda each: each[0].start):
        start_ns = day_start_ns(said.start, zone)
        if free_ns < min(start_ns, now_ns):
            yield free_ns, min(start_ns, now_ns)
        free_ns = now_ns if said.until is None else max(free_ns, day_start_ns(said.until, zone))
    if free_ns < now_ns:
        yield free_ns, now_ns


def _parts_of_days(from_ns: int, until_ns: int) -> list[tuple[int, int]]:
    """Return what of a time is less than a whole day (UTC): at its beginning and its end."""
    first, last = -(-from_ns // DAY_NS) * DAY_NS, until_ns // DAY_NS * DAY_NS
    if first > last:
        return [(from_ns, until_ns)]
    return [part for part in ((from_ns, first), (last, until_ns)) if part[0] < part[1]]


def _add(found: dict[str, tuple[int, int]], name: str, calls: int, outcomes: int) -> None:
    before = found.get(name, (0, 0))
    found[name] = before[0] + calls, before[1] + outcomes


def _words(calls: int, outcomes: int) -> str:
    parts = [counted(number, what) for number, what in ((calls, "call"), (outcomes, "outcome")) if number > 0]
    are = "is" if calls + outcomes == 1 else "are"
    return f"{' and '.join(parts)} {are} of a time in which it was on no plan: nothing bills them"
