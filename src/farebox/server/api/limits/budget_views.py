"""Budgets and stops as API v1 and `farebox budget --json` show them, figures included.

Figures are read from the counters that let calls pass, so that what is shown is what is enforced. Amounts
are text, pico-dollars as a whole number and dollars as a decimal: the largest pass 2⁵³.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from farebox.analytics.questions import Selection
from farebox.budgets.budget import Budget, Stop
from farebox.budgets.matching import Matcher, Verdict, attributes
from farebox.budgets.periods import window
from farebox.budgets.written_values import period_text, wait_text
from farebox.clock import iso
from farebox.errors import CountersError, UsageError
from farebox.home import Home
from farebox.money import PicoUsd, display_usd, usd_text
from farebox.snapshot import Snapshot, read_snapshot

if TYPE_CHECKING:
    from farebox.analytics.query import Group
    from farebox.analytics.questions import Questions
    from farebox.budgets.counters import Counters, Figures
    from farebox.ledger.spending.simulation import Outcome

VALUES_SHOWN = 5
WINDOWS_MAX, WHOM_MAX = 1_000, 100
Text = str
"""A whole number or a decimal as text."""


class BudgetFigures(msgspec.Struct, kw_only=True):
    """What is spent, reserved and left of one limit."""

    spent_pico: Text
    """In the record, or settled and on its way there."""
    spent_usd: Text
    reserved_pico: Text
    """Held for calls in flight."""
    reserved_usd: Text
    left_pico: Text
    """What the next call may reserve; negative where the limit was passed."""
    left_usd: Text
    may_pass_by_pico: Text
    """What calls in flight can cost beyond what is held for them (`reserve: likely`)."""
    may_pass_by_usd: Text
    waiting: int
    """How many processes have calls that wait for room."""
    opening: bool
    """The figures are being made from the record; until then calls of a hard budget wait."""


class BudgetValue(msgspec.Struct, kw_only=True):
    """One value of `each`, with the figures of its own limit."""

    value: str
    figures: BudgetFigures
    calls: int
    unpriced_calls: int


class BudgetState(msgspec.Struct, kw_only=True):
    """A budget, and how it stands."""

    name: str
    where: dict[str, list[str]]
    each: str | None
    exempt: list[str]
    limit_pico: Text
    limit_usd: Text
    measure: str
    """`cost`: what providers charge; `price`: what the customer is charged."""
    period: str
    timezone: str
    mode: str
    stream: str
    unpriced: str
    ceiling_usd: Text | None
    wait: str
    reserve: str
    origin: str
    """`command`, or the file and line that say it."""
    since: str | None
    """From when calls count now; None: from the first one."""
    resets_at: str | None
    """When it counts anew; None: never, or little by little (`rolling`)."""
    figures: BudgetFigures | None
    """None with `each`, and where the counters cannot be read."""
    values: list[BudgetValue]
    """With `each`: those that spent most, first."""
    more_values: int
    """How many are left out."""
    calls: int | None
    """That count for it since then; None where that cannot be told."""
    unpriced_calls: int | None
    """Those of them whose cost is not known: they count for the most they can have cost."""
    overshoot: str
    """By how much it may be passed, in words."""


class Budgets(msgspec.Struct, kw_only=True):
    """`/api/v1/budgets`: every budget by name, and what is wrong."""

    budgets: list[BudgetState]
    problems: list[str]
    """Why the home's file is not in force, or figures are missing, a sentence each."""


class BlockedWindow(msgspec.Struct, kw_only=True):
    """A window of a budget in which calls would have been blocked."""

    value: str | None
    """Of `each`."""
    first: str
    """When the first one would have been blocked, in UTC."""
    last: str
    calls: int
    saved_pico: Text
    """What the blocked calls cost."""
    saved_usd: Text
    passed_pico: Text
    """What would have been spent in it all the same."""
    passed_usd: Text


class BlockedCaller(msgspec.Struct, kw_only=True):
    """Whose calls would have been blocked."""

    whom: dict[str, str]
    """Customer, user, agent and app, as far as the calls say them."""
    calls: int
    saved_pico: Text
    saved_usd: Text


class BudgetSimulation(msgspec.Struct, kw_only=True):
    """What a budget would have blocked in a span of time."""

    name: str
    since: str | None
    """None: from the first call on."""
    until: str
    calls: int
    """That it is for."""
    spent_pico: Text
    spent_usd: Text
    unpriced_calls: int
    """Calls among them whose cost is not known: they count for what is known of it."""
    blocked_calls: int
    saved_pico: Text
    saved_usd: Text
    windows: list[BlockedWindow]
    """In the order of time."""
    more_windows: int
    """How many are left out."""
    whom: list[BlockedCaller]
    """Those that would have been saved most by, first."""
    more_whom: int


class StopState(msgspec.Struct, kw_only=True):
    """Calls that are refused until somebody lifts it."""

    dimension: str
    value: str
    reason: str
    since: str
    by: str
    """`uid:1000` at the command line, `token:ID` at the API."""


class Stops(msgspec.Struct, kw_only=True):
    """`/api/v1/stops`: the newest first."""

    stops: list[StopState]


def budgets_view(
    home: Home,
    now_ns: int,
    questions: Questions | None = None,
    *,
    name: str | None = None,
    values_max: int = VALUES_SHOWN,
) -> Budgets:
    """Return every budget with its figures, or the one called `name`; calls where `questions` can be asked.

    Raises:
        UsageError: There is no budget of that name.
    """
    published = read_snapshot(home)
    chosen = [each for each in published.budgets if name is None or each.name == name]
    if name is not None and not chosen:
        from farebox.control.budget_changes import unknown_budget

        raise UsageError(unknown_budget(published, name))
    problems = list(published.problems)
    counters = _open(home, problems) if chosen else None
    try:
        states = [
            state_of(each, now_ns, counters, _Usage.of(each, published, questions, now_ns), values_max)
            for each in chosen
        ]
    finally:
        if counters is not None:
            counters.close()
    return Budgets(budgets=states, problems=problems)


def simulation_view(budget: Budget, since_ns: int, until_ns: int, found: Outcome) -> BudgetSimulation:
    """Return what a simulation has found."""
    return BudgetSimulation(
        name=budget.name,
        since=iso(since_ns) if since_ns else None,
        until=iso(until_ns),
        calls=found.calls,
        spent_pico=str(found.spent_pico),
        spent_usd=usd_text(found.spent_pico),
        unpriced_calls=found.unpriced,
        blocked_calls=found.blocked,
        saved_pico=str(found.saved_pico),
        saved_usd=usd_text(found.saved_pico),
        windows=[
            BlockedWindow(
                value=each.value,
                first=iso(each.first_ns),
                last=iso(each.last_ns),
                calls=each.calls,
                saved_pico=str(each.saved_pico),
                saved_usd=usd_text(each.saved_pico),
                passed_pico=str(each.passed_pico),
                passed_usd=usd_text(each.passed_pico),
            )
            for each in found.windows[:WINDOWS_MAX]
        ],
        more_windows=max(0, len(found.windows) - WINDOWS_MAX),
        whom=[
            BlockedCaller(whom=dict(whom), calls=calls, saved_pico=str(saved), saved_usd=usd_text(saved))
            for whom, calls, saved in found.whom[:WHOM_MAX]
        ],
        more_whom=max(0, len(found.whom) - WHOM_MAX),
    )


def stops_view(snapshot: Snapshot) -> Stops:
    """Return the stops in force."""
    return Stops(stops=[stop_view(each) for each in snapshot.stops])


def stop_view(found: Stop) -> StopState:
    return StopState(
        dimension=found.dimension,
        value=found.value,
        reason=found.reason,
        since=iso(found.since_ns),
        by=found.by,
    )


def overshoot(budget: Budget, beyond_pico: PicoUsd | None = None) -> str:
    """Return by how much a budget may be passed; `beyond_pico`: by calls in flight, where that is known."""
    if budget.mode == "soft":
        return "refuses nothing: it counts, and may be passed by any amount"
    words: list[str] = []
    if budget.unpriced == "allow":
        words.append("may pass by any amount while calls that nothing bounds run (unpriced: allow)")
    elif budget.unpriced == "ceiling" and budget.ceiling_pico is not None:
        words.append(
            f"may pass by what a call without a price costs beyond {display_usd(budget.ceiling_pico)}"
        )
    if budget.stream == "finish":
        words.append("may pass by what streams cost beyond what was held for them (stream: finish)")
    if budget.reserve == "likely":
        most = "what" if beyond_pico is None else f"at most {display_usd(beyond_pico)} now, what"
        words.append(f"may pass by {most} calls in flight can cost beyond what is held (reserve: likely)")
    return "; ".join(words) or "holds: calls whose worst case does not fit are not sent"


def state_of(
    budget: Budget,
    now_ns: int,
    counters: Counters | None = None,
    usage: _Usage | None = None,
    values_max: int = VALUES_SHOWN,
) -> BudgetState:
    """Return a budget as it is shown, without the figures that there is no source of."""
    span = window(budget, now_ns)
    values = [] if budget.each is None or usage is None else usage.values(budget, counters, now_ns)
    whole = None
    if budget.each is None and counters is not None:
        whole = _figures(_read(counters, budget, None, now_ns))
    return BudgetState(
        name=budget.name,
        where={key: list(said) for key, said in budget.where.items()},
        each=budget.each,
        exempt=list(budget.exempt),
        limit_pico=str(budget.limit_pico),
        limit_usd=usd_text(budget.limit_pico),
        measure=budget.measure,
        period=period_text(budget.period),
        timezone=budget.timezone,
        mode=budget.mode,
        stream=budget.stream,
        unpriced=budget.unpriced,
        ceiling_usd=None if budget.ceiling_pico is None else usd_text(budget.ceiling_pico),
        wait=wait_text(budget.wait_s),
        reserve=budget.reserve,
        origin=budget.origin,
        since=iso(span.start_ns) if span.start_ns else None,
        resets_at=iso(span.end_ns) if span.end_ns and budget.period.kind != "rolling" else None,
        figures=whole,
        values=values[:values_max],
        more_values=max(0, len(values) - values_max),
        calls=usage.calls if usage else None,
        unpriced_calls=usage.unpriced_calls if usage else None,
        overshoot=overshoot(budget, _most_beyond(whole, values)),
    )


def _most_beyond(whole: BudgetFigures | None, values: list[BudgetValue]) -> PicoUsd | None:
    """Return by how much one limit of a budget can be passed at most."""
    found = [*([whole] if whole is not None else []), *(each.figures for each in values)]
    return max((int(each.may_pass_by_pico) for each in found), default=None)


class _Usage:
    """Which calls of a window count for a budget, as the record knows them, by value of `each`."""

    def __init__(self) -> None:
        self.calls = 0
        self.unpriced_calls = 0
        self._values: dict[str, tuple[int, int]] = {}

    @classmethod
    def of(
        cls, budget: Budget, published: Snapshot, questions: Questions | None, now_ns: int
    ) -> _Usage | None:
        """Return it, None where nobody can be asked, or for what the record does not sum up by."""
        names = {*budget.where, *([budget.each] if budget.each else []), *(["key"] if budget.exempt else [])}
        if questions is None or "process" in names:
            return None
        by = sorted({"request_model" if name == "model" else name for name in names})
        if "model" in names:
            by.append("model")
        start = window(budget, now_ns).start_ns
        selection = Selection(since_ns=start or None)
        found = cls()
        matcher = Matcher(msgspec.structs.replace(published.limits, budgets=(budget,), stops=()))
        if not by:
            (total,) = questions.totals(selection)
            found.calls, found.unpriced_calls = total.calls, total.unpriced_calls
            return found
        for group in questions.breakdown(selection, by).groups:
            found._add(group, matcher.judge(_attributes(group, published)))
        return found

    def _add(self, group: Group, verdict: Verdict) -> None:
        for match in verdict.budgets:
            calls, unpriced = group.measures.calls, group.measures.unpriced_calls
            self.calls += calls
            self.unpriced_calls += unpriced
            if match.value is not None:
                before = self._values.get(match.value, (0, 0))
                self._values[match.value] = (before[0] + calls, before[1] + unpriced)

    def values(self, budget: Budget, counters: Counters | None, now_ns: int) -> list[BudgetValue]:
        """Return each value with its figures, what spent most first."""
        if counters is None:
            return []
        read = [(_read(counters, budget, value, now_ns), value) for value in self._values]
        read.sort(key=lambda each: (-each[0].spent - each[0].reserved, each[1]))
        return [
            BudgetValue(
                value=value,
                figures=_figures(figures),
                calls=self._values[value][0],
                unpriced_calls=self._values[value][1],
            )
            for figures, value in read
        ]


def _attributes(group: Group, published: Snapshot) -> dict[str, str]:
    """Return what calls of a group are matched by. A key is called what it is called now."""
    said = {name: value for name, value in group.keys.items() if value}
    fingerprint = said.get("key")
    key = published.key(fingerprint) if fingerprint else None
    sources: Mapping[str, str] = {}
    if key is not None and key.label:
        said["key_label"], sources = key.label, {"key_label": f"key:{fingerprint}"}
    return attributes(
        said,
        sources,
        provider=said.get("provider", ""),
        request_model=said.get("request_model"),
        response_model=said.get("model"),
        key_fingerprint=fingerprint,
    )


def _open(home: Home, problems: list[str]) -> Counters | None:
    from farebox.budgets.counters import Counters

    try:
        return Counters(home)
    except (CountersError, OSError) as error:
        problems.append(f"figures cannot be read: {error}")
        return None


def _read(counters: Counters, budget: Budget, value: str | None, now_ns: int) -> Figures:
    from farebox.budgets.counters import account_of

    return counters.figures(account_of(budget, value, now_ns), budget.limit_pico, now_ns)


def _figures(found: Figures) -> BudgetFigures:
    return BudgetFigures(
        spent_pico=str(found.spent),
        spent_usd=usd_text(found.spent),
        reserved_pico=str(found.reserved),
        reserved_usd=usd_text(found.reserved),
        left_pico=str(found.left),
        left_usd=usd_text(found.left),
        may_pass_by_pico=str(found.beyond),
        may_pass_by_usd=usd_text(found.beyond),
        waiting=found.waiting,
        opening=not found.is_open,
    )
