"""What a call can cost at most, before it is sent: what a hard budget reserves for it.

    worst_cases = WorstCases(book, catalog.request_limits, load_limits())
    worst = worst_cases.of(endpoint, path_values, facts, at_ns=…, attribution=…)
    claim = claim_of(worst, budget)          # what to reserve, or that the call is blocked

Input is bounded by the smaller of the body's bytes and the model's context window, output by what the request
allows or else the model's own limit, both at the highest rates that can apply. What cannot be bounded like
that follows the budget's `unpriced:`. Nothing is tokenised; a kind of call seen before costs about a
microsecond.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import msgspec

from farebox.budgets.budget import Budget
from farebox.budgets.call_kind import FREE_KIND, GRANTS, LATER, CallKind, CallKinds
from farebox.catalog import Endpoint
from farebox.catalog.shape import RequestLimitsData
from farebox.charges.customer_terms import CustomerTerms
from farebox.money import PicoUsd
from farebox.pricing.book import PriceBook
from farebox.pricing.model_limits import LimitBook
from farebox.wire.request import RequestFacts

_KINDS_MAX = 4096
_SERVED_MAX = 8
"""Models that have served one name: more are not remembered."""


class WorstCase(msgspec.Struct, frozen=True):
    """What one call can cost at most, in pico-dollars."""

    cost_pico: PicoUsd | None
    """What its provider charges; None where nothing bounds it."""
    charge_pico: PicoUsd | None
    """What its customer is charged."""
    because: tuple[str, ...] = ()
    """Why the amounts do not follow from the request's size alone, so that `unpriced:` decides: `media`,
    `previous_response_id`, `web_search`, `no_price` …; empty for most calls."""
    is_bound: bool = True
    """False where it can cost more than that: the amounts are a ceiling that is assumed."""
    is_priced: bool = True
    """False where the model has no price."""


class Claim(msgspec.Struct, frozen=True):
    """What one budget reserves for one call."""

    amount_pico: PicoUsd
    is_blocked: bool = False
    """Nothing bounds the call, or the budget does not take such calls: it is refused."""
    may_pass: bool = False
    """The call can cost more than is reserved."""
    because: tuple[str, ...] = ()
    beyond_pico: PicoUsd = 0
    """By how much at most; 0 with `may_pass` where nothing bounds that."""


def claim_of(worst: WorstCase, budget: Budget) -> Claim:
    """Return what `budget` reserves for a call, by its measure and by its `unpriced:`."""
    amount = worst.cost_pico if budget.measure == "cost" else worst.charge_pico
    if not worst.because:
        return _claimed(amount) if amount is not None else Claim(0, is_blocked=True)
    if budget.unpriced == "allow":
        return Claim(0, may_pass=True, because=worst.because)
    if budget.unpriced == "ceiling":
        if not worst.is_priced and budget.ceiling_pico is not None:
            return Claim(budget.ceiling_pico, may_pass=True, because=worst.because)
        if amount is not None:
            return Claim(amount, may_pass=not worst.is_bound, because=worst.because)
    return Claim(0, is_blocked=True, because=worst.because)


@functools.lru_cache(maxsize=256)
def _claimed(amount: PicoUsd) -> Claim:
    return Claim(amount)


class WorstCases:
    """The worst cases of calls, by price book and catalog. One for each process that lets calls pass."""

    def __init__(
        self,
        book: PriceBook,
        rules: RequestLimitsData,
        limits: LimitBook,
        before: WorstCases | None = None,
        terms: CustomerTerms | None = None,
    ) -> None:
        """`before`: those by the prices before, which have seen what serves a name."""
        terms = terms or CustomerTerms()
        self._attributes = tuple(dict.fromkeys((*book.contract_attributes, *terms.dimensions)))
        self._rules = rules
        self._make = CallKinds(book, rules, limits, terms)
        self._kinds: dict[tuple[object, ...], CallKind] = {}
        self._served: dict[tuple[str, str], tuple[str, ...]] = {} if before is None else before._served
        self.edition = 0
        """Another one when a kind of calls that was found before may be of no use."""

    def of(
        self,
        endpoint: Endpoint,
        path_values: Mapping[str, str],
        facts: RequestFacts,
        *,
        at_ns: int,
        attribution: Mapping[str, str] | None = None,
        method: str = "POST",
        path: str = "",
    ) -> WorstCase:
        """Return what a call costs at most.

        `path_values` are what path and host say (`Endpoint.path_values`); `facts` what the request says,
        read with `LimitKeys`: without `facts.limits` it may ask for anything. `attribution` decides which
        contracts cover the call, and by `CustomerTerms.whose` which plan charges it: at the highest of its
        tiers.
        """
        kind = self.kind(
            endpoint, path_values, facts, at_ns=at_ns, attribution=attribution, method=method, path=path
        )
        return self.of_kind(kind, facts)

    def kind(
        self,
        endpoint: Endpoint,
        path_values: Mapping[str, str],
        facts: RequestFacts,
        *,
        at_ns: int,
        attribution: Mapping[str, str] | None = None,
        method: str = "POST",
        path: str = "",
    ) -> CallKind:
        """Return the kind of a call, the same for calls that differ only in how much they send and allow.

        It holds until its `end_ns`, and for one `edition`.
        """
        limits, form = facts.limits, endpoint.format
        key = (
            endpoint.surface,
            endpoint.prices_id,
            facts.request_model,
            None if limits is None else limits.kind,
            method,
            tuple(path_values.items()) if path_values else None,
            # A login says by these who pays.
            tuple(form.constants.items()) if form is not None and form.constants else None,
        )
        if self._attributes:
            asking = attribution or {}
            key = (*key, *(asking.get(name) for name in self._attributes))
        kind = self._kinds.get(key)
        if kind is None or at_ns >= kind.end_ns:
            kind = self._make.kind(
                endpoint,
                path_values,
                facts.request_model,
                None if limits is None else limits.kind,
                self._served.get((endpoint.prices_id, facts.request_model or ""), ()),
                method=method,
                at_ns=at_ns,
                attribution=attribution,
            )
            if len(self._kinds) >= _KINDS_MAX:
                self._kinds.clear()
            self._kinds[key] = kind
        if kind.because in ((LATER,), (GRANTS,)) and path.endswith(self._rules.begins_nothing):
            return FREE_KIND
        return kind

    def of_kind(self, kind: CallKind, facts: RequestFacts) -> WorstCase:
        """Return what a call of a kind costs at most."""
        limits = facts.limits
        if kind.cost is None and kind.charge is None:
            return WorstCase(None, None, kind.because, kind.is_bound, kind.is_priced)
        body_bytes, choices = (0, 1) if limits is None else (limits.body_bytes, limits.choices)
        reading, window = body_bytes + kind.added, kind.window
        if (reading >= window or kind.whole_window) and not kind.many_inputs:
            reading = window
        writing, asked = kind.output, facts.max_tokens
        if asked is not None and kind.heeds_length:
            # More than it can be is no more than that.
            writing = min(asked + kind.output_beside, max(window, writing))
        writing *= choices
        counts = kind.counts
        if kind.characters or kind.images:
            counts = dict(counts)
            if kind.characters:
                counts["input_characters"] = body_bytes
            if kind.images:
                counts["images"] = choices
        cost = None if kind.cost is None else kind.cost.amount(reading, writing, counts)
        charge = cost if kind.charge is kind.cost else None
        if charge is None and kind.charge is not None:
            charge = kind.charge.amount(reading, writing, counts)
        return WorstCase(cost, charge, kind.because, kind.is_bound, kind.is_priced)

    def served(self, prices_id: str, request_model: str | None, response_model: str | None) -> None:
        """Take note of which model served a name: aliases, deployments and routers are told by nothing else.

        From then on a call for that name costs at most what the more expensive one does.
        """
        if not request_model or not response_model or request_model == response_model:
            return
        known = self._served.get((prices_id, request_model), ())
        if response_model in known or len(known) >= _SERVED_MAX or len(self._served) >= _KINDS_MAX:
            return
        self._served[prices_id, request_model] = (*known, response_model)
        self.edition += 1
        for key in [key for key in self._kinds if key[2] == request_model]:
            del self._kinds[key]
