"""Compare what a receiver has been told with the record, day by day: figures added up row by row.

The record is asked as far as the export has followed it; rows before its beginning are left out.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec

from farebox.channels.usage.usage_event import QUANTITIES
from farebox.clock import iso
from farebox.config import is_exposed, load_config
from farebox.control import usage_events
from farebox.control.usage_events import DAY_NS
from farebox.exports.changes import export_named
from farebox.exports.cuts import Cut
from farebox.exports.usage_sums import sums_of
from farebox.home import Home
from farebox.ledger.database import open_reader
from farebox.ledger.feed import Feed

_OPEN = ("held", "waiting", "refused", "in_doubt")
_Key = tuple[int, str, str]


class DaySum(NamedTuple):
    """A day's usage of a customer; whole numbers, amounts in pico-dollars."""

    day: str
    customer: str
    quantity: str
    record: int
    receiver: int
    open: int

    @property
    def difference(self) -> int:
        """What is in the record and in no event, or the other way round."""
        return self.record - self.receiver - self.open


class Reconciliation(NamedTuple):
    """Every day, and how far the record was asked."""

    seq: int
    days: list[DaySum]

    @property
    def agrees(self) -> bool:
        """Whether the receiver has everything."""
        return not any(each.open or each.difference for each in self.days)


def reconciliation(home: Home, name: str) -> Reconciliation:
    """Return the comparison of one export.

    Raises:
        UsageError: There is no export of that name.
    """
    from farebox.control.database import open_control

    with open_control(home).reading() as connection:
        _, said = export_named(connection, name)
        progress = usage_events.progress(connection, name)
        first_seq = usage_events.beginning(connection, name)
        theirs = Counter(usage_events.days(connection, name))
        open_events: Counter[_Key] = Counter()
        for each in usage_events.in_states(connection, name, _OPEN):
            for quantity, value in each.event.sums.items():
                open_events[each.event.from_ns // DAY_NS, each.customer, quantity] += value
    ours: Counter[_Key] = Counter()
    record = open_reader(home)
    if record is not None and progress is not None:
        config = load_config(home, home.config if home.config.is_file() else None, prices=False)
        by_day = msgspec.structs.replace(said, granularity="day")
        cut = Cut(first_seq + 1, progress.seq)
        try:
            found = sums_of(Feed(record), cut, by_day, verified=is_exposed(config.listen, config))
        finally:
            record.close()
        for group, sums in found.items():
            for quantity, value in zip(QUANTITIES, sums, strict=True):
                if quantity in said.meters:
                    ours[group.from_ns // DAY_NS, group.customer, quantity] += value
    keys = sorted(
        key for key in {*ours, *theirs, *open_events} if ours[key] or theirs[key] or open_events[key]
    )
    days = [
        DaySum(iso(day * DAY_NS)[:10], customer, quantity, ours[key], theirs[key], open_events[key])
        for key in keys
        for day, customer, quantity in (key,)
    ]
    return Reconciliation(progress.seq if progress is not None else 0, days)
