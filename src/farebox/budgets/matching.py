"""Which budgets a call counts for, and which stops refuse it: one rule for proxy, SDK, ledger and simulation.

Pure, and compiled once for a set of budgets. What it decided for the same caller is remembered, so that the
next call costs a look into a dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from farebox.budgets.budget import Budget, BudgetSet, Stop
from farebox.charges.usage.conditions import fits

DIMENSIONS = (
    "customer",
    "user",
    "agent",
    "parent_agent",
    "session",
    "task",
    "project",
    "branch",
    "app",
    "key",
    "model",
    "provider",
    "process",
)
"""What a budget or a stop can be for; besides `tag.NAME`."""

TAG = "tag."
_LABEL = "key_label"
_PROCESS = "process.pid"
_KNOWN_OTHERWISE = frozenset(("provider", "model", "key", "process", _LABEL))
"""Not what a request says of itself."""
_REMEMBERED = 4096


def is_dimension(name: str) -> bool:
    """Return whether a budget can be for `name`."""
    return name in DIMENSIONS or (name.startswith(TAG) and len(name) > len(TAG))


class Match(NamedTuple):
    """A budget that a call counts for."""

    budget: Budget
    value: str | None
    """Of `each`: whose limit it is. None for a budget with one limit."""


class Verdict(NamedTuple):
    """What there is to say of a caller."""

    budgets: tuple[Match, ...]
    stop: Stop | None
    """The first one that refuses its calls."""


NOTHING = Verdict((), None)


def attributes(
    attribution: Mapping[str, str],
    sources: Mapping[str, str],
    *,
    provider: str,
    request_model: str | None,
    response_model: str | None = None,
    key_fingerprint: str | None = None,
) -> dict[str, str]:
    """Return what a call is matched by: its attribution, and what is known of it besides.

    `sources` says of each attribution what said so. A key's label counts only where the owner gave it: a
    header that claims one must not reach another key's budget, or its exemption.
    Before its response, its model is the one that was asked for; afterwards the same, or the one that
    responded where none was asked for.
    """
    found = {
        name.lower() if name.startswith(TAG) else name: value
        for name, value in attribution.items()
        if name not in _KNOWN_OTHERWISE
    }
    label = attribution.get(_LABEL)
    if label and sources.get(_LABEL, "").startswith("key:"):
        found[_LABEL] = label
    found["provider"] = provider
    model = request_model or response_model
    if model:
        found["model"] = model
    if key_fingerprint:
        found["key"] = key_fingerprint
    process = attribution.get(_PROCESS)
    if process:
        found["process"] = process
    return found


def without_stated_customer(found: dict[str, str], sources: Mapping[str, str]) -> dict[str, str]:
    """Return attributes without a customer that only the request itself states.

    For a proxy that others reach: only a client token or a key says there whose budget a call uses.
    """
    if sources.get("customer", "").startswith(("token:", "key:")):
        return found
    return {name: value for name, value in found.items() if name != "customer"}


class Matcher:
    """A set of budgets and stops, compiled."""

    def __init__(self, limits: BudgetSet, remembered: int = _REMEMBERED) -> None:
        """`remembered`: of how many callers it is kept what was decided."""
        self.limits = limits
        self._kept = remembered
        self._budgets = [
            (
                budget,
                [_Condition(name, values) for name, values in budget.where.items()],
                _Condition("key", budget.exempt, exact=True) if budget.exempt else None,
            )
            for budget in limits.budgets
        ]
        self._found_by = _Index(limits.budgets)
        self._stops = [(stop, _Condition(stop.dimension, (stop.value,), exact=True)) for stop in limits.stops]
        asked = {name for budget in limits.budgets for name in budget.where}
        asked |= {budget.each for budget in limits.budgets if budget.each}
        asked |= {stop.dimension for stop in limits.stops}
        if any(budget.exempt for budget in limits.budgets):
            asked.add("key")
        if "key" in asked:
            asked.add(_LABEL)
        self._asked = tuple(sorted(asked))
        """The only attributes that matter."""
        self._known: dict[tuple[str | None, ...], Verdict] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to match."""
        return bool(self._budgets or self._stops)

    def judge(self, call: Mapping[str, str]) -> Verdict:
        """Return which budgets a call counts for, in the order of the set, and what stops it.

        `call` are its `attributes`.
        """
        get = call.get
        caller = tuple([get(name) for name in self._asked])
        found = self._known.get(caller)
        if found is None:
            if len(self._known) >= self._kept:
                self._known.clear()
            found = self._known[caller] = self._judged(call)
        return found

    def _judged(self, call: Mapping[str, str]) -> Verdict:
        matches: list[Match] = []
        for position in self._found_by.candidates(call):
            budget, conditions, exempt = self._budgets[position]
            value = call.get(budget.each) if budget.each else None
            if budget.each and not value:
                continue
            for condition in conditions:
                if not condition.holds(call):
                    break
            else:
                if exempt is None or not exempt.holds(call):
                    matches.append(Match(budget, value))
        stop = next((stop for stop, condition in self._stops if condition.holds(call)), None)
        return Verdict(tuple(matches), stop)


class _Index:
    """Finds budgets by one exact value that a call needs to have: most calls are for few of many budgets."""

    def __init__(self, budgets: Sequence[Budget]) -> None:
        self._always: list[int] = []
        self._by_value: dict[str, dict[str, list[int]]] = {}
        for position, budget in enumerate(budgets):
            exact = [
                name
                for name, values in budget.where.items()
                if name != "key" and not any(not value or "*" in value for value in values)
            ]
            if not exact:
                self._always.append(position)
                continue
            name = min(exact, key=lambda each: len(budget.where[each]))
            for value in set(budget.where[name]):
                self._by_value.setdefault(name, {}).setdefault(value, []).append(position)

    def candidates(self, call: Mapping[str, str]) -> Sequence[int]:
        """Return the positions of budgets that a call may be for, in order."""
        found = [
            positions
            for name, values in self._by_value.items()
            if (positions := values.get(call.get(name, "")))
        ]
        if not found:
            return self._always
        return sorted(chain(self._always, *found))


class _Condition:
    """The values of one dimension, any of which is enough."""

    __slots__ = ("_exact", "_names", "_patterns")

    def __init__(self, name: str, values: Sequence[str], *, exact: bool = False) -> None:
        self._names = (name, _LABEL) if name == "key" else (name,)
        patterns = () if exact else tuple(value for value in values if "*" in value)
        self._exact = frozenset(value for value in values if value not in patterns)
        self._patterns = patterns

    def holds(self, call: Mapping[str, str]) -> bool:
        is_said = False
        for name in self._names:
            value = call.get(name)
            if not value:
                continue
            is_said = True
            if value in self._exact or (self._patterns and self._fits_any(value)):
                return True
        return not is_said and "" in self._exact

    def _fits_any(self, value: str) -> bool:
        return any(fits(pattern, value) for pattern in self._patterns)
