"""What `/metrics` says: cost, tokens, calls, errors and latency by provider, model and customer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from farebox.analytics.query import Answer, Question, Row
from farebox.analytics.questions import Questions
from farebox.home import Home
from farebox.telemetry.prometheus.counters import SERIES_MAX, Counters, Key, Values
from farebox.telemetry.prometheus.exposition import Family, Sample, exposition

RECENT_S = 300
"""Quantiles are of the calls of the last five minutes."""
GROUPS_MAX = 20_000
"""Of the record's sets of labels as many are looked at, those that cost most first."""
FRESH_S = 5.0
"""Scrapes that come sooner after each other get the same figures."""

_BY = ["provider", "model", "customer"]
_MEASURES = (
    "cost_pico",
    "calls",
    "errors",
    "unpriced_calls",
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_us",
)
_TOKENS = ("input", "cache_read", "cache_creation", "output", "reasoning")
_SHOWN = ("cost_pico", "calls", "errors", "unpriced_calls", "total_us", *_TOKENS)
"""What becomes counters: of the tokens exclusive parts, as a part may fall while its whole does not."""
_QUANTILES = {"0.5": "total_p50_us", "0.95": "total_p95_us", "0.99": "total_p99_us"}
_PICO, _MICRO = Decimal(10) ** -12, Decimal(10) ** -6


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures do not cover, as other places show it."""

    complete: bool = True
    pending_calls: int = 0


class Metrics:
    """The figures of one home. For one thread."""

    def __init__(self, home: Home, series_max: int = SERIES_MAX) -> None:
        self._counters = Counters(home, _SHOWN, series_max)
        self._text = b""
        self._fresh_until_ns = 0

    def scrape(self, questions: Questions, covered: Covered, now_ns: int) -> bytes:
        """Return the text of all metrics.

        Raises:
            QuestionError: The replica cannot be asked now.
        """
        if now_ns >= self._fresh_until_ns or not self._text:
            whole, total, recent = questions.answers(
                Question(by=_BY, measures=list(_MEASURES), limit=GROUPS_MAX),
                Question(measures=list(_MEASURES)),
                Question(
                    by=_BY,
                    measures=[*_QUANTILES.values(), "calls"],
                    order="calls",
                    since_ns=now_ns - RECENT_S * 10**9,
                    limit=GROUPS_MAX,
                ),
            )
            sums = {_key(row.keys): _sums(row) for row in whole.rows}
            all_calls = _sums(total.rows[0]) if total.rows else [0] * len(_SHOWN)
            shown = self._counters.show(whole.seq, sums, all_calls)
            self._text = exposition(_families(shown, recent, covered, whole.seq))
            self._fresh_until_ns = now_ns + int(FRESH_S * 10**9)
        return self._text


def _key(keys: list[str | None]) -> Key:
    provider, model, customer = (value or "" for value in keys)
    return provider, model, customer


def _sums(row: Row) -> Values:
    """Return what becomes counters, of the measures of a row."""
    found = dict(zip(_MEASURES, (value or 0 for value in row.values), strict=True))
    read, written = found["cache_read_input_tokens"], found["cache_creation_input_tokens"]
    found |= {
        "input": found["input_tokens"] - read - written,
        "cache_read": read,
        "cache_creation": written,
        "output": found["output_tokens"] - found["reasoning_output_tokens"],
        "reasoning": found["reasoning_output_tokens"],
    }
    return [found[name] for name in _SHOWN]


def _families(shown: Mapping[Key, Values], recent: Answer, covered: Covered, seq: int) -> Iterator[Family]:
    def each(measure: str) -> Iterator[tuple[dict[str, str], int]]:
        place = _SHOWN.index(measure)
        for key, values in shown.items():
            yield dict(zip(_BY, key, strict=True)), values[place]

    yield Family(
        "farebox_cost_usd_total",
        "counter",
        "What calls cost, US dollars. A lower bound while farebox_unpriced_calls_total grows.",
        (Sample(labels, cost * _PICO) for labels, cost in each("cost_pico")),
    )
    yield Family(
        "farebox_tokens_total",
        "counter",
        "Tokens by type. Types do not overlap: input is uncached, output is without reasoning.",
        _tokens(shown),
    )
    yield Family("farebox_calls_total", "counter", "Calls.", (Sample(*pair) for pair in each("calls")))
    yield Family(
        "farebox_errors_total",
        "counter",
        "Calls with a status of 400 or more, or which neither got a status nor were completed.",
        (Sample(*pair) for pair in each("errors")),
    )
    yield Family(
        "farebox_unpriced_calls_total",
        "counter",
        "Calls whose cost is not known: no price, or no usage to price.",
        (Sample(*pair) for pair in each("unpriced_calls")),
    )
    yield Family(
        "farebox_call_duration_seconds",
        "summary",
        "How long calls took. Quantiles are of the calls that began in the last five minutes.",
        _durations(shown, recent),
    )
    yield Family("farebox_record_seq", "gauge", "The newest row of the record.", [Sample({}, seq)])
    yield Family(
        "farebox_pending_calls",
        "gauge",
        "Calls in the journals that are in no figure yet.",
        [Sample({}, covered.pending_calls)],
    )
    yield Family(
        "farebox_complete",
        "gauge",
        "1 where no call is known to be missing, else 0: sums are lower bounds.",
        [Sample({}, int(covered.complete))],
    )


def _tokens(shown: Mapping[Key, Values]) -> Iterator[Sample]:
    for key, values in shown.items():
        labels = dict(zip(_BY, key, strict=True))
        for kind in _TOKENS:
            yield Sample({**labels, "type": kind}, values[_SHOWN.index(kind)])


def _durations(shown: Mapping[Key, Values], recent: Answer) -> Iterator[Sample]:
    quantiles = {_key(row.keys): row.values for row in recent.rows}
    calls, total = _SHOWN.index("calls"), _SHOWN.index("total_us")
    for key, values in shown.items():
        labels = dict(zip(_BY, key, strict=True))
        for (quantile, _), took in zip(_QUANTILES.items(), quantiles.get(key, ()), strict=False):
            if took is not None:
                yield Sample({**labels, "quantile": quantile}, took * _MICRO)
        yield Sample(labels, values[total] * _MICRO, "_sum")
        yield Sample(labels, values[calls], "_count")
