"""Prices and markups a user writes in `farebox.yaml`, under `pricing:`.

A key is a model (`gpt-4o`), a model of one provider (`openai/gpt-4o`), a family no model is
named after (`claude-3.5`), or everything that begins alike (`my-llm/*`, `*`). Its value is one
mapping or a list of dated ones. All problems are reported at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from farebox.errors import Finding
from farebox.nearest import nearest
from farebox.pricing.exact import decimal_from_text, price_problem, quotient, ratio
from farebox.pricing.model_names import normal, rank
from farebox.pricing.price_rows import EVER, PriceRow, Quote
from farebox.pricing.prices_in_force import Layer, Markup
from farebox.pricing.quotation import PER, instant_ns, per_of

if TYPE_CHECKING:  # reading YAML is heavy, and a book without user prices needs none
    from farebox.yamltext import Node

_MARKUPS = ("markup", "markup_percent", "margin_percent")
_LIMITS = ("context_window", "max_output_tokens")
_SETTINGS = ("effective_from", "when", "per", "priced_as", *_LIMITS, *_MARKUPS)
_TOKENS_MAX = 10**9
_MARKUP_MAX = Decimal(1000)
_ALIASES = {
    "input_tokens": "input",
    "output_tokens": "output",
    "prompt": "input",
    "completion": "output",
    "cached_input": "cache_read",
    "web_search": "calls_web_search",
    "file_search": "calls_file_search",
    "code_execution": "calls_code_execution",
    "request": "requests",
    "page": "pages",
    "image": "images",
}
"""Other words for the names of units.yaml, as people write them."""


class UserModel(msgspec.Struct, frozen=True):
    """One key of `pricing:` with its dated entries."""

    key: str
    provider: str | None
    name: str
    is_family: bool
    rows: tuple[PriceRow, ...]
    markups: tuple[tuple[int, Markup], ...]
    priced_as: str | None = None
    """The model whose list price this one has: a deployment's name does not tell the model."""
    limits: tuple[int | None, int | None] = (None, None)
    """How many tokens it reads and writes at most; only budgets ask."""

    def closeness(self, provider: str, model: str) -> int:
        """Return how closely this key means a model of a provider; 0 where it does not."""
        whole = rank(self.key, model, is_family=self.is_family) * 2
        if self.provider is None:
            return whole
        if normal(self.provider) != normal(provider):
            return whole
        within = rank(self.name, model, is_family=self.is_family)
        return max(whole, within * 2 + 1 if within else 0)


class UserPricing(msgspec.Struct, frozen=True):
    """Everything under `pricing:`, checked."""

    models: tuple[UserModel, ...] = ()
    digest: str = ""

    def meaning(self, provider: str, names: Collection[str]) -> list[UserModel]:
        """Return the entries that mean one of a call's model names, the closest first."""
        ranked = [
            (closeness, entry)
            for entry in self.models
            if (closeness := max((entry.closeness(provider, name) for name in names), default=0))
        ]
        # Of two keys that are equally close the longer one is more specific.
        ranked.sort(key=lambda pair: (pair[0], len(pair[1].name)), reverse=True)
        return [entry for _, entry in ranked]


def layers(entries: list[UserModel]) -> list[Layer]:
    return [Layer("user", entry.key, entry.rows) for entry in entries if entry.rows]


def markup_at(entries: list[UserModel], at_ns: int) -> tuple[Markup | None, list[int]]:
    """Return the markup in force, and every moment at which that may change."""
    edges = [moment for entry in entries for moment, _ in entry.markups]
    for entry in entries:
        in_force = [markup for moment, markup in entry.markups if moment <= at_ns]
        if in_force:
            return in_force[-1], edges
    return None, edges


def read_pricing(
    nodes: Node | Sequence[Node] | None, price_names: Mapping[str, bool], known: Collection[str]
) -> tuple[UserPricing, list[Finding]]:
    """Return what one or several `pricing:` sections say together, and what is wrong with them.

    `price_names` are the prices of units.yaml (True for tokens); `known` the normalised model
    names of the catalog, which decide whether a key is a model or a family.
    """
    import hashlib
    import json

    findings: list[Finding] = []
    sections = nodes if isinstance(nodes, Sequence) else [nodes] if nodes is not None else []
    sections = [node for node in sections if node.kind != "nothing"]
    entries: dict[str, list[Node]] = {}
    for node in sections:
        if node.kind != "mapping":
            findings.append(node.finding("a mapping of models to prices"))
        for key, child in node.items():
            entries.setdefault(key, []).extend(child.value if child.kind == "list" else [child])
    if not sections:
        return UserPricing(), findings
    models = tuple(_model(key, each, price_names, known, findings) for key, each in entries.items())
    plain = [node.plain() for node in sections]
    written = json.dumps(plain[0] if len(plain) == 1 else plain, sort_keys=True)
    return UserPricing(models, hashlib.sha256(written.encode()).hexdigest()), findings


def _model(
    key: str,
    entries: list[Node],
    price_names: Mapping[str, bool],
    known: Collection[str],
    findings: list[Finding],
) -> UserModel:
    rows: list[PriceRow] = []
    markups: list[tuple[int, Markup]] = []
    priced_as: str | None = None
    limits: tuple[int | None, int | None] = (None, None)
    starts: set[tuple[int, str]] = set()
    for entry in entries:
        reader = EntryReader(key, entry, price_names, findings)
        if entry.kind != "mapping":
            findings.append(entry.finding("prices such as `input_per_1m: 2.50`, or a list of dated ones"))
            continue
        row, markup = reader.read()
        if (row.from_ns, str(row.when)) in starts:
            findings.append(entry.finding("an effective_from that no other entry has", row.effective_from))
        starts.add((row.from_ns, str(row.when)))
        if row.quotes:
            rows.append(row)
        if markup is not None:
            markups.append((row.from_ns, markup))
        priced_as = reader.alias() or priced_as
        window, output = reader.limits()
        limits = (window or limits[0], output or limits[1])
    provider, slash, name = key.partition("/")
    return UserModel(
        key=key,
        provider=provider if slash else None,
        name=name if slash else key,
        is_family=not {normal(key), normal(name)} & set(known) if slash else normal(key) not in known,
        rows=tuple(sorted(rows, key=lambda row: row.from_ns)),
        markups=tuple(sorted(markups, key=lambda pair: pair[0])),
        priced_as=priced_as,
        limits=limits,
    )


class EntryReader:
    """One mapping of rates, as it is read."""

    def __init__(
        self,
        key: str,
        node: Node,
        price_names: Mapping[str, bool],
        findings: list[Finding],
        *,
        owner: str = "user",
    ) -> None:
        self.owner = owner
        self.key = key
        self.node = node
        self.price_names = price_names
        self.findings = findings
        self.quotes: dict[str, Quote] = {}

    def read(self) -> tuple[PriceRow, Markup | None]:
        moment, since = self._since()
        when = self._when()
        for key, child in self.node.items():
            if key not in _SETTINGS:
                self._rate(key, child)
        named = "".join(f"@{name}={value}" for name, value in when.items())
        row = PriceRow(
            id=f"{self.owner}/{self.key}/{since or 'ever'}{named}",
            from_ns=moment,
            effective_from=since,
            quotes=self.quotes,
            when=when,
            source=f"{self.node.file}:{self.node.line}",
        )
        return row, self._markup()

    def alias(self) -> str | None:
        """Return the model that `priced_as` names."""
        node = self.node.get("priced_as")
        if node is None:
            return None
        if node.kind != "text" or self.node.get("effective_from") is not None:
            self._refuse(node, "a model such as azure/eu/gpt-4o, without a date", None)
            return None
        return str(node.value).strip().lower()

    def limits(self) -> tuple[int | None, int | None]:
        """Return `context_window` and `max_output_tokens`."""
        window, output = (self._tokens(self.node.get(key)) for key in _LIMITS)
        return window, output

    def _tokens(self, node: Node | None) -> int | None:
        if node is None:
            return None
        text = str(node.value) if node.kind == "text" else ""
        if not text.isascii() or not text.isdigit() or not 0 < int(text[:12]) <= _TOKENS_MAX:
            self._refuse(node, f"a whole number of tokens, up to {_TOKENS_MAX}")
            return None
        return int(text)

    def _refuse(self, node: Node, expected: str, found: str | None = None) -> None:
        self.findings.append(node.finding(expected, found))

    def _since(self) -> tuple[int, str | None]:
        node = self.node.get("effective_from")
        if node is None:
            return EVER, None
        text = str(node.value) if node.kind == "text" else ""
        moment = instant_ns(text)
        if moment is None:
            self._refuse(node, "a date like 2026-01-31, or an instant like 2026-01-31T09:00:00Z")
            return EVER, None
        return moment, text

    def _when(self) -> dict[str, str]:
        node = self.node.get("when")
        if node is None:
            return {}
        if node.kind != "mapping" or any(child.kind != "text" for _, child in node.items()):
            self._refuse(node, "a mapping such as {service_tier: flex}")
            return {}
        return {key: str(child.value).lower() for key, child in node.items()}

    def _rate(self, key: str, child: Node) -> None:
        """Read `per_token: …`, `per_1m: {input: …}`, `input_per_1m: …` or `input: {per_1m: …}`."""
        lowered = key.lower()
        if lowered.startswith("per_"):
            per = per_of(lowered.removeprefix("per_"))
            if per is None:
                self._unknown(key, child)
            elif child.kind == "mapping":
                for name, price in child.items():
                    self._priced(name, name, per, price)
            elif per in (1, 1000, 10**6):
                # One rate without a direction is the rate of every token.
                for name in (name for name, is_tokens in self.price_names.items() if is_tokens):
                    self._quote(name, per, child, override=False)
            else:
                self._refuse(child, f"{key}: a mapping such as {{audio_seconds: 0.36}}")
            return
        name, joined, per_text = lowered.partition("_per_")
        if joined:
            per = per_of(per_text)
            if per is None:
                self._unknown(key, child)
            else:
                self._priced(key, name, per, child)
        elif child.kind == "mapping":
            for per_key, price in child.items():
                per = per_of(per_key.lower().removeprefix("per_"))
                if per is None:
                    self._unknown(per_key, price)
                else:
                    self._priced(key, lowered, per, price)
        else:
            self._bare(lowered, child)

    def _bare(self, name: str, child: Node) -> None:
        """Read `input: 2.50`, which needs a `per: 1m` beside it to mean anything."""
        if self._name(name) is None:
            self._unknown(name, child)
            return
        stated = self.node.get("per")
        if stated is None:
            self._refuse(
                child, f"{name}_per_1m, {name}_per_1k or {name}_per_token (or `per: 1m` beside it)", name
            )
            return
        per = per_of(str(stated.value).lower().removeprefix("per_"))
        if per is None:
            self._refuse(stated, "token, 1k or 1m")
        else:
            self._priced(name, name, per, child)

    def _priced(self, key: str, name: str, per: int, child: Node) -> None:
        known = self._name(name.lower())
        if known is None:
            self._unknown(key, child)
        else:
            self._quote(known, per, child, override=True)

    def _name(self, name: str) -> str | None:
        known = _ALIASES.get(name, name)
        return known if known in self.price_names else None

    def _quote(self, name: str, per: int, child: Node, *, override: bool) -> None:
        text = str(child.value).strip() if child.kind == "text" else ""
        problem = price_problem(text)
        if problem is not None:
            finding = child.finding(problem)
            if finding not in self.findings:
                self.findings.append(finding)
        elif override or name not in self.quotes:
            self.quotes[name] = Quote(text, per)

    def _unknown(self, key: str, child: Node) -> None:
        names = [name.removeprefix("calls_") for name in self.price_names]
        candidates = [
            *_SETTINGS,
            *(f"per_{per}" for per in PER),
            *names,
            *(f"{name}_per_{per}" for name in names for per in ("token", "1k", "1m", "call", "hour")),
        ]
        close = nearest(key, candidates)
        hint = f"perhaps {close[0]}" if close else "input_per_1m, output_per_1m, per_token, markup …"
        self._refuse(child, hint, f"unknown key {key!r}")

    def _markup(self) -> Markup | None:
        stated = [(key, node) for key in _MARKUPS if (node := self.node.get(key)) is not None]
        if len(stated) > 1:
            self._refuse(stated[1][1], f"only one of {', '.join(_MARKUPS)}", f"{stated[1][0]} as well")
        if not stated:
            return None
        key, node = stated[0]
        return read_markup(key, node, self.findings)


def read_markup(key: str, node: Node, findings: list[Finding]) -> Markup | None:
    """Return `markup: 1.2`, `markup_percent: 20` or `margin_percent: 20` as one fraction."""
    value = decimal_from_text(str(node.value)) if node.kind == "text" else None
    if value is None or value < 0 or value > _MARKUP_MAX:
        findings.append(node.finding(f"a number from 0 to {_MARKUP_MAX}, such as 1.2"))
        return None
    count, scale = ratio(value)
    if key == "markup_percent":
        count, scale = 100 * scale + count, 100 * scale
    elif key == "margin_percent":
        if value >= 100:
            findings.append(node.finding("a margin below 100: at 100 the price would be infinite"))
            return None
        count, scale = 100 * scale, 100 * scale - count
    return Markup(count, scale, value if key == "markup" else quotient(count, scale))
