"""What an alert is: which figure is watched, of whose calls, from when on it is news, and who is told.

Written in the home's `farebox.yaml`, by `farebox alerts set` or through the API; carried to the ledger
process, which evaluates it, in the published snapshot.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from farebox.budgets.budget import COMMAND, Period

Kind = Literal[
    "spend",
    "usage",
    "budget",
    "wallet",
    "rise",
    "anomaly",
    "new",
    "unpriced",
    "prices",
    "cache_hits",
    "cache_lifetime",
    "retries",
    "errors",
    "latency",
    "margin",
    "no_data",
    "missing",
    "unmetered",
]
Severity = Literal["info", "warning", "critical"]
Unit = Literal["pico_usd", "pico_currency", "tokens", "calls", "ppm", "us", "s"]
"""Of a threshold and of what was measured. `pico_currency`: 10⁻¹² of a wallet's currency, where that is not
dollars; `ppm`: a millionth, of a share or of what was before."""

MONEY_MEASURES = ("cost", "price")
"""`cost`: what providers charge; `price`: what the customer is charged."""
TOKEN_MEASURES = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "reasoning_output_tokens",
)
COUNT_MEASURES = ("calls", *TOKEN_MEASURES)
MEASURES = (*MONEY_MEASURES, *COUNT_MEASURES)
"""What `rise` and `anomaly` can watch: `spend` watches money, `usage` counts."""
PERCENTILES = ("p50", "p90", "p95", "p99")

EVERY_WALLET = "*"
"""The subject of a `wallet` alert on each customer's wallet."""


class Sensitivity(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far from usual an hour has to be: beyond both of these."""

    deviations: int = 6
    """How many deviations above the median: half of the hours are within one. They multiply."""
    factor_ppm: int = 2_000_000
    """How many times the median."""


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule, or with `each` one for every value of a dimension."""

    name: str
    """Unique; a-z, 0-9, `-`, `_` and `.`."""
    kind: Kind
    subject: str = ""
    """What is watched, by kind. `spend`, `usage`, `rise`, `anomaly`: a measure. `budget`: a budget's name.
    `wallet`: a customer, or `*` for each one. `new`: a dimension. `prices`: `changed` or `stale`.
    `cache_hits`: `fall` (against the time before) or `below`. `latency`: a percentile."""
    where: dict[str, tuple[str, ...]] = {}
    """As a budget's."""
    each: str | None = None
    """As a budget's: every value of the dimension or tag is watched by itself."""
    at: tuple[int, ...] = ()
    """Thresholds in the kind's unit (`unit`), ascending. Reached from below, except of `wallet`, `margin` and
    `cache_hits` below, which are passed downwards. `rise`: by how much more than before; `cache_hits` fall
    and `cache_lifetime`: by how much less, or another share."""
    every: int | None = None
    """Of `spend`, `usage`: a step that repeats, counted from the last threshold, or from zero."""
    period: Period | None = None
    """Of `spend`, `usage` and `margin`; of none else."""
    timezone: str = "UTC"
    """IANA name; in it periods begin, and the hours of the week that `anomaly` compares."""
    over_s: int = 0
    """The span that is looked at, back from now: of `rise`, `unpriced`, `cache_hits`, `cache_lifetime`,
    `retries`, `errors`, `latency`; `no_data`: how long nothing has to come; `prices` stale: how old they may
    be; `unmetered`: for how long a client has to go unmetered."""
    least: int = 0
    """Fewer calls than this in the span are no evidence."""
    amount_min: int = 0
    """Of `rise` and `anomaly`: below this, in the measure's unit, nothing is news."""
    sensitivity: Sensitivity = Sensitivity()
    """Of `anomaly`."""
    to: tuple[str, ...] = ()
    """Names of channels. None: it is in the history and the dashboard only."""
    severity: Severity = "warning"
    origin: str = COMMAND
    """Where it is written: `command`, or `farebox.yaml:12`."""


class Snooze(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An alert that is still evaluated and kept in the history, while nobody is told."""

    alert: str
    value: str = ""
    """Of `each`; empty: all of them."""
    since_ns: int
    until_ns: int
    by: str = ""
    reason: str = ""

    def covers(self, alert: str, value: str | None, at_ns: int) -> bool:
        """Return whether nobody is told of this at `at_ns`."""
        return (
            self.alert == alert and self.value in ("", value or "") and self.since_ns <= at_ns < self.until_ns
        )


def measure_unit(measure: str) -> Unit:
    """Return the unit of what a measure adds up to."""
    if measure in MONEY_MEASURES:
        return "pico_usd"
    return "calls" if measure == "calls" else "tokens"


def unit(alert: Alert) -> Unit:
    """Return the unit of an alert's thresholds and figures.

    Of a wallet that is not in dollars, it is `pico_currency`, and the event names the currency.
    """
    if alert.kind in ("spend", "usage", "anomaly"):
        return measure_unit(alert.subject)
    return _UNITS[alert.kind]


def counts_down(alert: Alert) -> bool:
    """Return whether its thresholds are passed downwards."""
    return alert.kind in ("wallet", "margin") or (alert.kind == "cache_hits" and alert.subject == "below")


_UNITS: dict[Kind, Unit] = {
    "budget": "ppm",
    "wallet": "pico_usd",
    "rise": "ppm",
    "new": "calls",
    "unpriced": "calls",
    "prices": "calls",
    "cache_hits": "ppm",
    "cache_lifetime": "ppm",
    "retries": "ppm",
    "errors": "ppm",
    "latency": "us",
    "margin": "ppm",
    "no_data": "s",
    "missing": "calls",
    "unmetered": "s",
}
