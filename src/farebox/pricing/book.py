"""The price book: every price we know, and the one function that rates with it.

Immutable. `rate` is a pure function of its arguments and the book's digest; what it caches between calls
only saves work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from farebox.pricing.exact import shown
from farebox.pricing.facts import PriceSource, RatedPart
from farebox.pricing.model_names import ModelIndex, matches
from farebox.pricing.price_rows import (
    EVER,
    Adjustment,
    CompiledPrices,
    PricedModel,
    PriceRow,
    ProviderPrices,
    Quote,
)
from farebox.pricing.prices_in_force import Layer, Plan, rows_in_force
from farebox.pricing.rating import Amounts, Sums, not_billable, part_amounts, rate_part, sum_part
from farebox.pricing.sources.user_prices import UserModel, UserPricing, layers, markup_at
from farebox.wire.facts import Part, Quantity

if TYPE_CHECKING:  # most books have none of these, and start-up has to be fast
    from farebox.pricing.contracts.terms import Contracts
    from farebox.pricing.sources.price_updates import PriceUpdates

_PLANS_MAX = 4096
"""Kinds of calls cached. Model names come from the network, so there must be a limit."""

_PERIODS_MAX = 64


class PriceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One quoted price, as `farebox prices` shows it."""

    provider: str
    model: str
    unit: str
    usd: str
    """As published."""
    per: int
    unit_price_usd: Decimal
    price_id: str
    price_source: PriceSource
    source: str
    """Where the figure comes from: a page, a release, a line of the user's file."""
    checked: str
    effective_from: str | None
    when: dict[str, str]
    above_input_tokens: int | None
    in_force: bool


class _Listed(NamedTuple):
    """The list prices and corrections that apply to a call's model."""

    model: str | None
    layers: list[Layer]
    providers: list[ProviderPrices]


class PriceBook:
    """All prices, by precedence: the user's, our corrections, the imported list, the second list."""

    def __init__(
        self,
        compiled: CompiledPrices,
        user: UserPricing | None = None,
        contracts: Contracts | None = None,
        updates: PriceUpdates | None = None,
        fallback: UserPricing | None = None,
    ) -> None:
        """`fallback` prices only models that no other source, contracts included, has any price for."""
        self._compiled = compiled
        self._updates = updates
        self._user = user or UserPricing()
        self._fallback = fallback or UserPricing()
        self._contracts = contracts if contracts is not None and contracts.all else None
        self._decoder = msgspec.msgpack.Decoder(ProviderPrices)
        self._providers: dict[str, ProviderPrices | None] = {}
        self._indexes: dict[tuple[str, str], ModelIndex] = {}
        self._plans: dict[tuple[object, ...], list[Plan]] = {}
        stack = [compiled.digest, self._user.digest]
        if self._contracts is not None:
            stack.append(self._contracts.digest)
        if updates is not None and updates.providers:
            stack.append(updates.digest)
        if self._fallback.models:
            stack.append(f"fallback {self._fallback.digest}")
        joined = "\n".join(stack).encode()
        self.digest = hashlib.sha256(joined).hexdigest()[:16]
        """Identifies this book: equal digests rate equally."""
        self._not_billable = not_billable(self.digest)

    def rate(
        self,
        part: Part,
        *,
        occurred_at_ns: int,
        completeness: str,
        billable: bool,
        attribution: Mapping[str, str] | None = None,
    ) -> RatedPart:
        """Return `part` in money by the prices in force at `occurred_at_ns`.

        `attribution` (customer, key, project …) decides which contracts cover the call.
        """
        if not billable:
            return self._not_billable
        plan = self._in_force(part, occurred_at_ns, attribution)
        if plan.agreement is not None:
            return self._rate_agreed(part, plan, completeness)
        return rate_part(part, plan, completeness=completeness, snapshot=self.digest)

    def sums(
        self,
        part: Part,
        *,
        occurred_at_ns: int,
        completeness: str,
        attribution: Mapping[str, str] | None = None,
    ) -> Sums:
        """Return what `rate` finds for a billable part without the lines it is made of."""
        plan = self._in_force(part, occurred_at_ns, attribution)
        if plan.agreement is not None:
            rated = self._rate_agreed(part, plan, completeness)
            return rated.cost_state, rated.cost_pico, rated.charge_pico
        return sum_part(part, plan, completeness=completeness)

    def amounts(
        self,
        part: Part,
        *,
        occurred_at_ns: int,
        completeness: str,
        attribution: Mapping[str, str] | None = None,
    ) -> Amounts:
        """Return what `rate` finds for a billable part, of its lines no more than units and amounts."""
        plan = self._in_force(part, occurred_at_ns, attribution)
        if plan.agreement is not None:
            rated = self._rate_agreed(part, plan, completeness)
            amounts = [(line.unit, line.amount_pico) for line in rated.lines]
            return rated.cost_state, rated.cost_pico, rated.charge_pico, amounts
        return part_amounts(part, plan, completeness=completeness)

    def plan_of(self, part: Part, occurred_at_ns: int, attribution: Mapping[str, str] | None = None) -> Plan:
        """Return the prices in force for calls like `part` at a moment, contracts included.

        Nothing is cached: whoever asks keeps it until `end_ns`.
        """
        plan = self._plan(part, occurred_at_ns)
        if self._contracts is not None:
            self._agree(self._contracts, plan, part, occurred_at_ns, attribution or {})
        return plan

    def stated_limits(self, provider: str, model: str) -> tuple[int | None, int | None]:
        """Return the context window and the output limit that the user states for a model."""
        window = output = None
        for entry in self._user.meaning(provider, [model.strip().lower()]):
            window, output = window or entry.limits[0], output or entry.limits[1]
        return window, output

    @property
    def contract_attributes(self) -> tuple[str, ...]:
        """Return the attributes (`customer`, `key` …) that decide which contracts cover a call."""
        return self._contracts.attributes if self._contracts is not None else ()

    def _in_force(self, part: Part, at_ns: int, attribution: Mapping[str, str] | None) -> Plan:
        """Return the plan of a call; where there are contracts, its attribution is part of the kind of
        call."""
        facts = part.facts
        key: tuple[object, ...] = (
            part.provider,
            part.response_model,
            part.request_model,
            tuple(facts.items()) if facts else None,
        )
        contracts = self._contracts
        if contracts is not None:
            asking = attribution or {}
            key = (*key, *(asking.get(name) for name in contracts.attributes))
        plans = self._plans.get(key)
        if plans is not None:
            for plan in plans:
                if plan.start_ns <= at_ns < plan.end_ns:
                    return plan
        plan = self._plan(part, at_ns)
        if contracts is not None:
            self._agree(contracts, plan, part, at_ns, attribution or {})
        self._remember(key, plan)
        return plan

    def _rate_agreed(self, part: Part, plan: Plan, completeness: str) -> RatedPart:
        from farebox.pricing.contracts.agreements import Agreement, rate_agreed

        if not isinstance(plan.agreement, Agreement):
            return rate_part(part, plan, completeness=completeness, snapshot=self.digest)
        return rate_agreed(part, plan, plan.agreement, completeness=completeness, snapshot=self.digest)

    def _remember(self, key: tuple[object, ...], plan: Plan) -> None:
        plans = self._plans.get(key)
        if plans is None or len(plans) >= _PERIODS_MAX:
            if len(self._plans) >= _PLANS_MAX:
                self._plans.clear()
            plans = self._plans[key] = []
        plans.insert(0, plan)

    def _agree(
        self, contracts: Contracts, plan: Plan, part: Part, at_ns: int, attribution: Mapping[str, str]
    ) -> None:
        """Find the contract that covers a call and the plan at its prices."""
        from farebox.pricing.contracts.agreements import Agreement

        names = self._names(part, self.provider(part.provider))
        term = contracts.term(part.provider, names, attribution, at_ns)
        if term is not None:
            contracted = self._plan(part, at_ns, term.row, listed=plan, factor=term.factor, of=term.id)
            plan.agreement = Agreement(term, contracted)
        edges = contracts.edges()
        plan.start_ns = max([plan.start_ns, *(edge for edge in edges if edge <= at_ns)])
        plan.end_ns = min([plan.end_ns, *(edge for edge in edges if edge > at_ns)])

    def providers(self) -> list[str]:
        """Return the ids of all providers with prices or corrections."""
        appended = self._updates.providers if self._updates is not None else {}
        return sorted({*self._compiled.providers, *appended})

    def provider(self, name: str) -> ProviderPrices | None:
        """Return what is known about a provider, decoded on first use."""
        if name not in self._providers:
            raw = self._compiled.providers.get(name)
            known = self._decoder.decode(raw) if raw is not None else None
            if self._updates is not None and name in self._updates.providers:
                known = self._updates.applied(known or ProviderPrices(name))
            if known is None:
                return None
            self._providers[name] = known
        return self._providers[name]

    @property
    def has_contracts(self) -> bool:
        """True where attribution can change what a call costs."""
        return self._contracts is not None

    @property
    def price_names(self) -> dict[str, bool]:
        """Every name a price may be written under; True where it is for tokens."""
        return self._compiled.units.prices

    @property
    def updates(self) -> PriceUpdates | None:
        """What was appended since this release."""
        return self._updates

    def models(self, provider: str) -> list[str]:
        """Return the ids of all models that a provider's lists and our corrections name."""
        known = self.provider(provider)
        if known is None:
            return []
        listed = (*known.models, *known.overlay.models, *known.others)
        return sorted({model.id.lower() for model in listed})

    def user_lines(self, at_ns: int | None = None) -> list[PriceLine]:
        """Return the user's own prices, under the keys they wrote."""
        return [
            line
            for entry in (*self._user.models, *self._fallback.models)
            for layer in layers([entry])
            for line in _price_lines("", entry.key, layer, at_ns)
        ]

    def find(self, provider: str | None, model: str, at_ns: int | None = None) -> list[PriceLine]:
        """Return the prices of a model, of one provider or of all that have it.

        With `at_ns` those in force at that moment, otherwise every row there ever was.
        """
        names = [provider] if provider is not None else self.providers()
        model = model.strip().lower()
        found: list[PriceLine] = []
        for name in names:
            listed = self._listed(name, [model])
            meant = layers(self._user.meaning(name, [model])) if listed.model or provider else []
            for layer in [*meant, *listed.layers]:
                found.extend(_price_lines(name, listed.model or model, layer, at_ns))
        if provider is None and not found:
            for layer in layers(self._user.meaning("", [model])):
                found.extend(_price_lines("", model, layer, at_ns))
        if not found:
            for layer in layers(self._fallback.meaning(provider or "", [model])):
                found.extend(_price_lines(provider or "", model, layer, at_ns))
        return found

    def _plan(
        self,
        part: Part,
        at_ns: int,
        agreed: PriceRow | None = None,
        *,
        listed: Plan | None = None,
        factor: Decimal | None = None,
        of: str = "",
    ) -> Plan:
        """Resolve what a kind of call costs at a moment.

        With the flat prices `agreed` in a contract these come first; `listed` is then the plan without
        it, and `factor` what the term `of` a contract leaves of a list price.
        """
        known = self.provider(part.provider)
        names = self._names(part, known)
        facts = self._facts(part.facts)
        entries = self._user.meaning(part.provider, names)
        user_layers = layers(entries)
        sold = self._priced_as(entries) or self._listed(part.provider, names, facts.get("region"))
        if agreed is None and not any(layer.rows for layer in (*user_layers, *sold.layers)):
            user_layers = layers(self._fallback.meaning(part.provider, names))
        markup, edges = markup_at(entries, at_ns)
        adjustments: list[Adjustment] = []
        minimums: dict[str, Quantity] = {}
        no_charge = None
        for prices in sold.providers:
            overlay = prices.overlay
            adjustments += [each for each in overlay.adjustments if _any(each.match, names)]
            for minimum in overlay.minimums:
                if _any(minimum.match, names):
                    minimums[minimum.leaf] = _quantity(minimum.at_least)
            for rule in overlay.no_charge if not user_layers else ():
                selected = _any(rule.match, names) and not (rule.unless and _any(rule.unless, names))
                if selected and all(facts.get(key) == value for key, value in rule.when.items()):
                    no_charge = no_charge or rule
        contract = [Layer("contract", agreed.id, (agreed,))] if agreed is not None else []
        plan = Plan(
            [*contract, *user_layers, *sold.layers],
            self._compiled.units.leaves,
            facts,
            at_ns,
            adjustments=adjustments,
            minimums=minimums,
            no_charge=no_charge,
            markup=markup,
            model=sold.model or (user_layers[0].model if user_layers else None),
            listed=listed,
            factor=None if factor is None else (factor, of),
        )
        plan.start_ns = max([plan.start_ns, *(edge for edge in edges if edge <= at_ns)])
        plan.end_ns = min([plan.end_ns, *(edge for edge in edges if edge > at_ns)])
        return plan

    def _priced_as(self, entries: list[UserModel]) -> _Listed | None:
        """Return the list prices of the model that the user says a name stands for."""
        alias = next((entry.priced_as for entry in entries if entry.priced_as), None)
        if alias is None:
            return None
        provider, _, model = alias.partition("/")
        return self._listed(provider, [model])

    def _names(self, part: Part, known: ProviderPrices | None) -> list[str]:
        """Return the names a call's model goes by, the one that decides the price first."""
        names = [part.response_model, part.request_model]
        if known is not None and known.overlay.request_model_first:
            names.reverse()
        prefixes = known.overlay.strip_prefixes if known is not None else ()
        stripped: list[str] = []
        for name in names:
            if not name:
                continue
            lowered = name.strip().lower()
            for prefix in prefixes:
                lowered = lowered.removeprefix(prefix)
            if lowered and lowered not in stripped:
                stripped.append(lowered)
        return stripped

    def _facts(self, stated: Mapping[str, str]) -> dict[str, str]:
        """Return a call's facts in the words price rows use."""
        facts = {key: value.lower() for key, value in stated.items()}
        for rule in self._compiled.units.facts:
            if all(facts.get(key) == value for key, value in rule.when.items()):
                facts = {**facts, **rule.then}
        return facts

    def _listed(self, provider: str, names: list[str], region: str | None = None) -> _Listed:
        """Return corrections and list prices for the first name that has any."""
        own = self.provider(provider)
        if own is None:
            return _Listed(None, [], [])
        base = self.provider(own.overlay.prices_of) if own.overlay.prices_of else None
        chain = [own] if base is None else [own, base]
        listed, seller, with_variants = self._sold(chain, names)
        corrected = [*chain, seller] if seller is not None and seller not in chain else chain
        found: list[Layer] = []
        for prices in corrected:
            correction = self._correction(prices, names)
            if correction is not None:
                found.append(Layer("overlay", correction.id, correction.rows))
        regional = self._other(chain, [f"{region}/{name}" for name in names]) if region else None
        if regional is not None:
            found.append(Layer("litellm", regional.id, regional.rows))
        if listed is not None:
            found.append(Layer("genai-prices", listed.id, listed.rows, with_variants))
        if own.overlay.resells:
            found += self._made(own, names)
        if listed is None or not listed.rows:
            other = self._other(chain, names)
            if other is not None:
                found.append(Layer("litellm", other.id, other.rows))
        model = found[0].model if found else None
        if model is not None:
            # What a provider charges for every model: only for models known to be its own.
            found += [
                Layer("overlay", model, each.overlay.defaults) for each in chain if each.overlay.defaults
            ]
        return _Listed(model, found, chain)

    def _sold(
        self, chain: list[ProviderPrices], names: list[str]
    ) -> tuple[PricedModel | None, ProviderPrices | None, bool]:
        """Return the list's model, whose list it is on, and whether variants apply to us."""
        for name in names:
            for prices in chain:
                found = self._index(prices).find(name)
                if found is not None:
                    return found, prices, True
            for fallback in (each for prices in chain for each in prices.fallbacks):
                seller = self.provider(fallback)
                found = self._index(seller).find(name) if seller is not None else None
                if found is not None:
                    return found, seller, False
        return None, None, False

    def _correction(self, prices: ProviderPrices, names: list[str]) -> PricedModel | None:
        index = self._index(prices, "overlay")
        return next((found for name in names if (found := index.find(name)) is not None), None)

    def _made(self, reseller: ProviderPrices, names: list[str]) -> list[Layer]:
        """Return the makers' standard prices of a model that is resold as `maker/model`."""
        found: list[Layer] = []
        for name in names:
            maker, slash, model = name.partition("/")
            prices = self.provider(reseller.overlay.resells.get(maker, "")) if slash else None
            if prices is None:
                continue
            correction = self._correction(prices, [model])
            listed = self._index(prices).find(model)
            if correction is not None:
                found.append(Layer("overlay", correction.id, correction.rows, with_variants=False))
            if listed is not None:
                found.append(Layer("genai-prices", listed.id, listed.rows, with_variants=False))
        return found

    def _other(self, chain: list[ProviderPrices], names: list[str]) -> PricedModel | None:
        """Return the model of the second list, used only for what no other source has a price for."""
        for name in names:
            for prices in chain:
                if prices.others and (found := self._index(prices, "others").find(name)) is not None:
                    return found
        return None

    def _index(self, prices: ProviderPrices, kind: str = "models") -> ModelIndex:
        key = (prices.id, kind)
        if key not in self._indexes:
            lists = {
                "models": prices.models,
                "overlay": prices.overlay.models,
                "others": prices.others,
            }
            self._indexes[key] = ModelIndex(lists[kind])
        return self._indexes[key]


def _any(clause: dict[str, object], names: list[str]) -> bool:
    return not clause or any(matches(clause, name) for name in names)


def _quantity(text: str) -> Quantity:
    value = Decimal(text)
    return int(value) if value == value.to_integral_value() else value


def _price_lines(provider: str, model: str, layer: Layer, at_ns: int | None) -> Iterator[PriceLine]:
    for row in layer.rows:
        in_force = at_ns is None or row in rows_in_force(layer, row.when, at_ns)
        if at_ns is not None and not in_force:
            continue
        for unit, quote in row.quotes.items():
            yield _price_line(provider, model, layer, row, unit, quote, None, in_force)
        for tier in row.tiers:
            for unit, quote in tier.quotes.items():
                yield _price_line(provider, model, layer, row, unit, quote, tier.above, in_force)


def _price_line(
    provider: str,
    model: str,
    layer: Layer,
    row: PriceRow,
    unit: str,
    quote: Quote,
    above: int | None,
    in_force: bool,
) -> PriceLine:
    return PriceLine(
        provider=provider,
        model=model,
        unit=unit,
        usd=quote.usd,
        per=quote.per,
        unit_price_usd=shown(quote.usd, quote.per),
        price_id=f"{row.id}#{unit}" + (f">{above}" if above is not None else ""),
        price_source=layer.source,
        source=row.source,
        checked=row.checked,
        effective_from=None if row.from_ns == EVER else row.effective_from,
        when=row.when,
        above_input_tokens=above,
        in_force=in_force,
    )
