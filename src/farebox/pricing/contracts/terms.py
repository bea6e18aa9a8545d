"""Agreements that change money: with a provider, what a call costs; with a customer, what it is charged.

In FOCUS' words: `list_cost` is at list prices, `contracted_cost` at the provider's contract, and the
customer's side is the charge. They are read here and applied in `farebox.pricing.contracts.agreements`.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import msgspec

from farebox.errors import Finding
from farebox.money import pico_from_usd
from farebox.pricing.contracts.tiers import Step, Tiers
from farebox.pricing.exact import decimal_from_text, price_problem, ratio, unit_price
from farebox.pricing.model_names import rank
from farebox.pricing.price_rows import EVER, NEVER, PriceRow
from farebox.pricing.prices_in_force import Markup
from farebox.pricing.quotation import instant_ns, per_of
from farebox.pricing.sources.user_prices import EntryReader, read_markup

if TYPE_CHECKING:
    from farebox.yamltext import Node

ATTRIBUTES = ("customer", "key", "project", "app", "user", "agent")
"""What a contract can be for. `key` is the fingerprint of an API key."""

Side = Literal["provider", "customer"]

_CONTRACT_KEYS = ("with", "for", "effective_from", "effective_until", "terms")
_TERM_KEYS = ("models", "effective_from", "effective_until")
_EFFECTS = ("discount_percent", "prices", "tiers", "markup", "markup_percent", "margin_percent")
_MARKUPS = _EFFECTS[-3:]
_MEASURES = ("tokens", "calls", "usd")


class Term(msgspec.Struct, frozen=True):
    """What one contract says about some models; exactly one of the effects is there."""

    id: str
    """`acme-2026#2`: the contract and its term, from one."""
    contract: str
    models: tuple[str, ...]
    from_ns: int
    until_ns: int
    row: PriceRow | None = None
    factor: Decimal | None = None
    """What remains of the list price after the discount."""
    markup: Markup | None = None
    tiers: Tiers | None = None

    def is_for(self, provider: str, names: Iterable[str]) -> bool:
        return not self.models or any(
            _means(pattern, provider, name) for pattern in self.models for name in names
        )


class Contract(msgspec.Struct, frozen=True):
    """An agreement with a provider or a customer, for the calls that fit all of `parties`."""

    name: str
    side: Side
    parties: tuple[tuple[str, tuple[str, ...]], ...]
    terms: tuple[Term, ...]

    def covers(self, provider: str, attribution: Mapping[str, str]) -> bool:
        for key, patterns in self.parties:
            value = provider if key == "provider" else attribution.get(key)
            if value is None or not any(fnmatchcase(value.lower(), each) for each in patterns):
                return False
        return True

    def term(self, provider: str, names: Collection[str], at_ns: int) -> Term | None:
        """Return the first term that is for a model; of those for the same models the latest in force."""
        for term in self.terms:
            if not term.is_for(provider, names):
                continue
            same = [each for each in self.terms if each.models == term.models]
            in_force = [each for each in same if each.from_ns <= at_ns < each.until_ns]
            if in_force:
                return max(in_force, key=lambda each: each.from_ns)
        return None


class Contracts(msgspec.Struct, frozen=True):
    """Everything under `contracts:`, checked. Of several that cover a call the first counts."""

    all: tuple[Contract, ...] = ()
    digest: str = ""
    attributes: tuple[str, ...] = ()
    """The attributes that any contract looks at."""

    def term(
        self,
        side: Side,
        provider: str,
        names: Collection[str],
        attribution: Mapping[str, str],
        at_ns: int,
    ) -> Term | None:
        """Return the term of the first contract of a side that has one in force for a call."""
        for contract in self.all:
            if contract.side == side and contract.covers(provider, attribution):
                term = contract.term(provider, names, at_ns)
                if term is not None:
                    return term
        return None

    def by_id(self, name: str) -> Term | None:
        """Return the term that is called `name`, as `acme#1`."""
        return next((term for contract in self.all for term in contract.terms if term.id == name), None)

    def edges(self) -> list[int]:
        """Return every moment at which a term begins or ends."""
        terms = [term for contract in self.all for term in contract.terms]
        edges = {edge for term in terms for edge in (term.from_ns, term.until_ns)}
        return sorted(edges - {EVER, NEVER})


def _means(pattern: str, provider: str, name: str) -> bool:
    if any(sign in pattern for sign in "*?["):
        return fnmatchcase(f"{provider}/{name}", pattern) or fnmatchcase(name, pattern)
    owner, slash, model = pattern.partition("/")
    if slash and owner == provider.lower() and rank(model, name, is_family=False):
        return True
    return bool(rank(pattern, name, is_family=False))


def read_contracts(
    nodes: Node | Sequence[Node] | None, price_names: Mapping[str, bool]
) -> tuple[Contracts, list[Finding]]:
    """Return what one or several `contracts:` sections say, and everything that is wrong with them."""
    sections = nodes if isinstance(nodes, Sequence) else [nodes] if nodes is not None else []
    sections = [node for node in sections if node.kind != "nothing"]
    reader = _Reader(price_names)
    found: dict[str, Contract] = {}
    for node in sections:
        if node.kind != "mapping":
            reader.findings.append(node.finding("a mapping of names to contracts"))
        for name, child in node.items():
            if name in found:
                reader.findings.append(child.finding("a name that no other contract has", name))
            found[name] = reader.contract(name, child)
    attributes = {key for contract in found.values() for key, _ in contract.parties} - {"provider"}
    written = json.dumps([node.plain() for node in sections], sort_keys=True)
    digest = hashlib.sha256(written.encode()).hexdigest()
    return Contracts(tuple(found.values()), digest, tuple(sorted(attributes))), reader.findings


class _Reader:
    def __init__(self, price_names: Mapping[str, bool]) -> None:
        self.price_names = price_names
        self.findings: list[Finding] = []

    def _refuse(self, node: Node, expected: str, found: str | None = None) -> None:
        self.findings.append(node.finding(expected, found))

    def _only(self, node: Node, known: tuple[str, ...]) -> None:
        for key, child in node.items():
            if key not in known:
                close = difflib.get_close_matches(key, known, 1)
                self._refuse(
                    child, f"perhaps {close[0]}" if close else f"one of {', '.join(known)}", f"key {key!r}"
                )

    def contract(self, name: str, node: Node) -> Contract:
        if node.kind != "mapping":
            self._refuse(node, "a contract: with, for, terms")
        self._only(node, _CONTRACT_KEYS)
        stated = node.get("with") or node
        side: Side = "provider" if stated.value == "provider" else "customer"
        if stated.value not in ("provider", "customer"):
            self._refuse(stated, "with: provider (what you pay) or customer (what you charge)")
        terms = node.get("terms")
        if terms is None or terms.kind != "list" or not terms.value:
            self._refuse(terms or node, "terms: a list")
        span = self._span(node, EVER, NEVER)
        children: list[Node] = list(terms.value) if terms is not None and terms.kind == "list" else []
        return Contract(
            name=name,
            side=side,
            parties=self._parties(node.get("for"), side),
            terms=tuple(
                self._term(name, number, child, side, span) for number, child in enumerate(children, 1)
            ),
        )

    def _parties(self, node: Node | None, side: Side) -> tuple[tuple[str, tuple[str, ...]], ...]:
        if node is None:
            return ()
        known = (*ATTRIBUTES, "provider")
        if node.kind != "mapping":
            self._refuse(node, f"a mapping of {', '.join(known)} to names")
        self._only(node, known)
        return tuple((key, self._texts(child)) for key, child in node.items())

    def _texts(self, node: Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        children: list[Node] = list(node.value) if node.kind == "list" else [node]
        for child in children:
            if child.kind != "text":
                self._refuse(child, "a name or a pattern such as gpt-*")
        return tuple(str(child.value).lower() for child in children if child.kind == "text")

    def _instant(self, node: Node, key: str, default: int) -> int:
        child = node.get(key)
        if child is None:
            return default
        moment = instant_ns(str(child.value)) if child.kind == "text" else None
        if moment is None:
            self._refuse(child, "a date like 2026-01-31, or an instant like 2026-01-31T09:00:00Z")
        return default if moment is None else moment

    def _span(self, node: Node, start: int, end: int) -> tuple[int, int]:
        first = max(start, self._instant(node, "effective_from", start))
        last = min(end, self._instant(node, "effective_until", end))
        if first >= last:
            self._refuse(node, "effective_until after effective_from")
        return first, last

    def _term(self, contract: str, number: int, node: Node, side: Side, span: tuple[int, int]) -> Term:
        term_id = f"{contract}#{number}"
        if node.kind != "mapping":
            self._refuse(node, "a term such as {models: gpt-*, discount_percent: 15}")
        self._only(node, (*_TERM_KEYS, *_EFFECTS))
        effects = [(key, child) for key, child in node.items() if key in _EFFECTS]
        if len(effects) != 1:
            found = " and ".join(key for key, _ in effects) or "none"
            self._refuse(node, f"exactly one of {', '.join(_EFFECTS)}", found)
        row = factor = markup = tiers = None
        for key, child in effects[:1]:
            if key == "discount_percent":
                factor = self._remainder(child)
            elif side == "provider" and key != "prices":
                self._refuse(child, "discount_percent or prices: a provider's contract states those", key)
            elif key == "prices":
                row = self._row(term_id, child)
            elif key == "tiers":
                tiers = self._tiers(child)
            else:
                markup = read_markup(key, child, self.findings)
        start, end = self._span(node, *span)
        return Term(
            id=term_id,
            contract=contract,
            models=self._texts(node.get("models")),
            from_ns=start,
            until_ns=end,
            row=row,
            factor=factor,
            markup=markup,
            tiers=tiers,
        )

    def _remainder(self, node: Node) -> Decimal:
        value = decimal_from_text(str(node.value)) if node.kind == "text" else None
        if value is None or not 0 <= value <= 100:
            self._refuse(node, "a percentage from 0 to 100, such as 12.5")
            return Decimal(1)
        return (100 - value).scaleb(-2)

    def _row(self, term_id: str, node: Node) -> PriceRow:
        if node.kind != "mapping":
            self._refuse(node, "prices such as {input_per_1m: 2.00, output_per_1m: 8.00}")
        entry = EntryReader(term_id, node, self.price_names, self.findings, owner="contract")
        row, markup = entry.read()
        if markup is not None:
            self._refuse(node, "prices only; a markup is a term of its own")
        return row

    def _tiers(self, node: Node) -> Tiers:
        self._only(node, ("mode", "measure", "steps"))
        mode, measure, listed = node.get("mode"), node.get("measure"), node.get("steps")
        if mode is None or mode.value not in ("graduated", "volume"):
            self._refuse(mode or node, "mode: graduated (each unit at its tier) or volume (all at one tier)")
        if measure is None or measure.value not in _MEASURES:
            self._refuse(measure or node, "measure: tokens, calls or usd (the month at list price)")
        by = str(measure.value) if measure is not None else "tokens"
        children: list[Node] = list(listed.value) if listed is not None and listed.kind == "list" else []
        steps = [self._step(child, by) for child in children]
        bounds = [step.up_to for step in steps]
        rising = all(a is not None and (b is None or a < b) for a, b in pairwise(bounds))
        if not steps or bounds[-1] is not None or not rising:
            self._refuse(listed or node, "steps with rising up_to, the last one without")
            steps = [Step(None, 1, 1, True)]
        if len({step.is_factor for step in steps}) > 1:
            self._refuse(listed or node, "all steps with a rate, or all with a percentage")
        return Tiers(
            "volume" if mode is not None and mode.value == "volume" else "graduated",
            "usd" if by == "usd" else "calls" if by == "calls" else "tokens",
            tuple(steps),
        )

    def _step(self, node: Node, measure: str) -> Step:
        bound, flat = self._amount(node.get("up_to")), self._amount(node.get("flat"))
        stated = [
            (key, child)
            for key, child in node.items()
            if key not in ("up_to", "flat") and child.kind == "text"
        ]
        if len(stated) != 1:
            self._refuse(node, "one of discount_percent, markup_percent, per_1m, per_1k, per_token, per_call")
            return Step(None, 1, 1, True)
        key, child = stated[0]
        numerator, denominator, is_factor = 1, 1, True
        if key == "discount_percent":
            numerator, denominator = ratio(self._remainder(child))
        elif key in _MARKUPS:
            markup = read_markup(key, child, self.findings)
            if markup is not None:
                numerator, denominator = markup.numerator, markup.denominator
        else:
            per = per_of(key.removeprefix("per_")) if key.startswith("per_") else None
            problem = price_problem(str(child.value))
            if per is None or measure == "usd":
                self._refuse(
                    child, "a percentage, or a rate per token, 1k, 1m or call of tokens or calls", key
                )
            elif problem:
                self._refuse(child, problem)
            else:
                numerator, denominator = unit_price(str(child.value), per)
                is_factor = False
        return Step(
            up_to=None if bound is None else pico_from_usd(bound) if measure == "usd" else int(bound),
            numerator=numerator,
            denominator=denominator,
            is_factor=is_factor,
            flat_pico=0 if flat is None else pico_from_usd(flat),
        )

    def _amount(self, node: Node | None) -> Decimal | None:
        if node is None or node.kind == "nothing":
            return None
        value = decimal_from_text(str(node.value)) if node.kind == "text" else None
        if value is None or not 0 <= value < 10**15:
            self._refuse(node, "a number of zero or more")
            return None
        return value
