"""Vectors of periods: bounds, days, and parts of an amount."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from farebox.charges.periods.billing_periods import billed_period
from farebox.charges.periods.calendar import add_months, days_between, local_date
from farebox.charges.periods.plan_change import plan_change
from farebox.charges.periods.proration import prorated, prorated_by_time
from farebox.charges.plan import Interval
from farebox.charges.rounding import decimal_of_units
from tools.vectors.vector import Result, Vector, rounded

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 10**9


def proration(vector: Vector) -> Result:
    """A part by days."""
    parameters, usage = vector.parameters, vector.usage
    part = prorated(
        parameters.number("amount"), int(usage.raw("billable_days")), int(usage.raw("days_in_period"))
    )
    return Result(rounded(part, parameters.raw("rounding")))


def proration_dates(vector: Vector) -> Result:
    """A part by time."""
    parameters, usage = vector.parameters, vector.usage
    parameters.raw("timezone")  # instants carry their offset; a part by time is the same everywhere
    part = prorated_by_time(
        parameters.number("amount"),
        _instant(usage.raw("period_start")),
        _instant(usage.raw("period_end")),
        _instant(usage.raw("change_at")),
    )
    return Result(rounded(part, parameters.raw("rounding")))


def change(vector: Vector) -> Result:
    """Another plan within a period."""
    parameters, usage, exponent = vector.parameters, vector.usage, vector.exponent
    lines = plan_change(
        parameters.number("old_amount"),
        parameters.number("new_amount"),
        int(usage.raw("remaining_days")),
        int(usage.raw("days_in_period")),
        exponent,
        credit_cap=parameters.optional("credit_cap"),
    )
    detail = {
        "credit": decimal_of_units(lines.credit_minor, exponent),
        "charge": decimal_of_units(lines.charge_minor, exponent),
    }
    return Result(decimal_of_units(lines.net_minor, exponent), detail)


def period(vector: Vector) -> Result:
    """The period that is billed at an instant."""
    parameters = vector.parameters
    zone = _zone(parameters.raw("timezone", "UTC"))
    anchor = parameters.raw("anchor")
    found = billed_period(
        Interval(kind=parameters.raw("billing_time", "calendar")),
        _instant(vector.usage.raw("billing_at")),
        zone,
        None if anchor is None else local_date(_instant(anchor), zone),
        in_advance=parameters.raw("pay_in_advance", False),
    )
    start, end = found.bounds_ns(zone)
    return Result(None, {"from": _shown(start), "to": _shown(end - _SECOND)})


def days(vector: Vector) -> Result:
    """Days between two instants, by their dates."""
    usage = vector.usage
    count = days_between(
        _instant(usage.raw("start")),
        _instant(usage.raw("end")),
        _zone(vector.parameters.raw("timezone", "UTC")),
    )
    return Result(None, {"days": count})


def month_add(vector: Vector) -> Result:
    """A date some months later."""
    anchor: Any = vector.parameters.raw("anchor_day")
    found = add_months(
        date.fromisoformat(vector.usage.raw("date")),
        int(vector.usage.raw("months")),
        None if anchor is None else int(anchor),
    )
    return Result(None, {"date": found.isoformat()})


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def _instant(text: str) -> datetime:
    stamp = datetime.fromisoformat(text)
    return stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp


def _shown(at_ns: int) -> str:
    return (_EPOCH + timedelta(seconds=at_ns // _SECOND)).strftime("%Y-%m-%dT%H:%M:%SZ")
