"""Keep the totals of a parent apart from its children's calls, in one request and across requests.

A span that contains a call which was counted is not counted itself. Within a program children end, and are
sent, before their parents; where a parent was counted first, its children are not.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from farebox.telemetry.otlp_in.records import Span

TRACES_MAX = 10_000
SPANS_MAX = 4_096
"""Of one trace, between requests. What is beyond is forgotten: the record's join tells it apart alone."""


class _Trace(msgspec.Struct):
    covered: set[str] = msgspec.field(default_factory=set[str])
    """Spans that contain a call which was counted."""
    counted: set[str] = msgspec.field(default_factory=set[str])
    """Calls that were counted. Sent again, they are handed on again: the record has their ids."""
    inside: set[str] = msgspec.field(default_factory=set[str])
    """Spans inside of a call that was counted."""

    def remember(self, covered: set[str], counted: set[str], inside: set[str]) -> None:
        """Take in what a request showed, as far as there is room."""
        for known, found in ((self.counted, counted), (self.covered, covered), (self.inside, inside)):
            room = SPANS_MAX - len(self.covered) - len(self.counted) - len(self.inside)
            known.update(itertools.islice((each for each in found if each not in known), max(room, 0)))


class ParentTotals:
    """Remembers the newest traces."""

    def __init__(self, traces_max: int = TRACES_MAX) -> None:
        self._traces: OrderedDict[str, _Trace] = OrderedDict()
        self._traces_max = traces_max

    def select(self, spans: Iterable[Span], calls: Iterable[Span], whose: str = "") -> list[Span]:
        """Return of `calls` those to count; `spans` are all of the request, whatever they are.

        `whose`: for whom the sender's token is. Traces of others are none of its own, whatever ids it states.
        """
        members: dict[str, list[Span]] = {}
        for span in spans:
            members.setdefault(span.trace_id, []).append(span)
        wanted: dict[str, list[Span]] = {}
        for call in calls:
            wanted.setdefault(call.trace_id, []).append(call)
        found: list[Span] = []
        for trace_id, some in members.items():
            parents = {span.span_id: span.parent_id for span in some if span.parent_id}
            found += _select(self._trace(f"{trace_id}{whose}"), parents, wanted.get(trace_id, []))
        return found

    def _trace(self, trace_id: str) -> _Trace:
        trace = self._traces.setdefault(trace_id, _Trace())
        self._traces.move_to_end(trace_id)
        if len(self._traces) > self._traces_max:
            self._traces.popitem(last=False)
        return trace


def _select(trace: _Trace, parents: Mapping[str, str], calls: Sequence[Span]) -> list[Span]:
    """Return the calls to count. Every span is walked over a few times, however deep and many they are."""
    ordered = _from_outside({*parents, *(each.span_id for each in calls)}, parents)
    depths: dict[str, int] = {}
    for span_id in ordered:
        depths[span_id] = depths.get(parents.get(span_id, ""), 0) + 1
    inside = _inside(ordered, parents, trace, set())
    covered: set[str] = set()
    for span_id in ordered:
        if span_id in trace.covered:
            _cover(span_id, parents, covered)
    counted: set[str] = set()
    selected: list[Span] = []
    for call in sorted(calls, key=lambda each: depths[each.span_id], reverse=True):  # the innermost first
        span_id = call.span_id
        is_inside = span_id in inside and span_id not in trace.counted
        if span_id in trace.covered or span_id in covered or is_inside:
            continue
        selected.append(call)
        counted.add(span_id)
        _cover(span_id, parents, covered)
    trace.remember(covered, counted, _inside(ordered, parents, trace, counted))
    return selected


def _inside(ordered: Iterable[str], parents: Mapping[str, str], trace: _Trace, counted: set[str]) -> set[str]:
    """Return the spans inside of a call that was counted, in this request or before."""
    found: set[str] = set()
    for span_id in ordered:
        parent = parents.get(span_id, "")
        is_in_call = parent in counted or parent in trace.counted
        if is_in_call or parent in found or not trace.inside.isdisjoint((span_id, parent)):
            found.add(span_id)
    return found


def _cover(span_id: str, parents: Mapping[str, str], covered: set[str]) -> None:
    """Take what contains a span for covered; above one that is, everything is already."""
    while (span_id := parents.get(span_id, "")) and span_id not in covered:
        covered.add(span_id)


def _from_outside(span_ids: Iterable[str], parents: Mapping[str, str]) -> list[str]:
    """Return spans so that parents stand before their children; in a ring of parents any of them is first."""
    ordered: dict[str, None] = {}
    for span_id in span_ids:
        path: dict[str, None] = {}
        while span_id and span_id not in ordered and span_id not in path:
            path[span_id] = None
            span_id = parents.get(span_id, "")
        ordered.update(dict.fromkeys(reversed(path)))
    return list(ordered)
