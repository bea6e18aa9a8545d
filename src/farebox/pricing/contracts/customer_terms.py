"""How a contract with a customer, which plans have replaced, is written as a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.pricing.exact import decimal_from_text

if TYPE_CHECKING:
    from farebox.yamltext import Node

GUIDE = "docs/guides/bill-your-customers.md"
_METERS = {"tokens": "tokens", "calls": "calls", "usd": "cost"}


def as_plan(name: str, contract: Node) -> str:
    """Return YAML that says what a contract `with: customer` said, in one line, to be shown in an error."""
    terms = contract.get("terms")
    charges = [_charge(term) for term in terms.value] if terms is not None and terms.kind == "list" else []
    parties = contract.get("for")
    customer = parties.get("customer") if parties is not None else None
    named = str(customer.value) if customer is not None and customer.kind == "text" else "CUSTOMER"
    return (
        f"plans: {{{name}: {{interval: month, charges: [{', '.join(charges)}]}}}} with "
        f"subscriptions: [{{customer: {named}, plan: {name}, start: DATE}}] (see {GUIDE})"
    )


def _charge(term: Node) -> str:
    models = term.get("models")
    where = f", where: {{model: {_flow(models)}}}" if models is not None else ""
    for key, child in term.items():
        if key in ("markup_percent", "margin_percent"):
            return f'{{meter: cost{where}, {key}: "{child.value}"}}'
        if key == "markup":
            return f'{{meter: cost{where}, multiplier: "{child.value}"}}'
        if key == "discount_percent":
            percent = decimal_from_text(str(child.value)) if child.kind == "text" else None
            factor = "FACTOR" if percent is None else f"{(100 - percent).scaleb(-2):f}"
            return f'{{meter: cost{where}, multiplier: "{factor}"}}'
        if key == "prices":
            return (
                f"{{meter: input_tokens{where}, unit: PRICE}}, {{meter: output_tokens{where}, unit: PRICE}}"
            )
        if key == "tiers":
            measure, mode = child.get("measure"), child.get("mode")
            meter = _METERS.get(str(measure.value) if measure is not None else "", "tokens")
            model = "volume" if mode is not None and mode.value == "volume" else "graduated"
            return f"{{meter: {meter}{where}, {model}: [{{up_to: UNITS, unit: PRICE}}, {{unit: PRICE}}]}}"
    return f"{{meter: cost{where}, markup_percent: PERCENT}}"


def _flow(node: Node) -> str:
    if node.kind == "list":
        return f"[{', '.join(_flow(child) for child in node.value)}]"
    text = str(node.value)
    return f'"{text}"' if any(sign in text for sign in "*?:") else text
