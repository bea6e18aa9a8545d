"""How each kind of alert is written: what it can watch, what its thresholds are, which keys go with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from farebox.alerts.alert import (
    COUNT_MEASURES,
    EVERY_WALLET,
    MEASURES,
    MONEY_MEASURES,
    PERCENTILES,
    Kind,
    Severity,
)
from farebox.alerts.written_values import (
    RISE_MAX_PPM,
    WHOLE_PPM,
    read_count,
    read_latency,
    read_percent,
)
from farebox.budgets.budget import Period
from farebox.budgets.written_values import read_amount

TRUE = "true"
"""What is written where there is nothing to say but that it is wanted."""

Open = Literal["budget", "customer", "dimension", "span"]
"""What a kind's own value is, where it is none of a few words; `span`: how long nothing has to come."""

_WHOSE = ("where", "each")
_PERIOD = ("period", "timezone")
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class KindForm(msgspec.Struct, frozen=True, kw_only=True):
    """One kind, as it is written."""

    example: str
    words: tuple[str, ...] = ()
    """What its value can be: the subject."""
    subject: str = ""
    """The one that is meant where none is said; without one it has to be."""
    open: Open | None = None
    threshold: Callable[[str], int] | None = None
    names: tuple[str, ...] = ("at",)
    """Other keys that thresholds can stand under, the usual one first."""
    at: tuple[int, ...] = ()
    """The thresholds of one that says none."""
    needs_thresholds: bool = False
    keys: tuple[str, ...] = ()
    """Which of the keys that not every alert has."""
    over: tuple[int, int, int] | None = None
    """The span that is looked at: the usual one, the shortest and the longest, in seconds."""
    period: Period | None = None
    least: int = 0
    each: str | None = None
    severity: Severity = "warning"


_SHARE = read_percent(1, WHOLE_PPM)

FORMS: dict[Kind, KindForm] = {
    "spend": KindForm(
        example='spend: ["100.00", "250.00"]',
        words=MONEY_MEASURES,
        subject="cost",
        threshold=read_amount,
        keys=(*_WHOSE, *_PERIOD, "every"),
        needs_thresholds=True,
    ),
    "usage": KindForm(
        example='usage: input_tokens, at: ["1000000"]',
        words=COUNT_MEASURES,
        threshold=read_count,
        keys=(*_WHOSE, *_PERIOD, "every"),
        needs_thresholds=True,
    ),
    "budget": KindForm(
        example='budget: acme-daily, at: ["50%", "80%", "100%"]',
        open="budget",
        threshold=read_percent(1, 10 * WHOLE_PPM),
        at=(500_000, 800_000, 1_000_000),
    ),
    "wallet": KindForm(
        example='wallet: acme, below: ["10.00"]',
        open="customer",
        threshold=read_amount,
        names=("below", "at"),
        needs_thresholds=True,
    ),
    "rise": KindForm(
        example='rise: cost, by: "100%", over: 1h',
        words=MEASURES,
        threshold=read_percent(1, RISE_MAX_PPM),
        names=("by", "at"),
        at=(WHOLE_PPM,),
        keys=(*_WHOSE, "calls_min", "amount_min"),
        over=(_HOUR, 5 * _MINUTE, 7 * _DAY),
        least=20,
    ),
    "anomaly": KindForm(
        example="anomaly: cost",
        words=MEASURES,
        keys=(*_WHOSE, "timezone", "sensitivity", "calls_min", "amount_min"),
    ),
    "new": KindForm(example="new: model", open="dimension", keys=("where",), severity="info"),
    "unpriced": KindForm(example="unpriced: true", keys=_WHOSE, over=(_DAY, _HOUR, 30 * _DAY), each="model"),
    "prices": KindForm(
        example="prices: changed",
        words=("changed", "stale"),
        over=(30 * _DAY, _DAY, 366 * _DAY),
        severity="info",
    ),
    "cache_hits": KindForm(
        example='cache_hits: {fall: "50%"}',
        words=("fall", "below"),
        subject="fall",
        threshold=_SHARE,
        at=(500_000,),
        keys=(*_WHOSE, "calls_min"),
        over=(_HOUR, 5 * _MINUTE, 7 * _DAY),
        least=50,
    ),
    "cache_lifetime": KindForm(
        example="cache_lifetime: shift",
        words=("shift",),
        subject="shift",
        threshold=_SHARE,
        at=(250_000,),
        keys=(*_WHOSE, "calls_min"),
        over=(6 * _HOUR, 5 * _MINUTE, 7 * _DAY),
        least=50,
    ),
    "retries": KindForm(
        example='retries: "20%", over: 5m',
        threshold=_SHARE,
        at=(200_000,),
        keys=(*_WHOSE, "calls_min"),
        over=(5 * _MINUTE, _MINUTE, _DAY),
        least=20,
    ),
    "errors": KindForm(
        example='errors: "5%", over: 10m',
        threshold=_SHARE,
        at=(50_000,),
        keys=(*_WHOSE, "calls_min"),
        over=(10 * _MINUTE, _MINUTE, _DAY),
        least=20,
    ),
    "latency": KindForm(
        example="latency: 10s, over: 10m",
        words=PERCENTILES,
        subject="p95",
        threshold=read_latency,
        needs_thresholds=True,
        keys=(*_WHOSE, "calls_min"),
        over=(10 * _MINUTE, _MINUTE, _DAY),
        least=20,
    ),
    "margin": KindForm(
        example='margin: {below: "20%"}, each: customer, period: month',
        words=("below",),
        subject="below",
        threshold=read_percent(-10 * WHOLE_PPM, WHOLE_PPM),
        names=("below", "at"),
        needs_thresholds=True,
        keys=(*_WHOSE, *_PERIOD, "calls_min"),
        period=Period(kind="month"),
    ),
    "no_data": KindForm(example="no_data: 30m", open="span", keys=_WHOSE, over=(0, _MINUTE, 30 * _DAY)),
    "missing": KindForm(
        example="missing: records", words=("records",), subject="records", severity="critical"
    ),
    "unmetered": KindForm(
        example="unmetered: clients",
        words=("clients",),
        subject="clients",
        over=(10 * _MINUTE, _MINUTE, 30 * _DAY),
    ),
}
"""By kind, in the order that guides tell them."""

NOT_NEW = ("session", "task", "process")
"""Dimensions whose values come once: each would be news."""

WALLETS = (EVERY_WALLET, "each", "all")
"""What stands for every customer's wallet."""
