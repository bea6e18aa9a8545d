"""How a charge is priced, by the key that says it: `unit`, `graduated`, `package`, `markup_percent` …"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from farebox.charges.models import (
    Bucketed,
    CostPlus,
    CreditConversion,
    Graduated,
    GraduatedPercentage,
    Model,
    Package,
    Percentage,
    Standard,
    Volume,
)
from farebox.charges.models.bucketed import Inner
from farebox.charges.plan_reader.entry import Entry, scalar
from farebox.charges.plan_reader.tiers import read_percentage_tiers, read_tiers
from farebox.charges.plan_reader.written_values import (
    count,
    per_of,
    percent,
    read_amount,
    read_flag,
    read_markup,
    read_more_than_zero,
    read_multiplier,
    read_per,
    read_quantity,
    read_rounding,
    word_of,
)
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

MARKUPS = ("markup_percent", "multiplier", "margin_percent")
TIERED = ("graduated", "volume")
PRICES = (
    *("unit", *TIERED, "tiers", "package", "percentage", "graduated_percentage", "credits", "cost_plus"),
    *MARKUPS,
    "markup",
)
"""Keys of which a charge has one."""
BESIDE = ("per", "tiers_mode", "boundary", "first_flat_at_zero", "fixed")
"""Keys that go with some of them."""

_PACKAGE = ("size", "amount", "round")
_PERCENTAGE = ("percent", "fixed_per_event", "free_events", "free_amount", "event_minimum", "event_maximum")
_MODES = {
    "graduated": "graduated",
    "tiered_graduated": "graduated",
    "tiered": "graduated",
    "volume": "volume",
    "tiered_volume": "volume",
    "bulk": "volume",
}


def read_model(entry: Entry, meter: str | None, bucket: str | None) -> Model | None:
    """Return the model of a charge, None where none is given or something is wrong with it."""
    findings = entry.findings
    before = len(findings)
    given = [key for key in PRICES if key in entry]
    if not given:
        findings.append(
            entry.node.finding(
                'a price: `unit: "0.00002"`, `graduated`, `volume`, `package`, `markup_percent: "20"`, '
                "`percentage`, `graduated_percentage` or `credits`",
                "a charge without one",
            )
        )
        return None
    if len(given) > 1:
        node = entry.given[given[1]]
        both = all(key in (*MARKUPS, "markup") for key in given)
        wanted = "one of markup_percent, multiplier and margin_percent" if both else "one price for a charge"
        findings.append(node.finding(wanted, " and ".join(given)))
        return None
    key = given[0]
    _check_beside(entry, key)
    if key in ("percentage", "graduated_percentage") and meter not in ("cost", "outcome_value", None):
        findings.append(
            entry.given[key].finding(
                "`meter: outcome_value` or `meter: cost`: amounts of money", f"a percentage of {meter}"
            )
        )
    model = _READERS[key](entry, meter)
    if bucket is not None and model is not None and not isinstance(model, Inner):
        findings.append(
            entry.given["bucket"].finding("no `bucket`: each call is charged alike", f"`bucket` with `{key}`")
        )
    if model is None or len(findings) > before:
        return None
    return Bucketed(inner=model) if bucket is not None and isinstance(model, Inner) else model


def read_markups(entry: Entry) -> CostPlus | None:
    """Return cost-plus as the keys of one mapping say it, of which at most one is a markup."""
    stated = [key for key in (*MARKUPS, "markup") if key in entry]
    if len(stated) > 1:
        entry.findings.append(
            entry.given[stated[1]].finding(
                "one of markup_percent, multiplier and margin_percent", " and ".join(stated)
            )
        )
        return None
    fixed = entry.value("fixed", read_amount)
    multiplier = entry.value("multiplier", read_multiplier)
    if "markup" in entry:
        multiplier = entry.value("markup", read_markup)
    return CostPlus(
        multiplier=multiplier,
        markup_percent=entry.value("markup_percent", percent(0, 10_000)),
        margin_percent=entry.value("margin_percent", percent(0, 100, below=True)),
        fixed=fixed or Decimal(0),
    )


def read_conversion_words(node: Node, findings: list[Finding]) -> dict[str, Any] | None:
    """Return `{divide: 1000, round: up}` as the fields of a `Conversion`."""
    entry = Entry(
        node,
        findings,
        ("divide", "multiply", "round"),
        synonyms={"divide_by": "divide", "multiply_by": "multiply", "rounding": "round"},
        what="a mapping, as in `{divide: 1000, round: up}`,",
    )
    divide, multiply = (
        entry.value("divide", read_more_than_zero),
        entry.value("multiply", read_more_than_zero),
    )
    if node.kind == "mapping" and ("divide" in entry) == ("multiply" in entry):
        findings.append(node.finding("`divide` or `multiply`"))
        return None
    factor = divide if "divide" in entry else multiply
    if factor is None:
        return None
    operation = "divide" if "divide" in entry else "multiply"
    return {
        "operation": operation,
        "factor": factor,
        "rounding": entry.value("round", read_rounding) or "none",
    }


def _check_beside(entry: Entry, key: str) -> None:
    may = {
        "unit": ("per",),
        "graduated": ("per", "boundary", "first_flat_at_zero"),
        "volume": ("per", "boundary", "first_flat_at_zero"),
        "tiers": ("per", "tiers_mode", "boundary", "first_flat_at_zero"),
        "graduated_percentage": ("boundary", "first_flat_at_zero"),
        **dict.fromkeys((*MARKUPS, "markup"), ("fixed",)),
    }.get(key, ())
    for name in BESIDE:
        if name in entry and name not in may:
            entry.findings.append(entry.given[name].finding(f"no `{name}` with `{key}`", f"`{name}`"))


def _unit(entry: Entry, meter: str | None) -> Model | None:
    node = entry.given["unit"]
    if node.kind == "mapping":  # unit: {per_million: "2.50"}
        pairs = list(node.items())
        if len(pairs) == 1 and (per := per_of(pairs[0][0].lower())) is not None:
            price = scalar(pairs[0][1], entry.findings, read_amount)
            return None if price is None else Standard(unit=price, per=Decimal(per))
        entry.findings.append(node.finding('a price, as `unit: "0.00002"` or `unit: {per_million: "20"}`'))
        return None
    price = entry.value("unit", read_amount)
    per = entry.value("per", read_per) if "per" in entry else Decimal(1)
    return None if price is None or per is None else Standard(unit=price, per=per)


def _tiered(entry: Entry, node: Node, mode: str) -> Model | None:
    findings = entry.findings
    more: Mapping[str, Node] = {}
    if node.kind == "mapping":
        inner = Entry(node, findings, ("tiers", "per", "boundary", "first_flat_at_zero"),
                      synonyms={"tier": "tiers", "ranges": "tiers", "graduated_ranges": "tiers",
                                "volume_ranges": "tiers"})  # fmt: skip
        if "tiers" not in inner:
            findings.append(node.finding("`tiers` in it, or a list of tiers"))
            return None
        more, node = inner.given, inner.given["tiers"]
    said = {**{name: entry.given[name] for name in BESIDE if name in entry}, **more}
    per = scalar(said["per"], findings, read_per) if "per" in said else Decimal(1)
    boundary = (
        scalar(said["boundary"], findings, word_of("inclusive", "lower_inclusive"))
        if "boundary" in said
        else "inclusive"
    )
    at_zero = (
        scalar(said["first_flat_at_zero"], findings, read_flag) if "first_flat_at_zero" in said else False
    )
    tiers = read_tiers(node, findings)
    if per is None or boundary is None or at_zero is None or not tiers:
        return None
    kind = Graduated if mode == "graduated" else Volume
    return kind(tiers=tiers, per=per, boundary=cast("Any", boundary), first_flat_at_zero=at_zero)


def _graduated(entry: Entry, meter: str | None) -> Model | None:
    return _tiered(entry, entry.given["graduated"], "graduated")


def _volume(entry: Entry, meter: str | None) -> Model | None:
    return _tiered(entry, entry.given["volume"], "volume")


def _marked_up(entry: Entry, meter: str | None) -> Model | None:
    return read_markups(entry)


def _tiers(entry: Entry, meter: str | None) -> Model | None:
    node = entry.get("tiers_mode")
    if node is None:
        entry.findings.append(
            entry.given["tiers"].finding(
                "`graduated:` (each unit at its tier's price) or `volume:` (all units at one tier's) "
                "in its place, or `tiers_mode` beside it",
                "`tiers` that do not say which",
            )
        )
        return None
    word = str(node.value).strip().lower() if node.kind == "text" else ""
    if word not in _MODES:
        entry.findings.append(node.finding(f"graduated or volume{did_you_mean(word, _MODES)}"))
        return None
    return _tiered(entry, entry.given["tiers"], _MODES[word])


def _package(entry: Entry, meter: str | None) -> Model | None:
    synonyms = {
        "price": "amount",
        "unit": "amount",
        "package_size": "size",
        "quantity_per_package": "size",
        "units": "size",
        "per": "size",
        "rounding": "round",
    }
    inner = Entry(entry.given["package"], entry.findings, _PACKAGE, synonyms=synonyms,
                  meant={"free": "`included` beside `package`", "free_units": "`included` beside `package`"},
                  what="a mapping, as in `{size: 1000, amount: \"5.00\"}`,")  # fmt: skip
    size, price = inner.value("size", read_per), inner.value("amount", read_amount)
    rounding = inner.value("round", word_of("up", "down")) if "round" in inner else "up"
    if entry.given["package"].kind == "mapping":
        _need(inner, "size", "amount")
    if size is None or price is None or rounding is None:
        return None
    return Package(size=size, amount=price, rounding=cast("Any", rounding))


def _percentage(entry: Entry, meter: str | None) -> Model | None:
    node = entry.given["percentage"]
    if node.kind != "mapping":
        rate = scalar(node, entry.findings, percent())
        return None if rate is None else Percentage(rate_percent=rate)
    synonyms = {
        "rate": "percent",
        "rate_percent": "percent",
        "fixed": "fixed_per_event",
        "fixed_amount": "fixed_per_event",
        "free_units_per_events": "free_events",
        "free_units_per_total_aggregation": "free_amount",
        "per_transaction_min_amount": "event_minimum",
        "per_transaction_max_amount": "event_maximum",
    }
    inner = Entry(node, entry.findings, _PERCENTAGE, synonyms=synonyms)
    _need(inner, "percent")
    rate = inner.value("percent", percent())
    low, high = inner.value("event_minimum", read_amount), inner.value("event_maximum", read_amount)
    if low is not None and high is not None and low > high:
        entry.findings.append(
            inner.given["event_minimum"].finding(f"at most event_maximum, {high}", str(low))
        )
    for key in ("fixed_per_event", "free_events", "event_minimum", "event_maximum"):
        if key in inner and meter == "cost":
            entry.findings.append(
                inner.given[key].finding(
                    "`meter: outcome_value`: the cost of calls is charged by its sum",
                    f"{key} with `meter: cost`",
                )
            )
    if rate is None:
        return None
    return Percentage(
        rate_percent=rate,
        fixed_per_event=inner.value("fixed_per_event", read_amount) or Decimal(0),
        free_events=inner.value("free_events", count(0, 10**9)),
        free_amount=inner.value("free_amount", read_amount),
        event_minimum=low,
        event_maximum=high,
    )


def _graduated_percentage(entry: Entry, meter: str | None) -> Model | None:
    node = entry.given["graduated_percentage"]
    if node.kind == "mapping":
        node = node.get("tiers") or node
    tiers = read_percentage_tiers(node, entry.findings)
    boundary = entry.value("boundary", word_of("inclusive", "lower_inclusive")) or "inclusive"
    at_zero = entry.value("first_flat_at_zero", read_flag) or False
    if not tiers:
        return None
    return GraduatedPercentage(tiers=tiers, boundary=cast("Any", boundary), first_flat_at_zero=at_zero)


def _credits(entry: Entry, meter: str | None) -> Model | None:
    """`credits: {each: "1", per: 1000, price: "0.01"}`: what a quantity is worth, what a credit costs."""
    node = entry.given["credits"]
    synonyms = {"credits_per_unit": "each", "amount": "each", "credit_price": "price", "unit": "price"}
    inner = Entry(node, entry.findings, ("each", "per", "price"), synonyms=synonyms,
                  what='a mapping, as in `{each: "1", per: 1000, price: "0.01"}`,')  # fmt: skip
    each = inner.value("each", read_quantity) if "each" in inner else Decimal(1)
    per = inner.value("per", read_per) if "per" in inner else Decimal(1)
    price = inner.value("price", read_amount)
    if node.kind == "mapping":
        _need(inner, "price")
    if each is None or per is None or price is None or meter is None:
        return None
    return CreditConversion(credits_per_unit={meter: each}, per=per, credit_price=price)


def _cost_plus(entry: Entry, meter: str | None) -> Model | None:
    inner = Entry(entry.given["cost_plus"], entry.findings, (*MARKUPS, "markup", "fixed"))
    return read_markups(inner)


def _need(entry: Entry, *keys: str) -> None:
    for key in keys:
        if key not in entry:
            entry.findings.append(entry.node.finding(f"`{key}`", f"no `{key}`"))


_READERS: dict[str, Any] = {
    "unit": _unit,
    "graduated": _graduated,
    "volume": _volume,
    "tiers": _tiers,
    "package": _package,
    "percentage": _percentage,
    "graduated_percentage": _graduated_percentage,
    "credits": _credits,
    "cost_plus": _cost_plus,
    **dict.fromkeys((*MARKUPS, "markup"), _marked_up),
}
