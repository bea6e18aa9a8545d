"""How each kind of alert is written, for whoever offers to write one: from the same table as the reader's."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from farebox.alerts.alert import Alert, Kind
from farebox.alerts.kinds import FORMS, KindForm
from farebox.alerts.written_alert import threshold_text
from farebox.alerts.written_values import span_text
from farebox.budgets.written_values import period_text

TITLES: Mapping[Kind, str] = {
    "spend": "What a period costs",
    "usage": "What a period uses",
    "budget": "How much of a budget is spent",
    "wallet": "A wallet's balance",
    "rise": "A rise against the time before",
    "anomaly": "An hour that is far from usual",
    "new": "Something that was never seen",
    "unpriced": "Calls without a price",
    "prices": "The price list",
    "cache_hits": "The cached share of input",
    "cache_lifetime": "How long written caches live",
    "retries": "Repeated calls",
    "errors": "Failed calls",
    "latency": "How long calls take",
    "margin": "The margin of customers",
    "no_data": "No call for a time",
    "missing": "Records that were lost",
    "unmetered": "Programs that call providers past Farebox",
}


class AlertKind(msgspec.Struct, kw_only=True):
    """One kind of alert."""

    kind: str
    title: str
    """What it watches, in words."""
    example: str
    words: list[str]
    """What its value can be; nothing where `open` says what it is."""
    subject: str
    """The value that is meant where none is said."""
    open: str | None
    """`budget`, `customer` or `dimension`: its value is the name of one. `span`: a duration."""
    threshold_key: str | None
    """The key that thresholds stand under; None: it has none."""
    thresholds: list[str]
    """Those of one that says none."""
    keys: list[str]
    """Which other keys go with it."""
    usual: dict[str, str]
    """What they are where nothing is said; a key that is missing here is empty then."""
    severity: str


class AlertKinds(msgspec.Struct, kw_only=True):
    """`/api/v1/alert-kinds`: in the order of the guide."""

    kinds: list[AlertKind]


def kinds_view() -> AlertKinds:
    """Return every kind as it is written."""
    return AlertKinds(kinds=[_kind(kind, form) for kind, form in FORMS.items()])


def _kind(kind: Kind, form: KindForm) -> AlertKind:
    usual_one = Alert(name=kind, kind=kind, subject=form.subject or next(iter(form.words), ""))
    over = form.over if form.open != "span" else None
    usual = {
        "over": None if over is None or usual_one.subject == "changed" else span_text(over[0]),
        "calls_min": str(form.least) if form.least else None,
        "period": None if form.period is None else period_text(form.period),
        "each": form.each,
    }
    return AlertKind(
        kind=kind,
        title=TITLES[kind],
        example=form.example,
        words=list(form.words),
        subject=form.subject,
        open=form.open,
        threshold_key=None if form.threshold is None else form.names[0],
        thresholds=[threshold_text(usual_one, each) for each in form.at],
        keys=[*form.keys, *(["over"] if over is not None else [])],
        usual={name: text for name, text in usual.items() if text is not None},
        severity=form.severity,
    )
