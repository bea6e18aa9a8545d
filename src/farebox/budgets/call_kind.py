"""What calls of one kind have in common: the highest rates, and what bounds their input and output.

Worked out once for an endpoint, a model and what a request asks for (`RequestKind`), and kept until a price
changes: a call then only multiplies.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Mapping, Sequence

import msgspec

from farebox.budgets.plan_bounds import most_charged
from farebox.catalog import Endpoint
from farebox.catalog.shape import Count, RequestLimitsData, UsageFormat
from farebox.charges.customer_terms import BILLED, CustomerTerms
from farebox.pricing.book import PriceBook
from farebox.pricing.exact import UnitPrice
from farebox.pricing.highest_prices import FREE as NOTHING
from farebox.pricing.highest_prices import RateTable, Uses, highest_known, highest_prices
from farebox.pricing.model_limits import LimitBook, ModelLimits
from farebox.wire.facts import INPUT_LEAVES, OUTPUT_LEAVES
from farebox.wire.request_limits import MEDIA, NOT_READ, RequestKind

NO_PRICE = "no_price"
SOCKET = "socket"
LATER = "works_later"
GRANTS = "grants_calls"
NOT_LISTED = "route_not_listed"
SEARCHES = "searching_model"
PLAN = "plan"
"""Nothing of a request bounds what its customer's plan charges for it."""

_MEDIA_LEAVES = frozenset(
    (
        *("input_audio", "input_image", "input_video", "input_document"),
        *("cache_read_audio", "cache_read_image", "cache_read_video"),
    )
)
_TOKENS = frozenset((*INPUT_LEAVES, *OUTPUT_LEAVES))
_ANYTHING = RequestKind(causes=(NOT_READ,), writes="1h", has_tools=True, is_wide=True)
_TEXT = Uses(("input_uncached", "tool_use_input", "cache_read"), ("output_text", "output_reasoning"))


class CallKind(msgspec.Struct, frozen=True):
    """One kind of calls."""

    cost: RateTable | None
    """What the provider charges; None where nothing bounds it."""
    charge: RateTable | None
    because: tuple[str, ...]
    """Why the amounts do not follow from a request's size alone."""
    is_bound: bool
    """False where such a call can use more than is taken here."""
    is_priced: bool
    added: int
    """Tokens that servers add to the text."""
    window: int
    whole_window: bool
    """Its bytes do not bound what is read: a whole window may be."""
    many_inputs: bool
    """Each input has a window of its own."""
    output: int
    """Of one response, where the request does not say."""
    heeds_length: bool
    """The route understands a name under which the request says how long a response may be."""
    output_beside: int
    """Reasoning that does not count against what the request allows."""
    characters: bool
    """Text is charged by the character, too: by as many as the body has bytes."""
    images: bool
    """Each response is a picture that is charged."""
    counts: Mapping[str, int]
    """How much it uses at most of what is counted otherwise."""
    end_ns: int


class CallKinds:
    """Works kinds of calls out, by price book and catalog."""

    def __init__(
        self, book: PriceBook, rules: RequestLimitsData, limits: LimitBook, terms: CustomerTerms
    ) -> None:
        self._book = book
        self._terms = terms
        self._rules = rules
        self._limits = limits
        self._highest: dict[str, RateTable | None] = {}
        self._later = _globs(rules.works_later)
        self._grants = _globs(rules.grants)
        self._sockets = _globs(rules.sockets)
        self._many = _globs(rules.many_inputs)
        self._searching = _globs(rules.searching_models)
        self._reading = _globs(rules.reading_models)
        self._asked_writes = _globs(rules.writes_when_asked)
        self._lengths = [(_globs(entry.surfaces), frozenset(entry.names)) for entry in rules.lengths]
        self._elsewhere = frozenset((MEDIA, "prompt", *rules.input_elsewhere))

    def kind(
        self,
        endpoint: Endpoint,
        path_values: Mapping[str, str],
        request_model: str | None,
        asked: RequestKind | None,
        served: Sequence[str],
        *,
        method: str,
        at_ns: int,
        attribution: Mapping[str, str] | None,
    ) -> CallKind:
        """Return what calls have in common that ask for the same of a model at an endpoint.

        `asked` is None where nobody has read what a request asks for; `served` are models that have served
        the name before.
        """
        rules = self._rules
        later = bool(self._later.match(endpoint.surface)) and method == "POST"
        if not later and method in rules.changing_methods and self._may_grant(endpoint.surface):
            return msgspec.structs.replace(FREE_KIND, because=(GRANTS,), is_bound=False)
        if (endpoint.free is not None and not later) or (endpoint.format is None and endpoint.reads):
            return FREE_KIND
        if later or self._sockets.match(endpoint.surface):
            because = (LATER if later else SOCKET,)
            return msgspec.structs.replace(FREE_KIND, cost=None, charge=None, because=because, is_bound=False)
        provider = endpoint.prices_id
        provider = provider.format_map(path_values) if "{" in provider else provider
        names = [request_model or "", path_values.get("model", ""), *served]
        for prefix in endpoint.model_prefixes:
            names = [name.removeprefix(prefix) for name in names]
        model, asked = names[0], asked or _ANYTHING
        because = list(asked.causes)
        if self._searching.match(model):
            because.append(SEARCHES)
        if endpoint.format is None and endpoint.unlisted is not None:
            because.append(NOT_LISTED)
        form = _format(endpoint, model)
        # Work of the provider's own may read a window more than once; a picture or a reference may not.
        work = [cause for cause in because if cause not in self._elsewhere]
        is_bound = not work
        uses, counts = self._uses(form, asked, model, work)
        stated = self._facts(provider, form, asked, path_values)
        find = functools.partial(
            highest_prices,
            self._book,
            provider,
            facts=stated,
            uses=uses,
            at_ns=at_ns,
            attribution=attribution,
        )
        models: list[str | None] = list(dict.fromkeys(name for name in names if name)) or [None]
        found = find(models)
        if found.cost is None and len(models) > 1:
            # The name of a deployment has no price; what has served it, or what the body names, has.
            models = [name for name in models if find([name]).cost is not None] or models
            found = find(models)
        cost, charge = found.cost, found.charge
        if cost is None:
            because.append(NO_PRICE)
            is_bound = False
            cost = self._highest_of(provider, at_ns)
            charge = charge or cost
        asking = attribution or {}
        billed, end_ns = asking.get(BILLED), found.end_ns
        if self._terms.has_plans:
            end_ns = min(end_ns, self._terms.end_ns(billed, at_ns))
        by_plan = self._terms.plan_of(billed, at_ns)
        if by_plan is not None:
            dims = {**asking, "provider": provider}
            named = next((name for name in names if name), None)
            if named is not None:
                dims |= {"model": named, "request_model": named}
            charge = most_charged(by_plan, dims, cost, at_ns)
            if charge is None and found.cost is not None:
                because.append(PLAN)
                is_bound = False
        rates: Mapping[str, UnitPrice] = {} if cost is None else cost.counts
        guessed = [leaf for leaf in counts if leaf in rules.most and rates.get(leaf, NOTHING)[0]]
        lacking = [leaf for leaf in found.missing if leaf in _TOKENS] if not rates else []
        if found.cost is not None and (guessed or lacking):
            because += [*guessed, *(f"{NO_PRICE}:{leaf}" for leaf in lacking)]
            is_bound = False
        size = self._size(provider, models, found.priced_models)
        window = max(size.window, rules.wide_window.tokens) if asked.is_wide else size.window
        return CallKind(
            cost=cost,
            charge=cost if charge == cost else charge,
            because=tuple(dict.fromkeys(because)),
            is_bound=is_bound,
            is_priced=found.cost is not None,
            added=rules.text_added_with_tools if asked.has_tools else rules.text_added,
            window=window,
            whole_window=bool(asked.causes) or SEARCHES in because,
            many_inputs=bool(self._many.match(endpoint.surface)),
            output=size.output if uses.output else 0,
            heeds_length=self._heeds(endpoint.surface, asked),
            output_beside=size.output if provider in rules.thinks_beside else 0,
            characters="input_characters" in uses.counts,
            images="images" in uses.counts,
            counts=counts,
            end_ns=end_ns,
        )

    def _may_grant(self, surface: str) -> bool:
        return bool(self._grants.match(surface) or self._later.match(surface))

    def _uses(
        self, form: UsageFormat | None, asked: RequestKind, model: str, work: Sequence[str]
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
        if self._reading.match(model):
            writing.clear()
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
            elif not leaf.startswith("calls_") or self._may_call(leaf, work):
                counted.setdefault(leaf, rules.most.get(leaf, 1))
        return Uses(tuple(sorted(reading)), tuple(sorted(writing)), tuple(sorted(counted))), counted

    def _heeds(self, surface: str, asked: RequestKind) -> bool:
        names = next((names for globs, names in self._lengths if globs.match(surface)), frozenset[str]())
        return not names.isdisjoint(asked.lengths.split())

    def _may_call(self, leaf: str, work: Sequence[str]) -> bool:
        """Return whether what the provider does by itself may call a tool that is charged."""
        words = self._rules.calls.get(leaf, ())
        anything = (*self._rules.other_work, NOT_READ, NOT_LISTED, SEARCHES, "tools")
        return any(cause in anything or any(word in cause for word in words) for cause in work)

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

    def _size(self, provider: str, models: Sequence[str | None], priced: Sequence[str]) -> ModelLimits:
        """Return the largest window and output of the models that may serve a call."""
        sellers = (provider, *self._sellers(provider))
        sizes: list[ModelLimits] = []
        for name in models:
            known = self._limits.of(sellers, [name, *priced] if name else priced)
            window, output = self._book.stated_limits(provider, name) if name else (None, None)
            if window is not None:
                known = known._replace(window=window, output=min(known.output, window))
            if output is not None:
                known = known._replace(output=output)
            sizes.append(known)
        return ModelLimits(
            max(size.window for size in sizes),
            max(size.output for size in sizes),
            all(size.is_known for size in sizes),
        )

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


FREE_KIND = CallKind(
    cost=RateTable(),
    charge=RateTable(),
    because=(),
    is_bound=True,
    is_priced=True,
    added=0,
    window=0,
    whole_window=False,
    many_inputs=False,
    output=0,
    heeds_length=False,
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
