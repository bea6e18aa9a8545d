"""Agreements with providers: what a call costs beside its list price.

In FOCUS' words `list_cost` is at list prices and `contracted_cost` at the provider's contract. They are read
here and applied in `farebox.pricing.contracts.agreements`. What a customer is charged is in plans
(`farebox.charges`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from farebox.errors import Finding
from farebox.nearest import nearest
from farebox.pricing.contracts.customer_terms import as_plan
from farebox.pricing.exact import decimal_from_text
from farebox.pricing.model_names import rank
from farebox.pricing.price_rows import EVER, NEVER, PriceRow
from farebox.pricing.quotation import instant_ns
from farebox.pricing.sources.user_prices import EntryReader

if TYPE_CHECKING:
    from farebox.yamltext import Node

ATTRIBUTES = ("customer", "key", "project", "app", "user", "agent")
"""What a contract can be for. `key` is the fingerprint of an API key."""

_CONTRACT_KEYS = ("with", "for", "effective_from", "effective_until", "terms")
_TERM_KEYS = ("models", "effective_from", "effective_until")
_EFFECTS = ("discount_percent", "prices")


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

    def is_for(self, provider: str, names: Iterable[str]) -> bool:
        return not self.models or any(
            _means(pattern, provider, name) for pattern in self.models for name in names
        )


class Contract(msgspec.Struct, frozen=True):
    """An agreement with a provider, for the calls that fit all of `parties`."""

    name: str
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
        self, provider: str, names: Collection[str], attribution: Mapping[str, str], at_ns: int
    ) -> Term | None:
        """Return the term of the first contract that has one in force for a call."""
        for contract in self.all:
            if contract.covers(provider, attribution):
                term = contract.term(provider, names, at_ns)
                if term is not None:
                    return term
        return None

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
            stated = child.get("with")
            if stated is not None and stated.value == "customer":
                reader.findings.append(child.finding(f"a plan: {as_plan(name, child)}", "with: customer"))
            else:
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
                close = nearest(key, known)
                self._refuse(
                    child, f"perhaps {close[0]}" if close else f"one of {', '.join(known)}", f"key {key!r}"
                )

    def contract(self, name: str, node: Node) -> Contract:
        if node.kind != "mapping":
            self._refuse(node, "a contract: with, for, terms")
        self._only(node, _CONTRACT_KEYS)
        stated = node.get("with") or node
        if stated.value != "provider":
            self._refuse(stated, "with: provider (what customers are charged is in plans)")
        terms = node.get("terms")
        if terms is None or terms.kind != "list" or not terms.value:
            self._refuse(terms or node, "terms: a list")
        span = self._span(node, EVER, NEVER)
        children: list[Node] = list(terms.value) if terms is not None and terms.kind == "list" else []
        return Contract(
            name=name,
            parties=self._parties(node.get("for")),
            terms=tuple(self._term(name, number, child, span) for number, child in enumerate(children, 1)),
        )

    def _parties(self, node: Node | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
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

    def _term(self, contract: str, number: int, node: Node, span: tuple[int, int]) -> Term:
        term_id = f"{contract}#{number}"
        if node.kind != "mapping":
            self._refuse(node, "a term such as {models: gpt-*, discount_percent: 15}")
        self._only(node, (*_TERM_KEYS, *_EFFECTS))
        effects = [(key, child) for key, child in node.items() if key in _EFFECTS]
        if len(effects) != 1:
            found = " and ".join(key for key, _ in effects) or "none"
            self._refuse(node, f"exactly one of {', '.join(_EFFECTS)}", found)
        row = factor = None
        for key, child in effects[:1]:
            if key == "discount_percent":
                factor = self._remainder(child)
            else:
                row = self._row(term_id, child)
        start, end = self._span(node, *span)
        return Term(
            id=term_id,
            contract=contract,
            models=self._texts(node.get("models")),
            from_ns=start,
            until_ns=end,
            row=row,
            factor=factor,
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
            self._refuse(node, "prices only: a markup is what customers are charged")
        return row
