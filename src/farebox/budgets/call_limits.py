"""The limits in force for the calls of one process: whether a call may pass, and what is held for it.

    covered = limits.covering(attribution, sources, …)    # which budgets, found once for calls that are alike
    outcome = limits.reserve(covered, worst, …)           # Hold | Waiting | Refusal

Used by whoever lets calls pass: the proxy, and the SDK where it enforces. Nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic_ns
from typing import TYPE_CHECKING

from farebox.budgets import refusal
from farebox.budgets.counters import UNLIMITED, Holding, Refused, Reservation, Waiting, account_of
from farebox.budgets.hold import KNOWN, Hold, Shared
from farebox.budgets.likely_share import LikelyShares
from farebox.budgets.matching import Match, Matcher, attributes, without_stated_customer
from farebox.budgets.refusal import Refusal
from farebox.budgets.worst_case import GRANTS, Claim, WorstCase, claim_of
from farebox.charges.customer_terms import BILLED
from farebox.charges.highest_charge import highest_amount
from farebox.charges.usage.call_cell import cell_of
from farebox.journal.records import Held
from farebox.money import usd_text

if TYPE_CHECKING:
    from farebox.budgets.budget import Budget, BudgetSet, Stop
    from farebox.budgets.counters import Participant
    from farebox.budgets.worst_case import WorstCases
    from farebox.charges.customer_terms import CustomerTerms
    from farebox.charges.live_charge import LivePlan
    from farebox.money import PicoUsd
    from farebox.pricing.book import PriceBook
    from farebox.wire.facts import Extraction

OF_REQUESTS = frozenset(("key", "model", "provider"))
"""What a request alone says. Everything else may come from the process that sends it."""
_COVERED_MAX = 4096
_SHOWN_MAX = 3
_LOOK_NS = 20_000_000
_NEVER = 1 << 63

Attribution = tuple[dict[str, str], dict[str, str]]
"""Whose call it is, and for each name which source said so."""


class Limit:
    """One budget that covers a call."""

    __slots__ = ("beyond", "budget", "end_ns", "holding", "is_hard", "value")

    def __init__(self, match: Match, holding: Holding) -> None:
        self.budget: Budget = match.budget
        self.value = match.value
        self.holding = holding
        self.is_hard = match.budget.mode == "hard"
        self.end_ns = holding.account.end_ns
        self.beyond: PicoUsd = 0
        """What was left beside what this process has taken, when it was looked up last."""


class Covered:
    """What covers calls that are alike, until one of its windows ends."""

    __slots__ = (
        "accounts",
        "end_ns",
        "has_hard",
        "holdings",
        "is_plain",
        "limits",
        "looked_ns",
        "measures",
        "nearest",
        "stop",
        "wait_s",
    )

    def __init__(self, limits: tuple[Limit, ...], stop: Stop | None) -> None:
        self.limits = limits
        self.stop = stop
        self.holdings = [limit.holding for limit in limits]
        self.accounts = tuple([holding.account.key for holding in self.holdings])
        is_cost = tuple([limit.budget.measure == "cost" for limit in limits])
        self.measures = None if all(is_cost) else is_cost
        """For each limit whether it is on cost; None where all are."""
        self.end_ns = min([limit.end_ns for limit in limits if limit.end_ns], default=_NEVER)
        self.has_hard = any(limit.is_hard for limit in limits)
        self.wait_s = max([limit.budget.wait_s for limit in limits if limit.is_hard], default=0)
        self.is_plain = self.measures is None and all(limit.budget.reserve == "worst" for limit in limits)
        """Whether all are on cost, and hold the worst case and not what is likely."""
        self.nearest: list[Limit] = []
        """The limits of which least is left, least first."""
        self.looked_ns = 0


Outcome = Hold | Refusal
"""What becomes of a call in the end."""


AskedFor = tuple[
    Covered,
    list[tuple[Holding, "PicoUsd"]],
    "PicoUsd",
    "PicoUsd",
    int,
    Mapping[str, str],
    list[Shared],
    list[int],
]
"""What a call asked for: what covers it, its claims, the most it can cost and be charged, when it began,
whose it is, which claims are what is likely, and which limits it can pass."""
_NOT_SHARED: list[Shared] = []
_NONE_PASSED: list[int] = []
"""Those of most calls."""


class _Turn:
    """Tells a call that has waited its outcome."""

    __slots__ = ("_asked_for", "_limits", "_on_outcome")

    def __init__(
        self, limits: CallLimits, asked_for: AskedFor, on_outcome: Callable[[Outcome], None]
    ) -> None:
        self._limits = limits
        self._asked_for = asked_for
        self._on_outcome = on_outcome

    def __call__(self, outcome: Reservation | Refused) -> None:
        self._on_outcome(self._limits.turn_of(self._asked_for, outcome))


class CallLimits:
    """One process's, for one set of budgets and stops and one price book."""

    def __init__(
        self,
        limits: BudgetSet,
        participant: Participant | None,
        worst_cases: WorstCases,
        book: PriceBook,
        *,
        shares: LikelyShares | None = None,
        trusts_stated: bool = True,
        terms: CustomerTerms | None = None,
    ) -> None:
        """`participant` is None where nothing can be counted: then hard budgets refuse. `shares`: what is
        likely, kept through changes. `trusts_stated`: a customer that only the request states uses that
        customer's budgets, too. `terms`: whose names are whose, and what plans charge."""
        self._terms = terms if terms else None
        self._matcher = Matcher(limits)
        self.participant = participant
        self.worst_cases = worst_cases
        self.shares = shares or LikelyShares()
        self._likely: dict[Waiting, list[Shared]] = {}
        """Of calls that wait, what is held by what is likely."""
        self._book = book
        self.by_contract = bool(book.contract_attributes) or (terms is not None and terms.has_plans)
        """Whether who calls decides what a call costs or is charged."""
        self._trusts_stated = trusts_stated
        self._covered: dict[int, tuple[object, Covered]] = {}
        """By the matcher's verdict, which is kept here so that its identity stays its own."""
        dimensions = {name for budget in limits.budgets for name in (*budget.where, budget.each or "key")}
        dimensions |= {stop.dimension for stop in limits.stops}
        self.by_process = frozenset(name for name in dimensions - OF_REQUESTS if not name.startswith("tag."))
        """What decides about a call and may come from the process that sends it, where its request does not
        say it."""

    def __bool__(self) -> bool:
        """Whether there is anything that could refuse a call."""
        return bool(self._matcher)

    @property
    def number(self) -> int:
        """What records call the holder."""
        return 0 if self.participant is None else self.participant.number

    def whose(self, attribution: Attribution, key_fingerprint: str | None, at_ns: int) -> Attribution:
        """Return an attribution with the customer that it means, as the ledger will find it."""
        if self._terms is None:
            return attribution
        return self._terms.whose(*attribution, key_fingerprint, at_ns)

    def whose_until_ns(self, attribution: Attribution, at_ns: int) -> int:
        """Return until when `whose` says the same, and the same plan charges it."""
        return _NEVER if self._terms is None else self._terms.end_ns(attribution[0].get("customer"), at_ns)

    def covering(
        self,
        attribution: Mapping[str, str],
        sources: Mapping[str, str],
        *,
        provider: str,
        request_model: str | None,
        key_fingerprint: str | None,
        at_ns: int,
    ) -> Covered:
        """Return what covers a call. The same until `end_ns`, so it is worth keeping."""
        asked = attributes(
            attribution,
            sources,
            provider=provider,
            request_model=request_model,
            key_fingerprint=key_fingerprint,
        )
        if not self._trusts_stated:
            asked = without_stated_customer(asked, sources)
        verdict = self._matcher.judge(asked)
        known = self._covered.get(id(verdict))
        if known is not None and at_ns < known[1].end_ns:
            return known[1]
        participant = self.participant
        limits: list[Limit] = []
        if participant is not None:
            for match in verdict.budgets:
                budget = match.budget
                limit = budget.limit_pico if budget.mode == "hard" else UNLIMITED
                limits.append(
                    Limit(match, participant.holding(account_of(budget, match.value, at_ns), limit))
                )
        covered = Covered(tuple(limits), verdict.stop)
        if participant is None and any(match.budget.mode == "hard" for match in verdict.budgets):
            covered.has_hard = True
        if len(self._covered) >= _COVERED_MAX:
            self._covered.clear()
        self._covered[id(verdict)] = verdict, covered
        return covered

    def reserve(
        self,
        covered: Covered,
        worst: WorstCase,
        model: str | None,
        at_ns: int,
        attribution: Mapping[str, str],
        on_outcome: Callable[[Outcome], None],
    ) -> Hold | Waiting | Refusal:
        """Hold what a call can cost, have it wait for room, or refuse it; None of it takes long.

        A call that waits is told in `on_outcome` what became of it.
        """
        participant = self.participant
        if participant is None:
            return refusal.unusable()
        if GRANTS in worst.because:
            allowed = self.turn(covered, at_ns, attribution)
            assert allowed is not None, "something covers it"  # noqa: S101 - states an invariant
            return allowed
        plain = covered.is_plain and not worst.because
        if plain and (cost := worst.cost_pico) is not None:
            # Most calls: nothing but this is done for them.
            charge = worst.charge_pico or 0
            claims = [(holding, cost) for holding in covered.holdings]
            shared, may_pass = _NOT_SHARED, _NONE_PASSED
        else:
            asked = [(limit, claim_of(worst, limit.budget)) for limit in covered.limits]
            for limit, claim in asked:
                if claim.is_blocked and limit.is_hard:
                    return refusal.unbounded(limit.budget, limit.value, claim.because, limit.end_ns)
            claims, shared, may_pass, cost, charge = self._claims(
                asked, worst, model, attribution.get("customer")
            )
            for claim, _, _, holding in shared:
                if claim.beyond_pico:
                    participant.announce(holding, claim.beyond_pico)
        outcome = participant.take(claims)
        if outcome is None:
            asked_for = covered, claims, cost, charge, at_ns, attribution, shared, may_pass
            on_turn = _Turn(self, asked_for, on_outcome)
            outcome = participant.reserve(claims, wait_s=covered.wait_s, on_turn=on_turn)
        if type(outcome) is Reservation:
            held = Held(cost, charge, participant.number, covered.accounts)
            return Hold(self, covered, outcome, held, at_ns, attribution, shared, may_pass)
        if isinstance(outcome, Refused):
            return self._refusal(covered, outcome, claims, shared)
        assert isinstance(outcome, Waiting)  # noqa: S101  # the three outcomes there are
        if shared:
            self._likely[outcome] = shared
        return outcome

    def _claims(
        self,
        asked: list[tuple[Limit, Claim]],
        worst: WorstCase,
        model: str | None,
        customer: str | None,
    ) -> tuple[list[tuple[Holding, PicoUsd]], list[Shared], list[int], PicoUsd, PicoUsd]:
        """Return what to hold in each limit, what of it is what is likely, which of them the call can pass,
        and the most that it can cost and be charged."""
        claims: list[tuple[Holding, PicoUsd]] = []
        shared: list[Shared] = []
        may_pass: list[int] = []
        highest: dict[str, PicoUsd] = {}
        for limit, claim in asked:
            budget = limit.budget
            most = claim.amount_pico
            if budget.reserve == "likely":
                caller = limit.value or customer, model
                claim = self.shares.claim(claim, budget, caller)
                shared.append((claim, budget, caller, limit.holding))
            if claim.may_pass:
                may_pass.append(len(claims))
            claims.append((limit.holding, claim.amount_pico))
            highest[budget.measure] = max(highest.get(budget.measure, 0), most)
        cost = highest.get("cost", worst.cost_pico or 0)
        return claims, shared, may_pass, cost, highest.get("price", worst.charge_pico or 0)

    def turn_of(self, asked_for: AskedFor, outcome: Reservation | Refused) -> Outcome:
        """Return what became of a call that has waited."""
        covered, claims, cost, charge, at_ns, attribution, shared, may_pass = asked_for
        for waiting in [each for each, own in self._likely.items() if own is shared]:
            del self._likely[waiting]
        if isinstance(outcome, Refused):
            return self._refusal(covered, outcome, claims, shared)
        return self._hold(covered, outcome, cost, charge, at_ns, attribution, shared, may_pass)

    def leave(self, waiting: Waiting) -> None:
        """Give the place of a call up that waits."""
        waiting.leave()
        self.over(self._likely.pop(waiting, []), None)

    def over(self, shared: list[Shared], cost: PicoUsd | None) -> None:
        """Take note that a call of budgets that hold what is likely is over; None: its cost is not known."""
        for claim, budget, caller, holding in shared:
            self.shares.settled(claim, budget, caller, cost)
            if claim.beyond_pico and self.participant is not None:
                self.participant.announce(holding, -claim.beyond_pico)

    def turn(self, covered: Covered, at_ns: int, attribution: Mapping[str, str]) -> Hold | Refusal | None:
        """Let one turn of a socket pass whose cost nothing bounds, while there is anything left.

        Nothing is reserved for it: what it has cost counts when it ends.
        """
        participant = self.participant
        if participant is None:
            return refusal.unusable() if covered.has_hard else None
        for limit in covered.limits:
            if limit.is_hard and (left := self.left(limit)) <= 0:
                return refusal.over_limit(limit.budget, limit.value, left=left, asked=0, end_ns=limit.end_ns)
        if not covered.limits:
            return None
        reservation = Reservation(participant, [(holding, 0) for holding in covered.holdings])
        return self._hold(covered, reservation, 0, 0, at_ns, attribution, [])

    def rated(
        self, extraction: Extraction, at_ns: int, attribution: Mapping[str, str], *, learns: bool = True
    ) -> tuple[PicoUsd, PicoUsd, bool]:
        """Return a call's cost and charge as the record will have them, and whether they are known."""
        if not extraction.billable:
            return 0, 0, True
        parts = extraction.parts
        cost = charge = 0
        known = bool(parts)
        plan = None
        if self._terms is not None:
            plan = self._terms.plan_of(attribution.get(BILLED), at_ns)
        sums, completeness = self._book.sums, extraction.completeness
        asking = attribution if self.by_contract else None
        for part in parts:
            state, part_cost, part_charge = sums(
                part, occurred_at_ns=at_ns, completeness=completeness, attribution=asking
            )
            cost += part_cost or 0
            charge += part_charge or 0
            if state not in KNOWN:
                known = False
            if learns and part.response_model != part.request_model:
                self.worst_cases.served(part.provider, part.request_model, part.response_model)
        if plan is not None:
            charge = self._charged_at_most(plan, extraction, at_ns, attribution)
        return cost, charge, known

    def _charged_at_most(
        self, plan: LivePlan, extraction: Extraction, at_ns: int, attribution: Mapping[str, str]
    ) -> PicoUsd:
        """Return the most that a plan charges for a call: how much, only the record knows."""
        rate, parts = self._book.rate, extraction.parts
        rated = [
            rate(
                part,
                occurred_at_ns=at_ns,
                completeness=extraction.completeness,
                billable=True,
                attribution=attribution,
            )
            for part in parts
        ]
        model = extraction.request_model or extraction.response_model
        dims = {**attribution, "provider": parts[0].provider if parts else "", "model": model or ""}
        return highest_amount(plan, cell_of(parts, rated, dims, at_ns=at_ns)) or 0

    def left(self, limit: Limit) -> PicoUsd:
        """Return what is left of a limit now: what the next call may reserve."""
        if self.participant is None:
            return 0
        left = self.participant.left(limit.holding)
        return left if limit.is_hard else left - UNLIMITED + limit.budget.limit_pico

    def left_text(self, covered: Covered) -> str:
        """Return `NAME=DOLLARS` of the limits of which least is left, least first.

        What this process has taken is exact; what others have taken may be `_LOOK_NS` old.
        """
        now = monotonic_ns()
        if now - covered.looked_ns > _LOOK_NS:
            covered.looked_ns = now
            for limit in covered.limits:
                holding = limit.holding
                limit.beyond = self.left(limit) + holding.taken
            nearest = covered.limits
            if len(nearest) > 1:
                nearest = sorted(nearest, key=lambda limit: limit.beyond - limit.holding.taken)
            covered.nearest = list(nearest[:_SHOWN_MAX])
        return ", ".join(
            [
                f"{limit.budget.name}={usd_text(limit.beyond - limit.holding.taken)}"
                for limit in covered.nearest
            ]
        )

    # Details.

    def _hold(
        self,
        covered: Covered,
        reservation: Reservation,
        cost: PicoUsd,
        charge: PicoUsd,
        at_ns: int,
        attribution: Mapping[str, str],
        shared: list[Shared],
        may_pass: Sequence[int] = (),
    ) -> Hold:
        held = Held(cost, charge, self.number, covered.accounts)
        return Hold(self, covered, reservation, held, at_ns, attribution, shared, may_pass)

    def _refusal(
        self,
        covered: Covered,
        refused: Refused,
        claims: list[tuple[Holding, PicoUsd]],
        shared: list[Shared],
    ) -> Refusal:
        self.over(shared, None)
        found = next(
            (index for index, holding in enumerate(covered.holdings) if holding is refused.holding), None
        )
        if found is None:
            return refusal.unusable()
        limit, amount = covered.limits[found], claims[found][1]
        if refused.reason == "unusable":
            return refusal.unusable()
        if refused.reason == "opening":
            return refusal.opening(limit.budget, limit.value)
        waited_s = limit.budget.wait_s if refused.reason == "waited" else 0
        return refusal.over_limit(
            limit.budget,
            limit.value,
            left=refused.left,
            asked=amount,
            end_ns=limit.end_ns,
            waited_s=waited_s,
        )
