"""Read the price files of the catalog: prices.yaml, overlay.yaml, units.yaml.

Text in, rows and findings out; no file is opened here. A number that is not quoted text, a
name that does not exist, a row without a source: everything wrong is reported at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from farebox.errors import Finding
from farebox.nearest import nearest
from farebox.pricing.exact import price_problem
from farebox.pricing.model_names import CLAUSES, pattern_problem
from farebox.pricing.price_rows import (
    EVER,
    Adjustment,
    FactRule,
    Leaf,
    Minimum,
    NoCharge,
    PricedModel,
    PriceRow,
    ProviderOverlay,
    ProviderPrices,
    Quote,
    Tier,
    Units,
    Window,
)
from farebox.pricing.quotation import instant_ns, per_of, window_of
from farebox.yamltext import Node

_ROW_KEYS = (
    "id",
    "effective_from",
    "when",
    "hours",
    "days",
    "tiers",
    "source",
    "checked",
    "observed",
)
_PER = "per_"


class PriceFile:
    """Findings of one price file as it is read."""

    def __init__(self, price_names: Iterable[str]) -> None:
        self.price_names = tuple(price_names)
        self.findings: list[Finding] = []
        self.ids: set[str] = set()

    def refuse(self, node: Node, expected: str, found: str | None = None) -> None:
        self.findings.append(node.finding(expected, found))

    def text(self, node: Node | None) -> str | None:
        """Return a text node's value; anything but text or nothing is a finding."""
        if node is None or node.kind == "nothing":
            return None
        if node.kind != "text":
            self.refuse(node, "text")
            return None
        return str(node.value)

    def texts(self, node: Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        if node.kind != "list":
            self.refuse(node, "a list")
            return ()
        return tuple(text for child in node.value if (text := self.text(child)) is not None)

    def pairs(self, node: Node | None) -> dict[str, str]:
        if node is None:
            return {}
        if node.kind != "mapping":
            self.refuse(node, "a mapping of names to text")
        return {key: text.lower() for key, child in node.items() if (text := self.text(child)) is not None}

    def children(self, node: Node | None) -> list[Node]:
        if node is None or node.kind == "nothing":
            return []
        if node.kind != "list":
            self.refuse(node, "a list")
            return []
        return list(node.value)

    def only(self, node: Node, allowed: Iterable[str], *, prefix: str | None = None) -> None:
        """Refuse keys that are not `allowed`, guessing what was meant."""
        known = tuple(allowed)
        for key, child in node.items():
            if key in known or (prefix is not None and key.startswith(prefix)):
                continue
            close = nearest(key, known)
            hint = f"{close[0]} (did you mean it?)" if close else "one of " + ", ".join(known)
            self.refuse(child, hint, f"unknown key {key!r}")

    def clause(self, node: Node | None) -> dict[str, Any]:
        """Return a match clause, literals lower-cased."""
        if node is None:
            return {}
        if node.kind != "mapping" or len(node.value) != 1:
            self.refuse(node, f"one of {', '.join(CLAUSES)}")
            return {}
        kind, inner = next(iter(node.items()))
        if kind not in CLAUSES:
            self.refuse(node, f"one of {', '.join(CLAUSES)}", repr(kind))
            return {}
        if kind in ("any", "all"):
            return {kind: [self.clause(child) for child in self.children(inner)]}
        text = self.text(inner) or ""
        if kind == "regex":
            problem = pattern_problem(text)
            if problem is not None:
                self.refuse(inner, problem)
            return {kind: text}
        return {kind: text.lower()}

    def quotes(self, node: Node) -> dict[str, Quote]:
        """Return the quoted prices of a row or tier, from its `per_…` keys."""
        quotes: dict[str, Quote] = {}
        for key, child in node.items():
            if not key.startswith(_PER):
                continue
            per = per_of(key.removeprefix(_PER))
            if per is None:
                self.refuse(child, "per_1, per_1k, per_1m, per_1g, per_minute or per_hour", key)
                continue
            for name, price in child.items():
                if name not in self.price_names:
                    close = nearest(name, self.price_names)
                    self.refuse(
                        price, f"a price of units.yaml{f', perhaps {close[0]}' if close else ''}", name
                    )
                    continue
                if name in quotes:
                    self.refuse(price, "each price quoted once in a row", f"{name} again")
                text = self.text(price)
                problem = "a decimal number" if text is None else price_problem(text)
                if problem is None and text is not None:
                    quotes[name] = Quote(text.strip(), per)
                else:
                    self.refuse(price, problem or "")
        return quotes

    def instant(self, node: Node | None) -> tuple[int, str | None]:
        text = self.text(node)
        if node is None or text is None:
            return EVER, None
        moment = instant_ns(text)
        if moment is None:
            self.refuse(node, "a date like 2026-01-31, or an instant like 2026-01-31T09:00:00Z")
            return EVER, None
        return moment, text

    def row(self, node: Node) -> PriceRow:
        self.only(node, _ROW_KEYS, prefix=_PER)
        moment, text = self.instant(node.get("effective_from"))
        identity = self._required(node, "id")
        if identity in self.ids:
            self.refuse(node, "an id that no other row has", identity)
        self.ids.add(identity)
        return PriceRow(
            id=identity,
            from_ns=moment,
            effective_from=text,
            quotes=self.quotes(node),
            tiers=self.tiers(node.get("tiers")),
            when=self.pairs(node.get("when")),
            window=self.window(node),
            source=self._required(node, "source"),
            checked=self._required(node, "checked"),
            observed=node.get("observed") is not None,
        )

    def _required(self, node: Node, key: str) -> str:
        text = self.text(node.get(key))
        if text is None:
            self.refuse(node, f"a row with its {key}", f"no {key}")
        return text or ""

    def window(self, node: Node) -> Window | None:
        hours, days = node.get("hours"), node.get("days")
        if hours is None and days is None:
            return None
        window = window_of(self.text(hours), self.text(days))
        if window is None:
            self.refuse(hours or days or node, 'hours like "01:00-04:00" (UTC), days like mon-fri')
        return window

    def tiers(self, node: Node | None) -> tuple[Tier, ...]:
        tiers: list[Tier] = []
        for child in self.children(node):
            self.only(child, ("above", "from"), prefix=_PER)
            above = self._whole(child.get("above"))
            start = self._whole(child.get("from"))
            if (above is None) == (start is None):
                self.refuse(child, "a tier with `above` (exclusive) or `from` (inclusive) in tokens")
                continue
            tiers.append(Tier(above if above is not None else (start or 0) - 1, self.quotes(child)))
        if [tier.above for tier in tiers] != sorted({tier.above for tier in tiers}) and node is not None:
            self.refuse(node, "tiers in rising order")
        return tuple(tiers)

    def _whole(self, node: Node | None) -> int | None:
        text = self.text(node)
        if node is None or text is None:
            return None
        if not text.isascii() or not text.isdigit():
            self.refuse(node, "a whole number of tokens")
            return None
        return int(text)

    def model(self, node: Node) -> PricedModel:
        self.only(node, ("id", "name", "match", "deprecated", "prices"))
        return PricedModel(
            id=self.text(node.get("id")) or "",
            match=self.clause(node.get("match")),
            rows=in_order(self.row(child) for child in self.children(node.get("prices"))),
            name=self.text(node.get("name")),
            deprecated=node.get("deprecated") is not None,
        )


def in_order(rows: Iterable[PriceRow]) -> tuple[PriceRow, ...]:
    """Return rows so that of those in force under one condition the last one counts.

    A later date beats an earlier one, hours of the day beat the whole day, and between equals
    the row further down in the file wins.
    """
    groups: dict[tuple[tuple[str, str], ...], list[PriceRow]] = {}
    for row in rows:
        groups.setdefault(tuple(sorted(row.when.items())), []).append(row)
    ranked = [
        sorted(group, key=lambda row: (row.from_ns, row.window is not None)) for group in groups.values()
    ]
    return tuple(row for group in ranked for row in group)


def read_prices(root: Node, price_names: Iterable[str]) -> tuple[ProviderPrices, list[Finding]]:
    """Return the rows of one `prices.yaml` and what is wrong with it."""
    file = PriceFile(price_names)
    file.only(root, ("provider", "fallbacks", "models"))
    prices = ProviderPrices(
        id=file.text(root.get("provider")) or "",
        models=tuple(file.model(child) for child in file.children(root.get("models"))),
        fallbacks=file.texts(root.get("fallbacks")),
    )
    return prices, file.findings


_LITELLM_KEYS = ("model", "seen", "since", "when", "tiers")


def read_litellm(root: Node, price_names: Iterable[str]) -> tuple[tuple[PricedModel, ...], list[Finding]]:
    """Return the models of one `litellm.yaml`, one row a line, and what is wrong with it."""
    file = PriceFile(price_names)
    file.only(root, ("provider", "prices"))
    provider = file.text(root.get("provider")) or ""
    models: dict[str, list[PriceRow]] = {}
    for node in file.children(root.get("prices")):
        file.only(node, _LITELLM_KEYS, prefix=_PER)
        name, seen = file.text(node.get("model")), file.text(node.get("seen"))
        if not name or not seen:
            file.refuse(node, "a row with its model and the day it was seen")
            continue
        moment, since = file.instant(node.get("since"))
        when = file.pairs(node.get("when"))
        condition = ",".join(f"{key}={value}" for key, value in when.items())
        models.setdefault(name.lower(), []).append(
            PriceRow(
                id=f"{provider}/{name}/{since or 'ever'}{f'@{condition}' if condition else ''}~litellm",
                from_ns=moment,
                effective_from=since,
                quotes=file.quotes(node),
                tiers=file.tiers(node.get("tiers")),
                when=when,
                source="litellm model map",
                checked=seen,
                observed=since is not None,
            )
        )
    found = tuple(PricedModel(name, _by_name(name), in_order(rows)) for name, rows in models.items())
    return found, file.findings


def _by_name(name: str) -> dict[str, Any]:
    """Return the clause of a whole name, or of everything that begins with it: `ft:gpt-4.1-*`."""
    return {"starts_with": name[:-1]} if name.endswith("*") else {"equals": name}


def read_overlay(root: Node, price_names: Iterable[str]) -> tuple[dict[str, ProviderOverlay], list[Finding]]:
    """Return the corrections of `overlay.yaml` by provider, and what is wrong with it."""
    file = PriceFile(price_names)
    file.only(root, ("providers",))
    providers = root.get("providers")
    overlays = {key: _overlay(file, node) for key, node in providers.items()} if providers else {}
    return overlays, file.findings


_OVERLAY_KEYS = (
    "prices_of",
    "strip_prefixes",
    "request_model_first",
    "resells",
    "models",
    "defaults",
    "adjustments",
    "no_charge",
    "minimums",
)


def _overlay(file: PriceFile, node: Node) -> ProviderOverlay:
    file.only(node, _OVERLAY_KEYS)
    return ProviderOverlay(
        prices_of=file.text(node.get("prices_of")),
        models=tuple(file.model(child) for child in file.children(node.get("models"))),
        defaults=tuple(file.row(child) for child in file.children(node.get("defaults"))),
        adjustments=tuple(_adjustment(file, child) for child in file.children(node.get("adjustments"))),
        no_charge=tuple(_no_charge(file, child) for child in file.children(node.get("no_charge"))),
        minimums=tuple(_minimum(file, child) for child in file.children(node.get("minimums"))),
        strip_prefixes=file.texts(node.get("strip_prefixes")),
        request_model_first=node.get("request_model_first") is not None,
        resells=file.pairs(node.get("resells")),
    )


def _adjustment(file: PriceFile, node: Node) -> Adjustment:
    file.only(node, ("id", "match", "when", "multiply", "effective_from", "source", "checked"))
    factor = file.text(node.get("multiply")) or ""
    if problem := price_problem(factor):
        file.refuse(node, problem, factor)
        factor = "1"
    return Adjustment(
        id=file.text(node.get("id")) or "",
        match=file.clause(node.get("match")),
        when=file.pairs(node.get("when")),
        multiply=factor,
        from_ns=file.instant(node.get("effective_from"))[0],
        source=file.text(node.get("source")) or "",
        checked=file.text(node.get("checked")) or "",
    )


def _no_charge(file: PriceFile, node: Node) -> NoCharge:
    file.only(node, ("state", "because", "when", "match", "unless", "source", "checked"))
    state = file.text(node.get("state")) or ""
    if state not in ("free", "included"):
        file.refuse(node, "state: free or included", state)
    return NoCharge(
        state=state,
        because=file.text(node.get("because")) or "",
        when=file.pairs(node.get("when")),
        match=file.clause(node.get("match")),
        unless=file.clause(node.get("unless")),
    )


def _minimum(file: PriceFile, node: Node) -> Minimum:
    file.only(node, ("match", "leaf", "at_least", "source", "checked"))
    least = file.text(node.get("at_least")) or ""
    if problem := price_problem(least):
        file.refuse(node, problem, least)
        least = "0"
    return Minimum(file.clause(node.get("match")), file.text(node.get("leaf")) or "", least)


def read_units(root: Node) -> tuple[Units, list[Finding]]:
    """Return `units.yaml` compiled, and what is wrong with it."""
    file = PriceFile(())
    file.only(root, ("prices", "leaves", "facts", "providers"))
    prices, leaves = root.get("prices") or root, root.get("leaves") or root
    tokens = {name: node.get("tokens") is not None for name, node in prices.items()}
    compiled: dict[str, Leaf] = {}
    for name, node in leaves.items():
        paid_by = file.texts(node.get("paid_by"))
        if not paid_by or any(price not in tokens for price in paid_by):
            file.refuse(node, "paid_by: names from `prices`", repr(paid_by))
            continue
        compiled[name] = Leaf(
            paid_by=paid_by,
            is_tokens=tokens[paid_by[0]],
            included=file.text(node.get("without_price")) == "included",
        )
    facts = tuple(
        FactRule(file.pairs(node.get("when")), file.pairs(node.get("then")))
        for node in file.children(root.get("facts"))
    )
    return Units(tokens, compiled, facts), file.findings
