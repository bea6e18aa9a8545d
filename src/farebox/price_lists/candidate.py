"""A list that could be taken over: what it would change, and what speaks against it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from farebox import yamltext
from farebox.clock import iso
from farebox.errors import Finding, PriceFileError
from farebox.price_lists.fetching import Fetched, obtain
from farebox.pricing.book import PriceBook
from farebox.pricing.compiled_book import CATALOG
from farebox.pricing.exact import shown
from farebox.pricing.price_rows import PricedModel, ProviderPrices
from farebox.pricing.sources.price_comparison import MOVED_MAX, Change, Comparison, compared, moved
from farebox.pricing.sources.price_import import ForeignNames, Lists, read_list

if TYPE_CHECKING:
    from farebox.pricing.sources.price_updates import Origin

NAMED_MAX = 5

About = Literal["model", "list"]


class Doubt(msgspec.Struct, frozen=True):
    """Why a person should look at a list, or at one model of it, first."""

    about: About
    words: str
    provider: str = ""
    model: str = ""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A fetched list, compared with the prices in force."""

    source: str
    sha256: str
    seen: str
    """When it was fetched, RFC 3339."""
    etag: str | None
    modified: str | None
    comparison: Comparison
    doubts: tuple[Doubt, ...]
    models: dict[str, int]
    """How many models the list has, by provider."""

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.comparison.changes


def digest_problem(fetched: Fetched, wanted: str, source: str) -> Finding | None:
    """Return the finding that a list has not the digest `wanted`: hex, or the URL or file that has it.

    Raises:
        PriceFileError: The digest cannot be read.
    """
    found = hashlib.sha256(fetched.content).hexdigest()
    stated = wanted
    if len(wanted) != 64 or "/" in wanted:
        sums = obtain(wanted)
        # As sha256sum writes it: the digest, white space, a file name.
        stated = sums.content[:64].decode("ascii", "replace") if sums is not None else ""
    return None if stated.lower() == found else Finding(source, 0, "sha256", found, stated.lower())


def candidate_of(
    book: PriceBook, source: str, fetched: Fetched, seen_ns: int, earlier: Collection[str] = ()
) -> Candidate:
    """Compare a list with the prices in force; `earlier` are the digests of lists that others replaced.

    Raises:
        PriceFileError: With everything that is wrong with the list.
    """
    seen = iso(seen_ns)
    units, findings = yamltext.read(CATALOG / "units.yaml")
    if units is None:
        raise PriceFileError(findings)
    incoming, findings = read_list(fetched.content, source, book.price_names, ForeignNames(units), seen[:10])
    if not findings and not incoming:
        findings = [Finding(source, 1, "", "no provider", "price lists")]
    if findings:
        raise PriceFileError(findings)
    known = {name: prices for name in incoming if (prices := book.provider(name)) is not None}
    before = book.updates
    retired = before.retired if before is not None else {}
    comparison = compared(known, incoming, seen_ns=seen_ns, seen=seen, retired=retired)
    digest = hashlib.sha256(fetched.content).hexdigest()
    origin = before.origin if before is not None else None
    doubts = [
        *_missing(book, comparison, incoming, origin, source),
        *_older(known, incoming, fetched, digest, origin, source, earlier),
        *_moved(comparison, known),
        *_shadowed(book, comparison),
    ]
    return Candidate(
        source=source,
        sha256=digest,
        seen=seen,
        etag=fetched.etag,
        modified=fetched.modified,
        comparison=comparison,
        doubts=tuple(doubts),
        models={name: len(prices.models) for name, prices in incoming.items()},
    )


def without(comparison: Comparison, models: Collection[tuple[str, str]]) -> Comparison:
    """Return a comparison without what it says of some models."""
    appended = {
        provider: kept
        for provider, each in comparison.appended.items()
        if (kept := tuple(model for model in each if (provider, model.id) not in models))
    }
    changes = tuple(each for each in comparison.changes if (each.provider, each.model) not in models)
    return Comparison(changes, appended, comparison.median)


def _missing(
    book: PriceBook, comparison: Comparison, incoming: Lists, origin: Origin | None, source: str
) -> list[Doubt]:
    doubts: list[Doubt] = []
    if comparison.removed:
        names = ", ".join(f"{each.provider}/{each.model}" for each in comparison.removed[:NAMED_MAX])
        count = len(comparison.removed)
        doubts.append(Doubt("list", f"{count} model{'s' * (count != 1)} would be gone: {names}"))
    listed_before = origin.models if origin is not None and origin.source == source else {}
    gone = sorted(name for name in listed_before if name not in incoming)
    if gone:
        names = ", ".join(gone[:NAMED_MAX])
        doubts.append(Doubt("list", f"{len(gone)} provider{'s' * (len(gone) != 1)} would be gone: {names}"))
    return doubts


def _older(
    known: dict[str, ProviderPrices],
    incoming: Lists,
    fetched: Fetched,
    digest: str,
    origin: Origin | None,
    source: str,
    earlier: Collection[str],
) -> list[Doubt]:
    if origin is not None and digest != origin.sha256 and digest in earlier:
        return [Doubt("list", "it is an older list that was in force before")]
    if origin is not None and origin.source == source:
        was, now = _moment(origin.modified), _moment(fetched.modified)
        if was is not None and now is not None and now < was:
            return [
                Doubt(
                    "list", f"it is older than the list in force: {fetched.modified}, after {origin.modified}"
                )
            ]
    names = {name: {model.id for model in prices.models} for name, prices in incoming.items()}
    theirs = _newest(incoming, names)
    ours = _newest(known, names)
    if theirs is not None and ours is not None and theirs < ours:
        return [
            Doubt(
                "list",
                f"it is older than the prices in force: its newest price is of {theirs}, ours of {ours}",
            )
        ]
    return []


def _newest(lists: dict[str, ProviderPrices], names: dict[str, set[str]]) -> str | None:
    """Return the latest day from which a price holds that somebody stated, among the models named."""
    days = [
        row.effective_from[:10]
        for name, prices in lists.items()
        for model in prices.models
        if model.id in names.get(name, ())
        for row in model.rows
        if row.effective_from is not None and not row.observed
    ]
    return max(days, default=None)


def _moment(text: str | None) -> float | None:
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _moved(comparison: Comparison, known: dict[str, ProviderPrices]) -> list[Doubt]:
    doubts = [
        _far(change.provider, change.model, _unit(change), change.before_usd, change.after_usd)
        for change in comparison.too_far
    ]
    for change in comparison.changes:
        if change.kind == "moved" and change.after_usd is None:
            words = f"{change.provider}/{change.model} {_unit(change)} would have no price any more"
            doubts.append(Doubt("model", words, change.provider, change.model))
    doubts += _unheard_of(comparison, known)
    if comparison.has_wrong_units:
        doubts.append(
            Doubt("list", "half of all prices would move more than 10 times: these are other units")
        )
    # A price for a condition that had none is compared with the price without conditions.
    for provider, models in comparison.appended.items():
        ours = {model.id: model for model in known[provider].models} if provider in known else {}
        for model in models:
            standard = (
                next((row for row in ours[model.id].rows if not row.when), None) if model.id in ours else None
            )
            if standard is None:
                continue
            known_conditions = [row.when for row in ours[model.id].rows]
            for row in model.rows:
                for unit, quote in row.quotes.items() if row.when not in known_conditions else ():
                    usual = standard.quotes.get(unit)
                    before = None if usual is None else shown(usual.usd, usual.per)
                    after = shown(quote.usd, quote.per)
                    ratio = moved(before, after)
                    if ratio is not None and ratio > MOVED_MAX:
                        doubts.append(_far(provider, model.id, unit, before, after, f" for {row.when}"))
    return doubts


def _unheard_of(comparison: Comparison, known: dict[str, ProviderPrices]) -> list[Doubt]:
    """Return doubts about prices for what had none, far above all that is known: there is no price before to
    compare them with."""
    doubts: list[Doubt] = []
    for provider, models in comparison.appended.items():
        prices = known.get(provider)
        if prices is None:
            continue
        by_unit: dict[str, Decimal] = {}
        by_model: dict[str, Decimal] = {}
        for model in prices.models:
            for unit, price in _unit_prices(model):
                by_unit[unit] = max(price, by_unit.get(unit, price))
                by_model[model.id] = max(price, by_model.get(model.id, price))
        for model in models:
            had = {unit for each in prices.models if each.id == model.id for unit, _ in _unit_prices(each)}
            for unit, price in _unit_prices(model):
                if unit in had:
                    continue  # compared with what it was
                highest = by_model.get(model.id) if had else by_unit.get(unit)
                if highest is not None and price > highest * MOVED_MAX:
                    of = "the model" if had else f"{provider} for that"
                    words = (
                        f"{provider}/{model.id} {unit} would be ${price:f}, more than {MOVED_MAX} times the "
                        f"highest price of {of}, ${highest:f}"
                    )
                    doubts.append(Doubt("model", words, provider, model.id))
    return doubts


def _unit_prices(model: PricedModel) -> Iterator[tuple[str, Decimal]]:
    for row in model.rows:
        for quotes in (row.quotes, *(tier.quotes for tier in row.tiers)):
            yield from ((unit, shown(quote.usd, quote.per)) for unit, quote in quotes.items())


def _unit(change: Change) -> str:
    return f"{change.unit} above {change.above:,} input tokens" if change.above else change.unit or ""


def _far(
    provider: str, model: str, unit: str, before: Decimal | None, after: Decimal | None, when: str = ""
) -> Doubt:
    was, would_be = ("no price" if each is None else f"${each:f}" for each in (before, after))
    words = (
        f"{provider}/{model} {unit} would move from {was} to {would_be}{when}, more than {MOVED_MAX} times"
    )
    return Doubt("model", words, provider, model)


def _shadowed(book: PriceBook, comparison: Comparison) -> list[Doubt]:
    """Return doubts about new models whose rules take calls away from models that are known."""
    from farebox.pricing.model_names import ModelIndex

    doubts: list[Doubt] = []
    for provider, models in comparison.appended.items():
        prices = book.provider(provider)
        ours = {model.id for model in prices.models} if prices is not None else set[str]()
        fresh = [model for model in models if model.id not in ours]
        if not fresh:
            continue
        index = ModelIndex(tuple(fresh))
        for name in sorted(ours):
            taker = index.find(name.lower())
            if taker is not None:
                words = f"the new model {provider}/{taker.id} would take the calls of {name}"
                doubts.append(Doubt("model", words, provider, taker.id))
    return doubts
