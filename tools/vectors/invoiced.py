"""Vectors of what is done with rated amounts: discounts, invoices, credit notes, wallets, shares."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from farebox.charges.amounts.allocation import allocate
from farebox.charges.amounts.allowances import after_rollover
from farebox.charges.amounts.charge_amount import Usage
from farebox.charges.amounts.credit_notes import credited
from farebox.charges.amounts.discounts import discount_on
from farebox.charges.amounts.grants import PRIORITY, GrantBalance, burn
from farebox.charges.amounts.invoice_arithmetic import (
    Credit,
    InvoiceAmounts,
    RatedLine,
    Terms,
    invoice_amounts,
)
from farebox.charges.amounts.plan_amount import ChargeUsage, Rounding, plan_amounts
from farebox.charges.amounts.thresholds import crossed, progressive_amounts
from farebox.charges.models import Standard
from farebox.charges.plan import Charge, Discount, Plan
from farebox.charges.rounding import decimal_of_units, round_to, units_of
from tools.vectors.vector import Result, Stated, Vector, decimal, rounded


def discount(vector: Vector) -> Result:
    """What a discount takes off lines."""
    parameters = vector.parameters
    lines = [decimal(each) for each in vector.usage.raw("line_amounts", [])]
    taken = discount_on(lines, Discount(kind=parameters.raw("type"), value=parameters.number("value")))
    return Result(rounded(taken, parameters.raw("rounding")))


def invoice(vector: Vector) -> Result:
    """The order of application on an invoice."""
    parameters, exponent = vector.parameters, vector.exponent
    tax = parameters.number("tax_percent")
    own = [Stated(each) for each in parameters.raw("line_discounts", [])]
    lines = [
        RatedLine(
            id=each.raw("id"),
            amount_minor=units_of(each.number("amount"), exponent),
            tax_percent=each.number("tax_percent", str(tax)),
            discounts=tuple(_discount(one) for one in own if one.raw("line") == each.raw("id")),
        )
        for each in [Stated(fields) for fields in vector.usage.raw("lines", [])]
    ]
    terms = Terms(
        exponent=exponent,
        discounts=tuple(_discount(Stated(each)) for each in parameters.raw("invoice_discounts", [])),
        credits=tuple(
            Credit(
                id=str(number),
                amount_minor=units_of(decimal(each["amount"]), exponent),
                applies_to=tuple(each.get("applies_to") or ()),
            )
            for number, each in enumerate(parameters.raw("credits", []))
        ),
        credits_position=parameters.raw("credits_position", "after_tax"),
        tax_rounding="invoice",
    )
    amounts = invoice_amounts(lines, terms)
    detail = {
        "subtotal": amounts.subtotal_minor,
        "discount": amounts.discount_minor,
        "tax": amounts.tax_minor,
        "credits_applied": amounts.credits_minor,
        "total": amounts.due_minor,
    }
    major = {name: decimal_of_units(minor, exponent) for name, minor in detail.items()}
    return Result(major["total"], major)


def _discount(fields: Stated) -> Discount:
    return Discount(kind=fields.raw("type"), value=fields.number("value"))


def wallet(vector: Vector) -> Result:
    """Invoices that a wallet pays, one after the other."""
    exponent = vector.exponent
    balance: Fraction = vector.parameters.exact("opening_balance")
    invoices: list[Mapping[str, Decimal]] = []
    for fields in vector.usage.raw("invoices", []):
        amounts = _paid(Stated(fields), balance, exponent)
        paid = decimal_of_units(amounts.credits_minor, exponent)
        balance = burn([GrantBalance(id="wallet", balance=balance)], paid).balances[0][1]
        invoices.append(
            {
                "total": decimal_of_units(amounts.total_minor, exponent),
                "from_wallet": paid,
                "due": decimal_of_units(amounts.due_minor, exponent),
            }
        )
    return Result(balance, {"invoices": invoices})


def _paid(fields: Stated, balance: Fraction, exponent: int) -> InvoiceAmounts:
    net = RatedLine(
        id="net",
        amount_minor=units_of(fields.number("net"), exponent),
        tax_percent=fields.number("tax_percent"),
    )
    credit = Credit(id="wallet", amount_minor=units_of(balance, exponent, "floor"))
    return invoice_amounts([net], Terms(exponent=exponent, credits=(credit,)))


def credit_drawdown(vector: Vector) -> Result:
    """Grants that pay for usage."""
    grants = [Stated(each) for each in vector.parameters.raw("grants", [])]
    burnt = burn(
        [
            GrantBalance(
                id=each.raw("id"),
                balance=each.number("balance"),
                priority=int(each.raw("priority", PRIORITY)),
                expires_at=each.raw("expires_at"),
                usable=each.raw("effective", True),
            )
            for each in grants
        ],
        vector.usage.number("usage"),
    )
    return Result(burnt.overage, {"balances": dict(burnt.balances)})


def rollover(vector: Vector) -> Result:
    """What the next period includes."""
    parameters = vector.parameters
    return Result(
        after_rollover(
            parameters.number("included"),
            vector.usage.number("used"),
            parameters.number("max_percent", "100"),
        )
    )


def credit_note(vector: Vector) -> Result:
    """What is credited for unused days."""
    exponent, usage = vector.exponent, vector.usage
    amounts = credited(
        vector.parameters.number("invoice_net"),
        vector.parameters.number("tax_percent"),
        exponent,
        unused_days=int(usage.raw("unused_days", 1)),
        days_in_period=int(usage.raw("days_in_period", 1)),
    )
    detail = {"net": amounts.net_minor, "tax": amounts.tax_minor, "total": amounts.total_minor}
    major = {name: decimal_of_units(minor, exponent) for name, minor in detail.items()}
    return Result(major["total"], major)


def progressive(vector: Vector) -> Result:
    """Invoices at thresholds."""
    parameters = vector.parameters
    invoices = progressive_amounts(
        [decimal(each) for each in parameters.raw("thresholds", [])],
        [decimal(each) for each in vector.usage.raw("usage_amounts", [])],
        parameters.number("base_fee"),
        recurring_step=parameters.optional("recurring_step"),
    )
    exact = [rounded(each, parameters.raw("rounding")) for each in invoices]
    return Result(exact[-1], {"invoices": exact})


def allocation(vector: Vector) -> Result:
    """Shares that add up."""
    parameters = vector.parameters
    scale = int(parameters.raw("scale", vector.exponent))
    weights = vector.usage.raw("weights", [])
    names = [str(name) for name, _ in weights]
    shares = allocate(
        units_of(parameters.number("amount"), scale),
        [decimal(weight) for _, weight in weights],
        names if parameters.raw("tie_break") == "key" else None,
    )
    kept = {
        name: decimal_of_units(share, scale)
        for name, share in zip(names, shares, strict=True)
        if share or not parameters.raw("omit_zero", False)
    }
    return Result(None, {"allocations": kept})


def alert(vector: Vector) -> Result:
    """Thresholds that are crossed."""
    parameters = vector.parameters
    found = crossed(
        [decimal(each) for each in parameters.raw("thresholds", [])],
        vector.usage.number("previous"),
        vector.usage.number("current"),
        recurring_step=parameters.optional("recurring_step"),
        direction=parameters.raw("direction", "increasing"),
    )
    return Result(None, {"crossed": found})


def rounding(vector: Vector) -> Result:
    """One rounding."""
    parameters = vector.parameters
    scale, mode = int(parameters.raw("scale")), parameters.raw("mode", "half_up")
    return Result(round_to(vector.usage.number("amount"), scale, mode))


def lines_rounding(vector: Vector) -> Result:
    """Each line rounded, or their sum."""
    parameters = vector.parameters
    rounding = Rounding(scale=int(parameters.raw("scale")), mode=parameters.raw("mode", "half_up"))
    is_line = parameters.raw("level", "line") == "line"
    lines = [vector.usage.child(fields) for fields in vector.usage.raw("lines", [])]
    charges = tuple(
        Charge(name=str(number), meter="calls", model=Standard(unit=each.number("unit_amount")))
        for number, each in enumerate(lines)
    )
    usage = {
        charge.name: ChargeUsage(parts=(Usage(quantity=each.exact("quantity")),))
        for charge, each in zip(charges, lines, strict=True)
    }
    rules = dict.fromkeys(usage, rounding) if is_line else {}
    total = plan_amounts(Plan(name="plan", charges=charges), usage, rounding=rules).total
    return Result(total if is_line else rounding.of(total))
