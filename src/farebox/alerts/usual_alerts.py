"""Alerts that most people want, to be set together: nobody sets them unasked."""

from __future__ import annotations

import msgspec

from farebox.alerts.alert import Alert
from farebox.alerts.definition import read_alerts
from farebox.budgets.budget import COMMAND
from farebox.yamltext import parse

TEXT = """\
unusual-spend: {anomaly: cost, amount_min: "1.00"}
new-model: {new: model}
new-key: {new: key}
unpriced: {unpriced: true}
prices-changed: {prices: changed}
prices-stale: {prices: stale}
cache-collapse: {cache_hits: {fall: "50%"}}
retry-storm: {retries: "20%", over: 5m}
many-errors: {errors: "20%", over: 10m}
missing-records: {missing: records}
unmetered-clients: {unmetered: clients}
"""
"""As they would be written in `farebox.yaml`."""


def usual_alerts(to: tuple[str, ...] = ()) -> tuple[Alert, ...]:
    """Return them, told to these channels."""
    root, findings = parse(TEXT, "the usual alerts")
    found = () if root is None else read_alerts(root, findings, [], origin=COMMAND)
    return tuple(msgspec.structs.replace(each, to=to) for each in found)
