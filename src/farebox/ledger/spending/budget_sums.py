"""Add up by budget what rows of the record count for. Imported history counts for nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from farebox.budgets.budget import Budget, BudgetSet
from farebox.budgets.counters import Account, account_of
from farebox.budgets.matching import Matcher, attributes, without_stated_customer
from farebox.journal.records import IMPORTED
from farebox.ledger.feed import CLASS_COLUMNS, Batch
from farebox.ledger.spending.counted_rows import CountedRow
from farebox.money import PicoUsd

_REMEMBERED = 20_000
_PROVIDER, _MODEL, _REQUEST_MODEL, _KEY = (
    CLASS_COLUMNS.index(name) for name in ("provider", "model", "request_model", "key_fingerprint")
)


class Spending(NamedTuple):
    """What was spent in one account at a time."""

    account: Account
    part: int
    """Of a rolling window: which part of it, counted from 1970; 0 of any other."""


Sums = dict[Spending, PicoUsd]


class BudgetSums:
    """Knows the accounts that calls count in, for one set of budgets."""

    def __init__(self, budgets: Iterable[Budget], *, others_reach_us: bool) -> None:
        """`others_reach_us`: a customer that only the request states uses up no customer's budget."""
        self._matcher = Matcher(BudgetSet(budgets=tuple(budgets)))
        self._others_reach_us = others_reach_us
        self._accounts: dict[tuple[str, str | None], list[Account]] = {}

    def add(self, sums: Sums, batch: Batch, rows: Iterable[CountedRow], now_ns: int) -> None:
        """Add rows to `sums`, except what counts in windows that have ended before `now_ns`."""
        matched: dict[tuple[int, int], list[tuple[Budget, str | None]]] = {}
        for row in rows:
            kind = row.call_class, row.attribution
            budgets = matched.get(kind)
            if budgets is None:
                budgets = matched[kind] = self._matches(batch, *kind)
            for budget, value in budgets:
                amount = row.charge_pico if budget.measure == "price" else row.cost_pico
                if not amount:
                    continue
                account = self._account(budget, value, row.occurred_at_ns)
                if account.end_ns and account.end_ns <= now_ns:
                    continue
                part = row.occurred_at_ns // account.part_ns if account.part_ns else 0
                if part and (part + 1) * account.part_ns + account.rolling_ns <= now_ns:
                    continue
                spending = Spending(account, part)
                sums[spending] = sums.get(spending, 0) + amount

    def _matches(self, batch: Batch, call_class: int, attribution: int) -> list[tuple[Budget, str | None]]:
        values, whose = batch.classes[call_class], batch.attributions[attribution]
        if IMPORTED in whose.fields:
            return []
        call = attributes(
            whose.fields,
            whose.proven,
            provider=values[_PROVIDER],
            request_model=values[_REQUEST_MODEL],
            response_model=values[_MODEL],
            key_fingerprint=values[_KEY],
        )
        if self._others_reach_us:
            call = without_stated_customer(call, whose.proven)
        return [(match.budget, match.value) for match in self._matcher.judge(call).budgets]

    def _account(self, budget: Budget, value: str | None, at_ns: int) -> Account:
        known = self._accounts.get((budget.name, value))
        if known is not None:
            for account in known:
                if account.start_ns <= at_ns and (not account.end_ns or at_ns < account.end_ns):
                    return account
        account = account_of(budget, value, at_ns)
        if known is None or len(known) >= 8:
            if len(self._accounts) >= _REMEMBERED:
                self._accounts.clear()
            known = self._accounts[budget.name, value] = []
        known.append(account)
        return account
