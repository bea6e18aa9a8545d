"""Read price lists from elsewhere: our own format, and the published data of genai-prices.

Bytes in, rows and findings out. Nothing is trusted: an invalid price, model or rule is a finding.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, cast

from farebox.errors import Finding
from farebox.pricing.exact import price_problem
from farebox.pricing.model_names import CLAUSES, pattern_problem
from farebox.pricing.price_rows import (
    EVER,
    PricedModel,
    PriceRow,
    ProviderPrices,
    Quote,
    Tier,
    Window,
)
from farebox.pricing.quotation import instant_ns, window_of
from farebox.pricing.sources.price_files import PriceFile, in_order
from farebox.yamltext import Node, parse

SCHEMA = "farebox.price-list/1"
_CLAUSES = {"or": "any", "and": "all", **{name: name for name in CLAUSES if name not in ("any", "all")}}

_NINE = Decimal("1e-9")

Lists = dict[str, ProviderPrices]


class ForeignNames:
    """How genai-prices calls our prices and providers, from `units.yaml`."""

    def __init__(self, units: Node) -> None:
        prices = units.get("prices")
        self.prices: dict[str, tuple[str, int]] = {}
        for name, node in prices.items() if prices is not None else ():
            theirs, per = node.get("genai"), node.get("per")
            if theirs is not None and per is not None:
                self.prices[str(theirs.value)] = (name, int(per.value))
        providers = units.get("providers")
        self.providers = {key: str(node.value) for key, node in providers.items()} if providers else {}


def read_list(
    content: bytes, file: str, price_names: Mapping[str, bool], names: ForeignNames, checked: str
) -> tuple[Lists, list[Finding]]:
    """Return the lists of a document by provider, and everything that is wrong with it."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return {}, [Finding(file, line, "", "bytes that are not UTF-8", "UTF-8 text")]
    if text.lstrip().startswith("["):
        return _Genai(file, names, checked).read(text)
    root, findings = parse(text, file)
    if root is None or findings:
        return {}, findings or [Finding(file, 1, "", "nothing", f"schema: {SCHEMA}")]
    return _ours(root, price_names)


def _ours(root: Node, price_names: Mapping[str, bool]) -> tuple[Lists, list[Finding]]:
    file = PriceFile(price_names)
    file.only(root, ("schema", "providers"))
    schema, providers = root.get("schema"), root.get("providers")
    if schema is None or schema.value != SCHEMA:
        file.refuse(schema or root, f"schema: {SCHEMA}")
    if providers is None or providers.kind != "mapping":
        file.refuse(providers or root, "providers: a mapping of names to lists")
        return {}, file.findings
    lists: Lists = {}
    for name, node in providers.items():
        file.only(node, ("models",))
        lists[name] = ProviderPrices(
            name, tuple(file.model(each) for each in file.children(node.get("models")))
        )
    return lists, file.findings


class _Genai:
    """The array of providers that genai-prices publishes (`new_data/v2/data.json`)."""

    def __init__(self, file: str, names: ForeignNames, checked: str) -> None:
        self.file = file
        self.names = names
        self.checked = checked
        self.findings: list[Finding] = []

    def refuse(self, key: str, found: Any, expected: str) -> None:
        self.findings.append(Finding(self.file, 1, key, repr(found)[:80], expected))

    def read(self, text: str) -> tuple[Lists, list[Finding]]:
        try:
            root: Any = json.loads(text, parse_float=str, parse_int=str)
        except ValueError as error:
            line = getattr(error, "lineno", 1)
            return {}, [Finding(self.file, line, "", str(error), "JSON")]
        except RecursionError:
            return {}, [Finding(self.file, 1, "", "very deep nesting", "a list of providers")]
        lists: Lists = {}
        for index, provider in enumerate(self.items(root, "")):
            key = f"[{index}]"
            theirs = self.text(provider, "id", key)
            if theirs is None:
                continue
            name = self.names.providers.get(theirs, theirs)
            models = [
                model
                for number, entry in enumerate(self.items(provider.get("models"), f"{key}.models"))
                if (model := self.model(name, entry, f"{key}.models[{number}]")) is not None
            ]
            lists[name] = ProviderPrices(name, tuple(models))
        return lists, self.findings

    def items(self, value: Any, key: str) -> list[dict[str, Any]]:
        entries = cast("list[Any]", value) if isinstance(value, list) else None
        if entries is None or not all(isinstance(entry, dict) for entry in entries):
            self.refuse(key, value, "a list of objects")
            return []
        return entries

    def text(self, entry: dict[str, Any], name: str, key: str) -> str | None:
        value = entry.get(name)
        if not isinstance(value, str) or not value:
            self.refuse(f"{key}.{name}", value, "text")
            return None
        return value

    def model(self, provider: str, entry: dict[str, Any], key: str) -> PricedModel | None:
        name = self.text(entry, "id", key)
        if name is None:
            return None
        rows = list(self.rows(provider, name, entry, key))
        return PricedModel(
            name, self.clause(entry.get("match"), f"{key}.match"), in_order(rows), entry.get("name")
        )

    def rows(self, provider: str, model: str, entry: dict[str, Any], key: str) -> Iterator[PriceRow]:
        listed: Any = entry.get("prices")
        conditional: Any = [{"prices": listed}] if isinstance(listed, dict) else listed or []
        start: str | None = None
        for number, each in enumerate(self.items(conditional, f"{key}.prices")):
            constraint: dict[str, Any] = each.get("constraint") or {}
            window = self.window(constraint, f"{key}.prices[{number}]")
            start = constraint.get("start_date", start)
            row = self.row(provider, model, start, each.get("prices"), {}, window, f"{key}.prices")
            if row.quotes:
                yield row
        for number, each in enumerate(self.items(entry.get("price_variants") or [], f"{key}.price_variants")):
            where = f"{key}.price_variants[{number}]"
            when: Any = each.get("when")
            if not isinstance(when, dict) or not when:
                self.refuse(f"{where}.when", when, "the facts that select it")
                continue
            facts = {str(k): str(v).lower() for k, v in cast("dict[str, Any]", when).items()}
            dated: dict[str, Any] = each.get("constraint") or {}
            row = self.row(provider, model, dated.get("start_date"), each.get("prices"), facts, None, where)
            if row.quotes:
                yield row

    def row(
        self,
        provider: str,
        model: str,
        start: str | None,
        prices: Any,
        when: dict[str, str],
        window: Window | None,
        key: str,
    ) -> PriceRow:
        moment = EVER if start is None else instant_ns(str(start))
        if moment is None:
            self.refuse(f"{key}.start_date", start, "a date like 2026-01-31")
        marks = [f"{name}={value}" for name, value in when.items()]
        if window is not None:
            marks.append(f"{_clock(window.start_s)}-{_clock(window.end_s)}")
        quotes: dict[str, Quote] = {}
        tiers: dict[int, dict[str, Quote]] = {}
        for theirs, value in (cast("dict[str, Any]", prices) if isinstance(prices, dict) else {}).items():
            known = self.names.prices.get(theirs)
            if known is None:
                if value is not None:
                    self.refuse(f"{key}.{theirs}", theirs, "a price that units.yaml knows")
                continue
            ours, per = known
            tiered = _tiered(value)
            self.quote(quotes, ours, per, tiered.get("base"), f"{key}.{theirs}")
            for step in self.items(tiered.get("tiers"), f"{key}.{theirs}.tiers"):
                above = str(step.get("start"))
                if not above.isdigit():
                    self.refuse(f"{key}.{theirs}.tiers.start", above, "a whole number of tokens")
                    continue
                self.quote(tiers.setdefault(int(above), {}), ours, per, step.get("price"), f"{key}.{theirs}")
        return PriceRow(
            id=f"{provider}/{model}/{start or 'ever'}" + (f"@{','.join(marks)}" if marks else ""),
            from_ns=EVER if moment is None else moment,
            effective_from=start,
            quotes=quotes,
            tiers=tuple(Tier(above, tiers[above]) for above in sorted(tiers)),
            when=when,
            window=window,
            source="genai-prices",
            checked=self.checked,
        )

    def quote(self, quotes: dict[str, Quote], name: str, per: int, value: Any, key: str) -> None:
        if value is None:
            return
        problem = price_problem(value) if isinstance(value, str) else "a decimal number"
        if problem is None:
            quotes[name] = Quote(_plain(value), per)
        else:
            self.refuse(key, value, problem)

    def window(self, constraint: dict[str, Any], key: str) -> Window | None:
        if "start_time" not in constraint:
            return None
        ends = [str(constraint.get(name)).removesuffix("Z")[:5] for name in ("start_time", "end_time")]
        window = window_of("-".join(ends), None)
        if window is None:
            self.refuse(key, constraint, "hours like 01:00:00Z")
        return window

    def clause(self, value: Any, key: str) -> dict[str, Any]:
        entry = cast("dict[str, Any]", value) if isinstance(value, dict) and len(value) == 1 else {}  # pyright: ignore[reportUnknownArgumentType]  # JSON
        for kind, inner in entry.items():
            ours = _CLAUSES.get(kind)
            if ours in ("any", "all"):
                return {ours: [self.clause(each, key) for each in self.items(inner, key)]}
            if ours == "regex" and isinstance(inner, str):
                problem = pattern_problem(inner)
                if problem is not None:
                    self.refuse(key, inner, problem)
            if ours is not None and isinstance(inner, str):
                return {ours: inner if ours == "regex" else inner.lower()}
        self.refuse(key, value, f"one of {', '.join(_CLAUSES)}")
        return {"equals": ""}


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}"


def _tiered(value: Any) -> dict[str, Any]:
    """Return a price with its tiers, none for a plain number."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"base": value, "tiers": []}


def _plain(text: str) -> str:
    """Return a decimal as the import writes it, float debris beyond nine decimals rounded away."""
    return f"{Decimal(text).quantize(_NINE).normalize():f}"
