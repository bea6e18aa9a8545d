"""Alerts beside the ledger's own work: loaded when there are some, and no danger to it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from calls import TestLedger

from farebox.alerts.alert import Alert
from farebox.home import Home, replace_private
from farebox.ledger import alerts_in_force
from farebox.ledger.alerting.alerting import Alerting
from farebox.ledger.alerts_in_force import AlertsInForce
from farebox.snapshot import Snapshot, SnapshotReader, encode


def in_force(home: Home, ledger: TestLedger) -> AlertsInForce:
    return AlertsInForce(home, ledger.connection, SnapshotReader(home), str, others_reach_us=False)


def test_nothing_is_kept_where_there_are_no_alerts(home: Home, ledger: TestLedger) -> None:
    alerts = in_force(home, ledger)
    assert not alerts.step(is_idle=True)
    alerts.close()
    assert not Path(home.path / "alerts.sums").exists()


def test_a_defect_of_alerts_stops_nothing_else(
    home: Home, ledger: TestLedger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    replace_private(home.snapshot, encode(Snapshot(alerts=(Alert(name="m", kind="new", subject="model"),))))
    tried: list[int] = []

    def fail(self: Alerting, *, is_idle: bool) -> bool:
        tried.append(1)
        raise RuntimeError("a defect")

    monkeypatch.setattr(Alerting, "step", fail)
    alerts = in_force(home, ledger)
    with caplog.at_level(logging.ERROR):
        assert not alerts.step(is_idle=True)
        assert not alerts.step(is_idle=True)
    assert tried == [1], "it is tried again a minute later"
    assert "a defect" in caplog.text
    monkeypatch.setattr(alerts_in_force.time, "monotonic", lambda: 1e12)
    alerts.step(is_idle=True)
    assert tried == [1, 1]
