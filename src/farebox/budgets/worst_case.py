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

import fnmatch
import functools
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from farebox.budgets.budget import Budget
from farebox.catalog import Endpoint
from farebox.catalog.shape import Count, RequestLimitsData, UsageFormat
from farebox.money import PicoUsd
from farebox.pricing.book import PriceBook
from farebox.pricing.highest_prices import RateTable, Uses, highest_known, highest_prices
from farebox.pricing.model_limits import LimitBook
from farebox.wire.request import RequestFacts
from farebox.wire.request_limits import MEDIA, NOT_READ, RequestKind

NO_PRICE = "no_price"
SOCKET = "socket"
LATER = "works_later"
NOT_LISTED = "route_not_listed"
SEARCHES = "searching_model"
NO_CHARGE_BOUND = "volume_prices"

_KINDS_MAX = 4096
_SERVED_MAX = 8
"""Models that have served one name: more are not remembered."""
_MEDIA_LEAVES = frozenset(
    (
        *("input_audio", "input_image", "input_video", "input_document"),
        *("cache_read_audio", "cache_read_image", "cache_read_video"),
    )
)
_ANYTHING = RequestKind(causes=(NOT_READ,), writes="1h", has_tools=True)
_TEXT = Uses(("input_uncached", "tool_use_input", "cache_read"), ("output_text", "output_reasoning"))


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
    """The call can cost more than is reserved, by what nothing bounds."""
    because: tuple[str, ...] = ()


FREE = WorstCase(0, 0)


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


class _Kind(NamedTuple):
    """What calls of one kind have in common."""

    cost: RateTable | None
    charge: RateTable | None
    because: tuple[str, ...]
    is_bound: bool
    is_priced: bool
    added: int
    """Tokens that servers add to the text."""
    window: int
    whole_window: bool
    """Its bytes do not bound what is read: a whole window may be."""
    many_inputs: bool
    output: int
    """Of one response, where the request does not say."""
    output_beside: int
    """Reasoning that does not count against what the request allows."""
    characters: bool
    images: bool
    counts: Mapping[str, int]
    end_ns: int


class WorstCases:
    """The worst cases of calls, by price book and catalog. One for each process that lets calls pass."""

    def __init__(self, book: PriceBook, rules: RequestLimitsData, limits: LimitBook) -> None:
        self._book = book
        self._rules = rules
        self._limits = limits
        self._attributes = book.contract_attributes
        self._kinds: dict[tuple[object, ...], _Kind] = {}
        self._served: dict[tuple[str, str], tuple[str, ...]] = {}
        self._highest: dict[str, RateTable | None] = {}
        self._later = _globs(rules.works_later)
        self._sockets = _globs(rules.sockets)
        self._many = _globs(rules.many_inputs)
        self._searching = _globs(rules.searching_models)
        self._asked_writes = _globs(rules.writes_when_asked)

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
        contracts cover the call. Charges of a contract's tiers are taken at the highest step.
        """
        limits = facts.limits
        key = (
            endpoint.surface,
            endpoint.prices_id,
            facts.request_model,
            None if limits is None else limits.kind,
            method,
            tuple(path_values.items()) if path_values else None,
        )
        if self._attributes:
            asking = attribution or {}
            key = (*key, *(asking.get(name) for name in self._attributes))
        kind = self._kinds.get(key)
        if kind is None or at_ns >= kind.end_ns:
            kind = self._remember(key, endpoint, path_values, facts, method, at_ns, attribution)
        if kind.cost is None and kind.charge is None:
            if kind.because == (LATER,) and path.endswith(self._rules.begins_nothing):
                return FREE
            return WorstCase(None, None, kind.because, kind.is_bound, kind.is_priced)
        body_bytes = 0 if limits is None else limits.body_bytes
        choices = 1 if limits is None else limits.choices
        reading = kind.window
        if kind.many_inputs or (not kind.whole_window and body_bytes + kind.added < reading):
            reading = body_bytes + kind.added
        writing = kind.output if facts.max_tokens is None else facts.max_tokens + kind.output_beside
        if writing > kind.window and writing > kind.output:
            writing = max(kind.window, kind.output)
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

    def of_socket(
        self,
        endpoint: Endpoint,
        path_values: Mapping[str, str],
        facts: RequestFacts,
        *,
        at_ns: int,
        attribution: Mapping[str, str] | None = None,
    ) -> WorstCase:
        """Return what a connection that makes many calls costs at most: nothing bounds it."""
        return WorstCase(None, None, (SOCKET,), is_bound=False)

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
        for key in [key for key in self._kinds if key[2] == request_model]:
            del self._kinds[key]

    def _remember(
        self,
        key: tuple[object, ...],
        endpoint: Endpoint,
        path_values: Mapping[str, str],
        facts: RequestFacts,
        method: str,
        at_ns: int,
        attribution: Mapping[str, str] | None,
    ) -> _Kind:
        kind = self._kind(endpoint, path_values, facts, method, at_ns, attribution)
        if len(self._kinds) >= _KINDS_MAX:
            self._kinds.clear()
        self._kinds[key] = kind
        return kind

    def _kind(
        self,
        endpoint: Endpoint,
        path_values: Mapping[str, str],
        facts: RequestFacts,
        method: str,
        at_ns: int,
        attribution: Mapping[str, str] | None,
    ) -> _Kind:
        rules = self._rules
        later = bool(self._later.match(endpoint.surface)) and method == "POST"
        if (endpoint.free is not None and not later) or (endpoint.format is None and endpoint.reads):
            return _FREE_KIND
        if later or self._sockets.match(endpoint.surface):
            return _FREE_KIND._replace(
                cost=None, charge=None, because=(LATER if later else SOCKET,), is_bound=False
            )
        provider = endpoint.prices_id
        provider = provider.format_map(path_values) if "{" in provider else provider
        model = facts.request_model or ""
        for prefix in endpoint.model_prefixes:
            model = model.removeprefix(prefix)
        asked = (
            facts.limits.kind if facts.limits is not None else RequestKind(causes=(NOT_READ,), writes="1h")
        )
        because = list(asked.causes)
        if self._searching.match(model):
            because.append(SEARCHES)
        if endpoint.format is None and endpoint.unlisted is not None:
            because.append(NOT_LISTED)
        form = _format(endpoint, model)
        uses, counts = self._uses(form, asked, model, bool(because) and set(because) != {MEDIA})
        models = [model or None, *self._served.get((provider, facts.request_model or ""), ())]
        found = highest_prices(
            self._book,
            provider,
            models,
            self._facts(provider, form, asked, path_values),
            uses,
            at_ns=at_ns,
            attribution=attribution,
        )
        cost, charge = found.cost, found.charge
        # Work of the provider's own may read a window more than once; a picture or a reference may not.
        elsewhere = {MEDIA, "prompt", *rules.input_elsewhere}
        is_bound = set(because) <= elsewhere
        if cost is None:
            because.append(NO_PRICE)
            is_bound = False
            cost = self._highest_of(provider, at_ns)
            charge = charge or cost
        elif charge is None:
            because.append(NO_CHARGE_BOUND)
            is_bound = False
        guessed = [leaf for leaf in counts if leaf in cost.counts] if cost is not None else []
        if guessed and any(leaf in rules.most and leaf not in ("images",) for leaf in guessed):
            because += [leaf for leaf in guessed if leaf in rules.most and leaf not in because]
            is_bound = False
        size = self._limits.of(
            (provider, *self._sellers(provider)), [name for name in (*models, *found.priced_models) if name]
        )
        window = max(size.window, rules.wide_window.tokens) if asked.is_wide else size.window
        return _Kind(
            cost=cost,
            charge=charge,
            because=tuple(dict.fromkeys(because)),
            is_bound=is_bound,
            is_priced=found.cost is not None,
            added=rules.text_added_with_tools if asked.has_tools else rules.text_added,
            window=window,
            whole_window=bool(because) and because != [NO_PRICE],
            many_inputs=bool(self._many.match(endpoint.surface)),
            output=size.output if uses.output else 0,
            output_beside=size.output if provider in rules.thinks_beside else 0,
            characters="input_characters" in uses.counts,
            images="images" in uses.counts,
            counts=counts,
            end_ns=found.end_ns,
        )

    def _uses(
        self, form: UsageFormat | None, asked: RequestKind, model: str, works: bool
    ) -> tuple[Uses, dict[str, int]]:
        """Return the leaves that a call may use, and how much of those that are counted."""
        rules = self._rules
        if form is None:
            return _TEXT, {}
        reading: set[str] = set()
        writing: set[str] = set()
        for group in form.tokens:
            for leaf in (group.rest, *group.inside):
                (writing if leaf.startswith("output_") else reading).add(leaf)
        if form.remainder:
            writing.add(form.remainder)
        if not reading and not writing and not form.counts:
            return _TEXT, {}
        if MEDIA not in asked.causes and NOT_READ not in asked.causes and "output_text" in writing:
            reading -= _MEDIA_LEAVES
        if self._asked_writes.match(model.lower()):
            if asked.writes == "none":
                reading -= {"cache_write_5m", "cache_write_1h", "cache_write_other"}
            elif asked.writes == "5m":
                reading -= {"cache_write_1h"}
        counted: dict[str, int] = {}
        for count in form.counts:
            if not _applies(count, model):
                continue
            leaf = count.leaf
            if leaf in reading or leaf in writing:
                continue
            if leaf in ("input_uncached", "output_text"):
                (reading if leaf == "input_uncached" else writing).add(leaf)
            elif count.fixed is not None:
                counted[leaf] = max(counted.get(leaf, 0), count.fixed)
            elif not leaf.startswith("calls_") or works:
                counted.setdefault(leaf, rules.most.get(leaf, 1))
        return Uses(tuple(sorted(reading)), tuple(sorted(writing)), tuple(sorted(counted))), counted

    def _facts(
        self, provider: str, form: UsageFormat | None, asked: RequestKind, path_values: Mapping[str, str]
    ) -> dict[str, Sequence[str | None]]:
        """Return the values that each fact may have; what is left out may have any."""
        facts: dict[str, Sequence[str | None]] = {"processing": [None], "batch": [None], "region": [None]}
        stated = dict(asked.facts)
        for name, fact in self._rules.facts.items():
            if name in stated:
                facts[name] = [stated[name], None]
            elif fact.unless_asked == "none" or (fact.providers and provider not in fact.providers):
                facts[name] = [None]
        if form is not None:
            for name, paths in form.facts.items():
                keys = [path.removeprefix("@path.") for path in paths if path.startswith("@path.")]
                if keys:
                    value = next((path_values[key] for key in keys if key in path_values), None)
                    facts[name] = [value.lower() if value else None]
            for name, value in form.constants.items():
                # A header of the response may say that it is otherwise: a plan's extra usage.
                facts[name] = [value, None] if form.headers else [value]
        return facts

    def _sellers(self, provider: str) -> Sequence[str]:
        known = self._book.provider(provider)
        if known is None:
            return ()
        shared = (known.overlay.prices_of,) if known.overlay.prices_of else ()
        return (*shared, *known.fallbacks, *known.overlay.resells.values())

    def _highest_of(self, provider: str, at_ns: int) -> RateTable | None:
        if provider not in self._highest:
            self._highest[provider] = highest_known(self._book, provider, at_ns=at_ns)
        return self._highest[provider]


_FREE_KIND = _Kind(
    cost=RateTable(rounding_pico=0),
    charge=RateTable(rounding_pico=0),
    because=(),
    is_bound=True,
    is_priced=True,
    added=0,
    window=0,
    whole_window=False,
    many_inputs=False,
    output=0,
    output_beside=0,
    characters=False,
    images=False,
    counts={},
    end_ns=2**63 - 1,
)


def _format(endpoint: Endpoint, model: str) -> UsageFormat | None:
    for pattern, form in endpoint.by_model:
        if pattern.match(model):
            return form
    return endpoint.format


def _applies(count: Count, model: str) -> bool:
    lowered = model.lower()
    if count.models and not any(fnmatch.fnmatchcase(lowered, glob) for glob in count.models):
        return False
    return not any(fnmatch.fnmatchcase(lowered, glob) for glob in count.unless)


def _globs(globs: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs), re.IGNORECASE)
