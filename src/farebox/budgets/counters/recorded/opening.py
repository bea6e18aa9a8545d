"""Make accounts' figures from the record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from farebox.budgets.counters.account import Account
from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.layout import (
    ACCOUNTS,
    BUDGETS,
    HOLDINGS,
    OPEN,
    OPENING,
    PARTICIPANTS,
    RING_PARTS,
    RINGS,
)
from farebox.budgets.counters.file.section import Section
from farebox.budgets.counters.file.tables import find_or_make
from farebox.budgets.counters.recorded.batch import Spent

KEPT_MAX = 32768
"""Of more accounts than these only those that somebody has asked for are kept; others are made from the
record when they are asked for."""
_AT_ONCE = 500


def close_all(section: Section, breathe: Callable[[], None]) -> None:
    """Have everything made from the record anew."""
    for number in range(section[BUDGETS.used]):
        if section[BUDGETS.at(number) + layout.B_KEY]:
            section[BUDGETS.at(number) + layout.B_STATE] = OPENING
    for number in range(section[ACCOUNTS.used]):
        if section[ACCOUNTS.at(number) + layout.A_KEY]:
            section[ACCOUNTS.at(number) + layout.A_STATE] = OPENING
        if len(section) > _AT_ONCE:
            section.commit()
            breathe()
    for number in range(section[HOLDINGS.used]):  # no call is let pass by a lease that was taken before
        if section[HOLDINGS.at(number) + layout.G_GRANTED]:
            section[HOLDINGS.at(number) + layout.G_GRANTED] = 0
        if len(section) > _AT_ONCE:
            section.commit()
            breathe()
    section.commit()
    for number in range(section[PARTICIPANTS.used]):
        at = PARTICIPANTS.at(number) + layout.P_REVOKED
        section[at] = section[at] + 1
    section[layout.H_STALE] = 0
    section.commit()


def open_accounts(
    section: Section,
    budget: int,
    spent: Mapping[Account, Sequence[Spent]],
    breathe: Callable[[], None],
) -> None:
    """Set what is recorded in all accounts of a budget that are opening, and open them.

    Raises:
        NoRoomError: There is no room for one more.
    """
    start = BUDGETS.at(budget)
    definition = section[start + layout.B_KEY]
    is_new = section[start + layout.B_STATE] != OPEN
    keeps_all = is_new and len(spent) <= KEPT_MAX
    for account, entries in spent.items():
        number = section.find_account(account.key)
        if number is None:
            if not keeps_all:
                continue
            number = find_or_make(section, account)
        if section[ACCOUNTS.at(number) + layout.A_STATE] == OPENING:
            _open(section, number, entries)
            breathe()
    for number in range(section[ACCOUNTS.used]):
        at = ACCOUNTS.at(number)
        if section[at + layout.A_BUDGET] == definition and section[at + layout.A_STATE] == OPENING:
            _open(section, number, ())
            breathe()
    if is_new:
        section[start + layout.B_STATE] = OPEN
        section[start + layout.B_EVICTED] = 0 if keeps_all else 1
    section.commit()


def _open(section: Section, number: int, entries: Sequence[Spent]) -> None:
    start = ACCOUNTS.at(number)
    part_ns = section[start + layout.A_PART_NS]
    if not part_ns:
        section[start + layout.A_RECORDED] = sum(entry.amount for entry in entries)
    else:
        parts: dict[int, int] = {}
        for entry in entries:
            part = min(entry.at_ns, time.time_ns()) // part_ns
            parts[part] = parts.get(part, 0) + entry.amount
        ring = RINGS.linked(section[start + layout.A_RING], section[RINGS.used])
        for at in range(ring, ring + 2 * RING_PARTS):
            section[at] = 0
        for part in sorted(parts):
            section[ring + 2 * (part % RING_PARTS)] = part
            section[ring + 2 * (part % RING_PARTS) + 1] = parts[part]
    section[start + layout.A_STATE] = OPEN
    section[start + layout.A_WAKE] = time.monotonic_ns()
    section.commit()
