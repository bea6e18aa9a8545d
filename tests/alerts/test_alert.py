"""What an alert's figures are counted in, what a snooze covers, and that both are published whole."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from farebox.alerts.alert import MEASURES, Alert, Kind, Sensitivity, Snooze, counts_down, measure_unit, unit
from farebox.alerts.event import AlertEvent
from farebox.budgets.budget import Period
from farebox.snapshot import Snapshot, decode, encode

NOON = 1_800_000_000 * 10**9


@pytest.mark.parametrize(
    ("kind", "subject", "expected"),
    [
        ("spend", "cost", "pico_usd"),
        ("spend", "price", "pico_usd"),
        ("usage", "calls", "calls"),
        ("usage", "input_tokens", "tokens"),
        ("anomaly", "cost", "pico_usd"),
        ("anomaly", "output_tokens", "tokens"),
        ("rise", "cost", "ppm"),
        ("budget", "acme-daily", "ppm"),
        ("wallet", "acme", "pico_usd"),
        ("latency", "p95", "us"),
        ("no_data", "", "s"),
        ("margin", "", "ppm"),
    ],
)
def test_each_kind_has_a_unit(kind: Kind, subject: str, expected: str) -> None:
    assert unit(Alert(name="a", kind=kind, subject=subject)) == expected


def test_no_kind_is_without_a_unit() -> None:
    for kind in get_args(Kind):
        assert unit(Alert(name="a", kind=kind, subject="cost"))
    assert {measure_unit(each) for each in MEASURES} == {"pico_usd", "calls", "tokens"}


@pytest.mark.parametrize(
    ("kind", "subject", "expected"),
    [("wallet", "acme", True), ("margin", "", True), ("cache_hits", "below", True),
     ("cache_hits", "fall", False), ("spend", "cost", False), ("budget", "daily", False)],
)  # fmt: skip
def test_some_thresholds_are_passed_downwards(kind: Kind, subject: str, expected: bool) -> None:
    assert counts_down(Alert(name="a", kind=kind, subject=subject)) is expected


def test_a_snooze_covers_an_alert_for_a_time() -> None:
    snooze = Snooze(alert="jump", since_ns=NOON, until_ns=NOON + 10)
    assert snooze.covers("jump", None, NOON)
    assert snooze.covers("jump", "acme", NOON + 9)
    assert not snooze.covers("jump", None, NOON - 1)
    assert not snooze.covers("jump", None, NOON + 10)
    assert not snooze.covers("other", None, NOON)


def test_a_snooze_of_one_value_covers_no_other() -> None:
    snooze = Snooze(alert="jump", value="acme", since_ns=NOON, until_ns=NOON + 10)
    assert snooze.covers("jump", "acme", NOON)
    assert not snooze.covers("jump", "globex", NOON)
    assert not snooze.covers("jump", None, NOON)


def test_alerts_and_snoozes_are_published_whole() -> None:
    alert = Alert(
        name="jump",
        kind="anomaly",
        subject="cost",
        where={"app": ("ingest", "search*")},
        each="tag.team",
        at=(1, 2),
        every=3,
        period=Period(kind="rolling", rolling_s=60),
        timezone="Europe/Berlin",
        over_s=3600,
        least=20,
        amount_min=5,
        sensitivity=Sensitivity(deviations=8, factor_ppm=3_000_000),
        to=("ops",),
        severity="critical",
        origin="farebox.yaml:7",
    )
    snooze = Snooze(alert="jump", value="core", since_ns=1, until_ns=2, by="uid:1", reason="deploy")
    published = decode(encode(Snapshot(alerts=(alert,), snoozes=(snooze,))))
    assert published.alerts == (alert,)
    assert published.snoozes == (snooze,)


def test_an_event_is_stored_whole() -> None:
    event = AlertEvent(
        id="e",
        alert="low",
        kind="wallet",
        subject="*",
        severity="critical",
        state="recovered",
        value="acme",
        threshold=10**13,
        measured=9 * 10**12,
        unit="pico_currency",
        currency="EUR",
        is_at_least=True,
        basis="a balance",
        since_ns=1,
        at_ns=2,
        seq=3,
        from_ns=4,
        until_ns=5,
        where={"customer": ("acme",)},
        to=("ops", "mail"),
    )
    assert msgspec.json.decode(msgspec.json.encode(event), type=AlertEvent) == event
