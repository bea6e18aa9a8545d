"""Free holdings and accounts that nobody needs any more, by the ledger, under the lock."""

from __future__ import annotations

from collections.abc import Callable

from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.layout import ACCOUNTS, BUDGETS, HOLDINGS, RINGS
from farebox.budgets.counters.file.mapped_file import MappedFile
from farebox.budgets.counters.file.section import Section
from farebox.budgets.counters.file.tables import find_budget

KEPT_NS = 3600 * 10**9
"""How long an account is kept after its window."""
LIVE_MAX = ACCOUNTS.most * 3 // 4
"""Of more accounts than these the ones used longest ago are let go. They are made from the record if they
come back."""


def free_holding(section: Section, number: int) -> None:
    """Free one holding, whatever it holds."""
    section.unchain_holding(number)
    section.release(HOLDINGS, number)


def free_holdings(section: Section, file: MappedFile, breathe: Callable[[], None]) -> None:
    """Free those that their owners no longer use, and of which everything is in the record."""
    for number, retired in enumerate(file.column(HOLDINGS, layout.G_RETIRED)):
        if not retired:
            continue
        start = HOLDINGS.at(number)
        taken = max(section[start + layout.G_TAKEN], section[start + layout.G_SETTLED])
        # Its owner may have come back since, while others had the lock.
        if section[start + layout.G_RETIRED] and section[start + layout.G_FOLDED] >= taken:
            free_holding(section, number)
            section.commit()
            breathe()


def free_accounts(section: Section, file: MappedFile, now_ns: int, breathe: Callable[[], None]) -> None:
    """Free accounts in which nobody holds anything: their window is over, or their budget is gone."""
    keys = file.column(ACCOUNTS, layout.A_KEY)
    ends = file.column(ACCOUNTS, layout.A_END_NS)
    budgets = file.column(ACCOUNTS, layout.A_BUDGET)
    holdings = file.column(ACCOUNTS, layout.A_HOLDING)
    defined = set(file.column(BUDGETS, layout.B_KEY))
    live = 0
    kept: list[int] = []
    for number, (key, end, budget, holding) in enumerate(zip(keys, ends, budgets, holdings, strict=False)):
        if not key:
            continue
        live += 1
        if holding:
            continue
        if (end and end + KEPT_NS <= now_ns) or budget not in defined:
            _free_account(section, number)
            breathe()
            live -= 1
        else:
            kept.append(number)
    if live > LIVE_MAX:
        used = file.column(ACCOUNTS, layout.A_USED_S)
        kept.sort(key=lambda number: used[number])
        for number in kept[: live - LIVE_MAX // 2]:
            _evict(section, number)
            breathe()


def _evict(section: Section, number: int) -> None:
    """Free an account that may be needed again: its budget's new accounts are made from the record."""
    budget = find_budget(section, section[ACCOUNTS.at(number) + layout.A_BUDGET])
    if budget is not None:
        section[BUDGETS.at(budget) + layout.B_EVICTED] = 1
    _free_account(section, number)


def _free_account(section: Section, number: int) -> None:
    start = ACCOUNTS.at(number)
    if section[start + layout.A_HOLDING]:
        return  # somebody has come since, while others had the lock
    if section[start + layout.A_RING]:
        section.release(RINGS, section[start + layout.A_RING] - 1)
    section.unchain_account(number)
    section.release(ACCOUNTS, number)
    section.commit()
