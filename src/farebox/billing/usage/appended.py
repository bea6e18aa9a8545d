"""What the record got since a position, by customer and day: invoices of all else are as they were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from farebox.billing.usage.questions import AsOf, Usage
from farebox.ledger.charging.appended_days import DAY_NS, AppendedDay


class Appended:
    """Rows of calls and outcomes after a position, for whoever billed as of that one or a later one."""

    def __init__(self, calls: Iterable[AppendedDay] = (), outcomes: Iterable[AppendedDay] = ()) -> None:
        self._calls = _by_customer(calls)
        self._outcomes = _by_customer(outcomes)

    def is_newer(self, customer: str, from_ns: int, until_ns: int, since: AsOf) -> bool:
        """Tell whether a day that lies at least in part in `[from_ns, until_ns)` has newer rows."""
        first, last = from_ns // DAY_NS, (until_ns - 1) // DAY_NS
        return any(
            first <= each.day <= last and each.newest > after
            for days, after in ((self._calls, since.seq), (self._outcomes, since.outcome))
            for each in days.get(customer, ())
        )

    def within(
        self, customer: str, from_ns: int, until_ns: int, since: AsOf, *, verified: bool
    ) -> tuple[int, int]:
        """Return how many calls and outcomes the customer has more in the whole days of a time."""
        first, last = -(-from_ns // DAY_NS), until_ns // DAY_NS - 1
        calls, outcomes = (
            sum(
                each.number
                for each in days.get(customer, ())
                if first <= each.day <= last and each.newest > after and (each.verified or not verified)
            )
            for days, after in ((self._calls, since.seq), (self._outcomes, since.outcome))
        )
        return calls, outcomes


def _by_customer(days: Iterable[AppendedDay]) -> dict[str, list[AppendedDay]]:
    found: dict[str, list[AppendedDay]] = {}
    for each in days:
        found.setdefault(each.customer, []).append(each)
    return found


class RecordedUsage(Usage, Protocol):
    """Usage of a record that grows: it says what it got since invoices were issued."""

    def appended(self, after: AsOf) -> Appended:
        """Return which customers' days have rows after a position: one question, whoever they are."""
        ...
