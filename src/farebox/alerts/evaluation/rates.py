"""Shares and spans of the last minutes or hours: errors, retries, cache, latency, calls without a price.

A figure that swings around its threshold is one piece of news: it has recovered a fifth below it. Where
nothing comes any more, nothing is wrong any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from farebox.alerts.alert import Alert
from farebox.alerts.evaluation.finding import Finding, percent, share_ppm, with_hysteresis
from farebox.budgets.periods import Window

LATENCY_STEPS_US = tuple(isqrt(10**6 << step) for step in range(42))
"""Between these, and an alert's own thresholds, response times are counted: a millisecond to half an hour."""

_PERCENTILES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
_READ_SHARE_MIN_PPM = 50_000
"""Below a twentieth, cached input cannot be said to collapse."""
_HOUR = 3600


def find_share(alert: Alert, part: int, calls: int, span: Window) -> Finding | None:
    """Return what the share of failed or repeated calls has reached; None while there is no evidence."""
    what = "failed" if alert.kind == "errors" else "were retries"
    basis = f"{part:,} of {calls:,} calls {what} in {span_words(alert.over_s)}"
    if calls <= 0:
        return _over(span, "no calls in " + span_words(alert.over_s))
    share = share_ppm(part, calls)
    reached, kept = with_hysteresis(alert.at, share)
    if calls < max(alert.least, 1):
        reached = ()
    return Finding(share, reached, kept, span.start_ns, span.end_ns or 0, basis)


def find_unpriced(alert: Alert, unpriced: int, span: Window) -> Finding:
    """Return whether calls came whose cost is not known."""
    thresholds = alert.at or (1,)
    reached = tuple(each for each in thresholds if unpriced >= each)
    calls = "call has" if unpriced == 1 else "calls have"
    basis = f"{unpriced:,} {calls} no cost in {span_words(alert.over_s)}"
    reached = reached if alert.at else (0,) if reached else ()
    return Finding(unpriced, reached, (), span.start_ns, span.end_ns or 0, basis, is_at_least=unpriced > 0)


def find_cache_hits(
    alert: Alert, read: int, tokens: int, calls: int, before: tuple[int, int, int], span: Window
) -> Finding | None:
    """Return whether less input comes from the cache: below a share, or than in the day before.

    `before`: cached input, all input and calls of that day.
    """
    if calls <= 0 or tokens <= 0:
        return _over(span, "no calls in " + span_words(alert.over_s))
    share = share_ppm(read, tokens)
    said = f"{percent(share)} of input came from the cache in {span_words(alert.over_s)}"
    enough = calls >= max(alert.least, 1)
    if alert.subject == "below":
        reached = tuple(each for each in alert.at if share < each) if enough else ()
        kept = tuple(each for each in alert.at if share * 10 < each * 11)
        return Finding(share, reached, kept, span.start_ns, span.end_ns or 0, said)
    read_before, tokens_before, calls_before = before
    usual = share_ppm(read_before, tokens_before)
    if calls_before < max(alert.least, 1) or usual < _READ_SHARE_MIN_PPM:
        return None
    fall = max((usual - share) * 1_000_000 // usual, 0)
    reached, kept = with_hysteresis(alert.at, fall)
    basis = f"{said}, {percent(usual)} in the day before"
    return Finding(fall, reached if enough else (), kept, span.start_ns, span.end_ns or 0, basis)


def find_cache_lifetime(
    alert: Alert, long: int, short: int, before: tuple[int, int], calls: int, span: Window
) -> Finding | None:
    """Return whether the share of cache written for an hour, not five minutes, has shifted.

    `long`, `short`: tokens written for each; `before`: the same of the day before.
    """
    if long + short <= 0:
        return _over(span, "nothing was written to the cache in " + span_words(alert.over_s))
    if sum(before) <= 0:
        return None
    share, usual = share_ppm(long, long + short), share_ppm(before[0], sum(before))
    shift = abs(share - usual)
    reached, kept = with_hysteresis(alert.at, shift)
    if calls < max(alert.least, 1):
        reached = ()
    basis = (
        f"{percent(share)} of what was cached in {span_words(alert.over_s)} is kept for an hour, "
        f"{percent(usual)} in the day before"
    )
    return Finding(shift, reached, kept, span.start_ns, span.end_ns or 0, basis)


def latency_steps(alert: Alert) -> tuple[int, ...]:
    """Return the lower ends of the classes that an alert's response times are counted in, after zero."""
    return tuple(sorted({*LATENCY_STEPS_US, *alert.at}))


def find_latency(alert: Alert, counts: Sequence[int], span: Window) -> Finding | None:
    """Return what a percentile of response times has reached.

    `counts`: calls in each class between `latency_steps`. The percentile is told as the lower end of the
    class it is in; whether a threshold is reached is exact, for each is the end of a class.
    """
    calls = sum(counts)
    if calls <= 0:
        return _over(span, "no calls in " + span_words(alert.over_s))
    percentile = _PERCENTILES[alert.subject]
    rank = max(-(-calls * percentile // 100), 1)  # the nearest rank
    found = seen = 0
    for found, count in enumerate(counts):  # noqa: B007 - the class the loop ended in
        seen += count
        if seen >= rank:
            break
    measured = (0, *latency_steps(alert))[found]
    reached, kept = with_hysteresis(alert.at, measured)
    if calls < max(alert.least, 1):
        reached = ()
    basis = f"{alert.subject} of {calls:,} calls in {span_words(alert.over_s)}"
    return Finding(measured, reached, kept, span.start_ns, span.end_ns or 0, basis)


def span_words(seconds: int) -> str:
    """Return a span as it is said: `1 hour`, `15 minutes`."""
    for size, name in ((86_400, "day"), (_HOUR, "hour"), (60, "minute")):
        if seconds % size == 0 and seconds:
            number = seconds // size
            return f"{number} {name}{'' if number == 1 else 's'}"
    return f"{seconds} seconds"


def _over(span: Window, basis: str) -> Finding:
    return Finding(None, (), (), span.start_ns, span.end_ns or 0, basis)
