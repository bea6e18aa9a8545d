"""Find the account and the holding of a claim in the file, or make them."""

from __future__ import annotations

import time

from farebox.budgets.counters.account import Account
from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.layout import ACCOUNTS, BUDGETS, HOLDINGS, OPEN, OPENING, RINGS
from farebox.budgets.counters.file.section import Section
from farebox.errors import CountersDamagedError


def attach(section: Section, participant: int, account: Account) -> tuple[int, int]:
    """Return the numbers of a participant's holding of an account, and of the account.

    Raises:
        NoRoomError: There is no room for one more.
    """
    found = find_or_make(section, account)
    head = ACCOUNTS.at(found) + layout.A_HOLDING
    link = section[head]
    used = section[HOLDINGS.used]
    for _ in range(used + 1):
        if not link:
            break
        start = HOLDINGS.linked(link, used)
        if section[start + layout.G_PARTICIPANT] == participant + 1:
            return link - 1, found
        link = section[start + layout.G_NEXT]
    else:
        raise CountersDamagedError("a chain of holdings has no end")
    number = section.allocate(HOLDINGS)
    start = HOLDINGS.at(number)
    section[start + layout.G_ACCOUNT] = found + 1
    section[start + layout.G_PARTICIPANT] = participant + 1
    section[start + layout.G_NEXT] = section[head]
    section[head] = number + 1
    return number, found


def find_or_make(section: Section, account: Account) -> int:
    """Return the number of an account.

    A new one of a budget whose accounts are all known begins at zero; else it is opening, until the ledger
    has read the record.

    Raises:
        NoRoomError: There is no room for one more.
    """
    found = section.find_account(account.key)
    if found is not None:
        return found
    budget = BUDGETS.at(find_or_make_budget(section, account.budget))
    is_known = section[budget + layout.B_STATE] == OPEN and not section[budget + layout.B_EVICTED]
    number = section.allocate(ACCOUNTS)
    start = ACCOUNTS.at(number)
    if account.part_ns:
        section[start + layout.A_RING] = section.allocate(RINGS) + 1
    section[start + layout.A_KEY] = account.key
    section[start + layout.A_BUDGET] = account.budget
    section[start + layout.A_STATE] = OPEN if is_known else OPENING
    section[start + layout.A_END_NS] = account.end_ns
    section[start + layout.A_PART_NS] = account.part_ns
    section[start + layout.A_ROLLING_NS] = account.rolling_ns
    section[start + layout.A_USED_S] = int(time.monotonic())
    section.chain_account(number)
    return number


def find_budget(section: Section, key: int) -> int | None:
    """Return the number of a budget's definition."""
    for number in range(section[BUDGETS.used]):
        if section[BUDGETS.at(number) + layout.B_KEY] == key:
            return number
    return None


def find_or_make_budget(section: Section, key: int) -> int:
    """Return the number of a budget's definition; a new one is opening.

    Raises:
        NoRoomError: There is no room for one more.
    """
    found = find_budget(section, key)
    if found is None:
        found = section.allocate(BUDGETS)
        section[BUDGETS.at(found) + layout.B_KEY] = key
        section[BUDGETS.at(found) + layout.B_STATE] = OPENING
    return found
