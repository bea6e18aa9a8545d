"""Which counter a call counts in: a budget, a value of `each` and a window have an account of their own.

Pure. Keys are made of what they stand for, so that every process and the ledger find the same account.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import msgspec

from farebox.budgets.budget import Budget
from farebox.budgets.periods import rolling_part_ns, window


class Account(NamedTuple):
    """One counter."""

    key: int
    """63 bits that stand for all of the below."""
    budget: int
    """The key of the budget's definition, see `definition_key`."""
    start_ns: int
    """From when calls count in it, by `occurred_at_ns`; 0 for ever, and for a rolling window."""
    end_ns: int
    """The first moment after it; 0: it never ends."""
    part_ns: int = 0
    """Of a rolling window: how long one of its parts is. The account keeps the parts apart and never ends."""
    rolling_ns: int = 0
    """Of a rolling window: how far back it reaches."""


def definition_key(budget: Budget) -> int:
    """Return the key of what a budget counts.

    What is done at the limit, and the limit itself, can be changed without counting anew.
    """
    where = sorted((name, sorted(values)) for name, values in budget.where.items())
    period = (budget.period.kind, budget.period.rolling_s, budget.timezone)
    return _key(budget.name, where, budget.each, sorted(budget.exempt), budget.measure, period)


def account_of(budget: Budget, value: str | None, at_ns: int) -> Account:
    """Return the account of a call at `at_ns`; `value` is what it has of `each` (`Match.value`).

    The same until `end_ns`, so it is worth keeping: making one takes longer than a reservation.
    """
    definition = definition_key(budget)
    if budget.period.kind == "rolling":
        part = rolling_part_ns(budget.period.rolling_s)
        rolling_ns = budget.period.rolling_s * 10**9
        return Account(_key(definition, value, 0), definition, 0, 0, part, rolling_ns)
    start, end = window(budget, at_ns)
    return Account(_key(definition, value, start), definition, start, end or 0)


def writer_key(writer_id: str) -> int:
    """Return the 63 bits that stand for a journal's writer (`ParticipantState.writer`)."""
    return _key(writer_id)


def _key(*parts: object) -> int:
    digest = blake2b(msgspec.msgpack.encode(parts), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1 or 1
