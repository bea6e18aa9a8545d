"""Metrics of the calls that were sent since this process began: cumulative, as OTLP's exporters send them.

`gen_ai.client.token.usage` and `gen_ai.client.operation.duration` are histograms with the buckets that the
conventions ask for; `farebox.cost` is a sum in US dollars.
https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

import msgspec

from farebox.ledger.call_row import CallRow
from farebox.telemetry.otlp_out.messages import attributes
from farebox.telemetry.otlp_out.spans import model_of, operation_of
from farebox.telemetry.protobuf_message import double, fixed64, integer, message, text

TOKEN_BOUNDS = tuple(4**power for power in range(14))
SECOND_BOUNDS = tuple(0.01 * 2**power for power in range(14))
SERIES_MAX = 1_000
_CUMULATIVE = 2

Labels = tuple[tuple[str, str], ...]


class _Histogram(msgspec.Struct):
    counts: list[int]
    count: int = 0
    total: float = 0.0

    def add(self, value: float, bounds: Sequence[float]) -> None:
        self.counts[bisect_left(bounds, value)] += 1
        self.count += 1
        self.total += value


class UsageMetrics:
    """Adds calls up, within a number of series; beyond it calls are of `other`."""

    def __init__(self, start_ns: int, series_max: int = SERIES_MAX) -> None:
        self._start_ns = start_ns
        self._series_max = series_max
        self._labels: set[Labels] = set()
        self._tokens: dict[Labels, _Histogram] = {}
        self._durations: dict[Labels, _Histogram] = {}
        self._cost_pico: dict[Labels, int] = {}

    def add(self, call: CallRow) -> None:
        """Add a call."""
        labels = self._named(call)
        if call.completeness != "none":
            for kind, count in (("input", call.input_tokens), ("output", call.output_tokens)):
                key = (*labels, ("gen_ai.token.type", kind))
                _histogram(self._tokens, key, TOKEN_BOUNDS).add(count, TOKEN_BOUNDS)
        if call.total_us:
            _histogram(self._durations, labels, SECOND_BOUNDS).add(call.total_us / 1e6, SECOND_BOUNDS)
        if call.cost_pico is not None:
            self._cost_pico[labels] = self._cost_pico.get(labels, 0) + call.cost_pico

    def message(self, now_ns: int) -> bytes:
        """Return the metrics, each a field 2 of a scope."""
        times = fixed64(2, self._start_ns) + fixed64(3, now_ns)
        costs = b"".join(
            message(1, attributes(7, dict(labels)) + times + double(4, cost / 10**12))
            for labels, cost in self._cost_pico.items()
        )
        cost = (
            text(1, "farebox.cost")
            + text(3, "USD")
            + message(7, costs + integer(2, _CUMULATIVE) + integer(3, 1))
        )
        return b"".join(
            (
                _histograms("gen_ai.client.token.usage", "{token}", self._tokens, TOKEN_BOUNDS, times),
                _histograms("gen_ai.client.operation.duration", "s", self._durations, SECOND_BOUNDS, times),
                message(2, cost) if self._cost_pico else b"",
            )
        )

    def _named(self, call: CallRow) -> Labels:
        found = {
            "gen_ai.operation.name": operation_of(call),
            "gen_ai.provider.name": call.provider,
            "gen_ai.request.model": call.request_model or model_of(call),
            "gen_ai.response.model": model_of(call),
            "farebox.customer": call.attribution.get("customer", ""),
        }
        labels = tuple(found.items())
        if labels not in self._labels:
            if len(self._labels) >= self._series_max:
                return tuple(dict.fromkeys(found, "other").items())
            self._labels.add(labels)
        return labels


def _histogram(of: dict[Labels, _Histogram], labels: Labels, bounds: Sequence[float]) -> _Histogram:
    found = of.get(labels)
    if found is None:
        found = of[labels] = _Histogram([0] * (len(bounds) + 1))
    return found


def _histograms(
    name: str, unit: str, found: Mapping[Labels, _Histogram], bounds: Sequence[float], times: bytes
) -> bytes:
    if not found:
        return b""
    limits = message(7, b"".join(double(1, bound)[1:] for bound in bounds))
    points = b"".join(
        message(
            1,
            times
            + fixed64(4, each.count)
            + double(5, each.total)
            + message(6, b"".join(count.to_bytes(8, "little") for count in each.counts))
            + limits
            + attributes(9, dict(labels)),
        )
        for labels, each in found.items()
    )
    return message(2, text(1, name) + text(3, unit) + message(9, points + integer(2, _CUMULATIVE)))
