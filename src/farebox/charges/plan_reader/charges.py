"""One charge of a plan: what is counted, of which calls, and what it costs."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

from farebox.charges.models import CostPlus
from farebox.charges.plan import AddOn, Charge, Conversion, Meter, Share
from farebox.charges.plan_reader.discounts import read_discounts
from farebox.charges.plan_reader.entry import Entry, scalar
from farebox.charges.plan_reader.models import (
    BESIDE,
    MARKUPS,
    PRICES,
    read_conversion_words,
    read_markups,
    read_model,
)
from farebox.charges.plan_reader.terms import read_commitment
from farebox.charges.plan_reader.where import DIMENSIONS, TAG, read_dimensions, read_where
from farebox.charges.plan_reader.written_values import (
    per_of,
    percent,
    read_amount,
    read_flag,
    read_more_than_zero,
    read_name,
    read_quantity,
    word_of,
)
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

METERS: tuple[str, ...] = get_args(Meter)
OUTCOMES = ("outcome", "outcome_value")
CHARGES_MAX = 200
_KEYS = (
    *("name", "meter", "where", *PRICES, *BESIDE, "included", "rollover_percent", "convert", "round_up_to"),
    *(
        "usage_discount",
        "block_size",
        "negative",
        "minimum",
        "maximum",
        "commitment",
        "bucket",
        "itemize",
        "overlap",
    ),
    *("discount", "tax_percent", "shares", "flat"),
)
_SYNONYMS = {
    "filter": "where",
    "filters": "where",
    "match": "where",
    "metric": "meter",
    "billable_metric": "meter",
    "price": "unit",
    "unit_price": "unit",
    "per_unit": "unit",
    "tiered_graduated": "graduated",
    "tiered_volume": "volume",
    "graduated_tiers": "graduated",
    "volume_tiers": "volume",
    "tier_mode": "tiers_mode",
    "charge_model": "tiers_mode",
    "free": "included",
    "free_units": "included",
    "included_units": "included",
    "allowance": "included",
    "rollover": "rollover_percent",
    "conversion": "convert",
    "unit_conversion": "convert",
    "transform_quantity": "convert",
    "min": "minimum",
    "minimum_amount": "minimum",
    "minimum_spend": "minimum",
    "max": "maximum",
    "cap": "maximum",
    "maximum_amount": "maximum",
    "bucketed": "bucket",
    "window": "bucket",
    "itemise": "itemize",
    "group_by": "itemize",
    "split_by": "itemize",
    "discounts": "discount",
    "coupon": "discount",
    "coupons": "discount",
    "tax": "tax_percent",
    "tax_rate": "tax_percent",
    "share": "shares",
    "revenue_share": "shares",
    "payees": "shares",
    "credit_conversion": "credits",
    "flat_fee": "flat",
    "outcome": "outcome",
}
_MEANT = {
    "unit_amount": "`unit`, in whole currency: Stripe's unit_amount is in cents",
    "unit_amount_decimal": "`unit`, in whole currency: Stripe's unit_amount_decimal is in cents",
    "amount": '`unit: "0.02"` for each unit, `flat: "10.00"` for each period, or `package: {size, amount}`',
    "quantity": "`meter`: what is counted",
    "percent": "`percentage`, `markup_percent` or `discount: {percent: …}`",
    "margin": "`margin_percent`",
}
_METERS_MEANT = {
    "total_tokens": "tokens",
    "token": "tokens",
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cache_read_tokens": "cached_input_tokens",
    "cache_read_input_tokens": "cached_input_tokens",
    "cached_tokens": "cached_input_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "cache_write_input_tokens": "cache_write_tokens",
    "reasoning_output_tokens": "reasoning_tokens",
    "requests": "calls",
    "api_calls": "calls",
    "count": "calls",
    "sessions": "conversations",
    "threads": "conversations",
    "spend": "cost",
    "provider_cost": "cost",
    "cost_usd": "cost",
    "duration": "seconds",
    "time": "seconds",
    "outcomes": "outcome",
    "events": "outcome",
    "revenue": "outcome_value",
    "value": "outcome_value",
    "customers": "users",
}


def read_charges(node: Node, findings: list[Finding]) -> tuple[tuple[Charge, ...], tuple[AddOn, ...]]:
    """Return the charges of a list, or of a mapping by name, and those without usage; adds what is wrong."""
    if node.kind not in ("list", "mapping"):
        findings.append(node.finding('a list, as in `[{name: Tokens, meter: tokens, unit: "0.00002"}]`'))
        return (), ()
    named: list[tuple[str | None, Node]] = (
        list(node.items()) if node.kind == "mapping" else [(None, each) for each in node.value]
    )
    if len(named) > CHARGES_MAX:
        findings.append(node.finding(f"at most {CHARGES_MAX} charges", str(len(named))))
        return (), ()
    charges: list[Charge] = []
    addons: list[AddOn] = []
    places: dict[str, Node] = {}
    for name, entry in named:
        read = read_charge(entry, findings, name)
        for called in [each.name for each in read] or _written_name(entry):
            first = places.setdefault(called, entry)
            if first is not entry:
                findings.append(
                    entry.finding(f"another name: the charge of line {first.line} has it", repr(called))
                )
        for each in read:
            (addons if isinstance(each, AddOn) else charges).append(each)  # type: ignore[arg-type]
    return tuple(charges), tuple(addons)


def _written_name(node: Node) -> list[str]:
    """Return the name of a charge in which something is wrong: another one may still not have it."""
    said = node.get("name")
    return [str(said.value).strip()] if said is not None and said.kind == "text" else []


def read_charge(node: Node, findings: list[Finding], name: str | None = None) -> list[Charge | AddOn]:
    """Return what one entry says: a charge, one for each rate that it names, none where it is wrong."""
    before = len(findings)
    if node.kind == "mapping":
        node = _with_price_for_units(node, findings)
    beside = {key: f"it in `where`, as in `where: {{{key}: …}}`" for key in (*DIMENSIONS, "outcome")}
    if node.kind == "mapping":
        beside |= {
            key.lower(): f"it in `where`, as in `where: {{{key}: …}}`"
            for key, _ in node.items()
            if key.lower().startswith(TAG)
        }
    entry = Entry(node, findings, _KEYS, synonyms=_SYNONYMS, meant=beside | _MEANT,
                  what='a charge: a mapping, as in `{meter: tokens, unit: "0.00002"}`,')  # fmt: skip
    if node.kind != "mapping":
        return []
    if name is not None and "name" in entry:
        findings.append(
            entry.given["name"].finding(f"the name once: it is {name}", "`name` in a named entry")
        )
    if "flat" in entry:
        return _flat(entry, name, before)
    meter = _meter(entry)
    where: dict[str, tuple[str, ...]] = {}
    if "where" in entry:
        where = read_where(entry.given["where"], findings, of_outcomes=meter in OUTCOMES or meter is None)
    said = name if name is not None else entry.value("name", read_name)
    title = said or _default_name(meter, where)
    bucket = entry.value("bucket", word_of("hour", "day"))
    rates = _rates_by_model(entry)
    model = None if rates is not None else read_model(entry, meter, bucket)
    terms = _terms(entry, meter)
    if len(findings) > before or meter is None or (model is None and rates is None):
        return []
    common: dict[str, Any] = {"meter": meter, "where": where, "bucket": bucket, **terms}
    if rates is None:
        assert model is not None  # noqa: S101 - see above
        return [Charge(name=title, model=model, **common)]
    return _by_rate(entry, title, common, rates, before)


def _meter(entry: Entry) -> str | None:
    node = entry.get("meter")
    if node is None:
        markups = any(key in entry for key in (*MARKUPS, "markup", "cost_plus"))
        if markups:
            return "cost"
        entry.findings.append(
            entry.node.finding(f"`meter`: what is counted, one of {', '.join(METERS)}", "no `meter`")
        )
        return None
    word = str(node.value).strip() if node.kind == "text" else ""
    if word.lower() in METERS:
        meter = word.lower()
        if meter != "cost" and any(key in entry for key in (*MARKUPS, "markup", "cost_plus")):
            entry.findings.append(
                node.finding("`meter: cost`: a markup is on what providers charge", f"a markup on {meter}")
            )
        return meter
    meant = _METERS_MEANT.get(word.lower())
    hint = f'; did you mean "{meant}"?' if meant else did_you_mean(word, METERS)
    entry.findings.append(
        node.finding(f"one of {', '.join(METERS)}{hint}", f"an unknown meter {word[:80]!r}")
    )
    return None


def _terms(entry: Entry, meter: str | None) -> dict[str, Any]:
    """Return everything of a charge besides what it counts and its price."""
    findings = entry.findings
    found: dict[str, Any] = {
        "included": entry.value("included", read_quantity) or Decimal(0),
        "usage_discount": entry.value("usage_discount", read_quantity) or Decimal(0),
        "round_up_to": entry.value("round_up_to", read_more_than_zero),
        "block_size": entry.value("block_size", read_more_than_zero),
        "negative": entry.value("negative", word_of("zero", "negate")) or "zero",
        "minimum": entry.value("minimum", read_amount),
        "maximum": entry.value("maximum", read_amount),
        "overlap": entry.value("overlap", read_flag) or False,
        "tax_percent": entry.value("tax_percent", percent()),
        "rollover_percent": entry.value("rollover_percent", _rollover),
        "discounts": read_discounts(entry, "discount"),
        "shares": _shares(entry),
        "commitment": read_commitment(entry),
        "itemize": read_dimensions(entry.listed("itemize"), findings, of_outcomes=meter in OUTCOMES),
    }
    low, high = found["minimum"], found["maximum"]
    if low is not None and high is not None and low > high:
        findings.append(entry.given["minimum"].finding(f"at most the maximum, {high}", str(low)))
    if found["rollover_percent"] is not None and not found["included"]:
        findings.append(entry.given["rollover_percent"].finding("`included` units, which are carried over"))
    if "convert" in entry:
        words = read_conversion_words(entry.given["convert"], findings)
        found["conversion"] = None if words is None else Conversion(**words)
    return found


def _rollover(text: str) -> Decimal | None:
    word = text.strip().lower()
    if word in ("true", "yes"):
        return Decimal(100)
    return None if word in ("false", "no") else percent()(text)


def _shares(entry: Entry) -> tuple[Share, ...]:
    """`shares: {alice: 70, bob: 30}` or `[{payee: alice, percent: 70}]`; what is left over is the owner's."""
    node = entry.get("shares")
    if node is None:
        return ()
    findings = entry.findings
    found: list[Share] = []
    if node.kind == "mapping":
        for payee, child in node.items():
            part = scalar(child, findings, percent())
            if part is not None:
                found.append(Share(payee=payee, percent=part))
    elif node.kind == "list":
        for child in node.value:
            inner = Entry(child, findings, ("payee", "percent"), synonyms={"name": "payee", "to": "payee"})
            payee, part = inner.value("payee", read_name), inner.value("percent", percent())
            if payee is not None and part is not None:
                found.append(Share(payee=payee, percent=part))
            elif child.kind == "mapping" and ("payee" not in inner or "percent" not in inner):
                findings.append(child.finding("`payee` and `percent`"))
    else:
        findings.append(node.finding("a mapping of payees to percentages, as in `{alice: 70, bob: 30}`"))
    names = [each.payee for each in found]
    if len(set(names)) < len(names):
        findings.append(node.finding("each payee once"))
    total = sum((each.percent for each in found), Decimal(0))
    if total > 100:
        findings.append(node.finding("shares of at most 100 percent together", f"{total}"))
    return tuple(found)


def _flat(entry: Entry, name: str | None, before: int) -> list[Charge | AddOn]:
    """A charge without usage is an add-on of every period: `{name: Platform, flat: "10.00"}`."""
    findings = entry.findings
    for key in entry.given:
        if key not in ("name", "flat", "tax_percent"):
            findings.append(
                entry.given[key].finding(f"no `{key}` with `flat`, which counts nothing", f"`{key}`")
            )
    amount, said = entry.value("flat", read_amount), name or entry.value("name", read_name)
    if said is None and "name" not in entry:
        findings.append(entry.node.finding("`name`", "no `name`"))
    tax = entry.value("tax_percent", percent())
    if len(findings) > before or amount is None or said is None:
        return []
    return [AddOn(name=said, amount=amount, tax_percent=tax)]


def _rates_by_model(entry: Entry) -> dict[str, Node] | None:
    """Return the nodes of `markup_percent: {gpt-4o: "10", default: "20"}` or `cost_plus: {gpt-4o: {…}}`."""
    node = entry.get("cost_plus")
    if node is not None and node.kind == "mapping":
        inner = [key for key, child in node.items() if child.kind == "mapping"]
        return dict(node.items()) if inner else None
    stated = [key for key in (*MARKUPS, "markup") if key in entry]
    if len(stated) == 1 and entry.given[stated[0]].kind == "mapping":
        return dict(entry.given[stated[0]].items())
    return None


def _by_rate(
    entry: Entry, name: str, common: dict[str, Any], rates: dict[str, Node], before: int
) -> list[Charge | AddOn]:
    """Return a charge for each model, then for each provider, then for the rest: charges consume in order."""
    findings = entry.findings
    once = ("included", "minimum", "maximum", "commitment", "rollover_percent", "fixed")
    for key in once:
        if key in entry:
            findings.append(
                entry.given[key].finding(f"a charge of its own with `{key}`", f"`{key}` for several")
            )
    flat = [key for key in (*MARKUPS, "markup") if key in entry]
    found: list[tuple[int, Charge]] = []
    for key, child in rates.items():
        if key in ("models", "providers") and child.kind == "mapping":
            for inner, rate in child.items():
                where = {"model" if key == "models" else "provider": (inner,)}
                found += _one_rate(entry, name, common, inner, rate, flat, where, 0 if key == "models" else 1)
            continue
        if key == "default":
            where, order = {}, 2
        elif key.startswith("provider."):
            where, order = {"provider": (key.removeprefix("provider."),)}, 1
        elif key.endswith("/*"):
            where, order = {"provider": (key.removesuffix("/*"),)}, 1
        elif "/" in key:
            provider, _, model = key.partition("/")
            where, order = {"provider": (provider,), "model": (model,)}, 0
        else:
            where, order = {"model": (key,)}, 0
        found += _one_rate(entry, name, common, key, child, flat, where, order)
    if len(findings) > before:
        return []
    found.sort(key=lambda pair: (pair[0], any("*" in v for vs in pair[1].where.values() for v in vs)))
    return [charge for _, charge in found]


def _one_rate(
    entry: Entry,
    name: str,
    common: dict[str, Any],
    key: str,
    node: Node,
    flat: list[str],
    where: dict[str, tuple[str, ...]],
    order: int,
) -> list[tuple[int, Charge]]:
    from farebox.yamltext import Node

    if flat:  # the key above says which kind of markup the values are
        node = Node({flat[0]: node}, node.file, node.line, node.key)
    inner = Entry(node, entry.findings, (*MARKUPS, "markup", "fixed"))
    model: CostPlus | None = read_markups(inner)
    for dimension in where:
        if dimension in common["where"]:
            entry.findings.append(node.finding(f"no `{dimension}` in `where`: the rates name it", key))
            return []
    if model is None:
        return []
    title = name if not where else f"{name} ({key.removeprefix('provider.')})"
    merged: dict[str, Any] = {**common, "where": {**common["where"], **where}}
    return [(order, Charge(name=title, model=model, **merged))]


def _default_name(meter: str | None, where: dict[str, tuple[str, ...]]) -> str:
    if meter is None:
        return ""
    words = " ".join(value for values in where.values() for value in values)
    return (f"{meter.replace('_', ' ').capitalize()} {words}").strip()[:200]


def _with_price_for_units(node: Node, findings: list[Finding]) -> Node:
    """Return a charge with `per_million: "2.50"` as `unit` and `per`, and `outcome: x` in `where`."""
    from farebox.yamltext import Node

    said = dict(node.items())
    for key in [key for key in said if re.match(r"per_", key.lower())]:
        per = per_of(key.lower())
        if per is None:
            continue
        child = said.pop(key)
        if "unit" in said or "per" in said:
            findings.append(child.finding("one price for a charge", f"`{key}` besides `unit`"))
            continue
        said["unit"] = child
        said["per"] = Node(str(per), child.file, child.line, child.key)
    outcome = said.get("outcome")
    if outcome is not None and "where" not in said and str(_plain(said.get("meter"), "outcome")) in OUTCOMES:
        del said["outcome"]
        counts = "outcome_value" if "percentage" in said or "graduated_percentage" in said else "outcome"
        said.setdefault("meter", Node(counts, outcome.file, outcome.line, outcome.key))
        said["where"] = Node({"outcome": outcome}, outcome.file, outcome.line, outcome.key)
    return Node(said, node.file, node.line, node.key)


def _plain(node: Node | None, default: str) -> object:
    return default if node is None else node.value
