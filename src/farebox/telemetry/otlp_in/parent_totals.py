"""Keep the totals of a parent apart from its children's calls, in one request and across requests.

A span that contains a call which was counted is not counted itself. Within a program children end, and are
sent, before their parents; where a parent was counted first, its children are not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from farebox.telemetry.otlp_in.records import Span

TRACES_MAX = 10_000
SPANS_MAX = 4_096
"""Of one trace. What is beyond is forgotten, and told apart by the join of the record alone."""


class _Trace(msgspec.Struct):
    covered: set[str] = msgspec.field(default_factory=set[str])
    """Spans that contain a call which was counted."""
    counted: set[str] = msgspec.field(default_factory=set[str])
    """Calls that were counted, and the spans inside them."""

    @property
    def is_full(self) -> bool:
        return len(self.covered) + len(self.counted) > SPANS_MAX


class ParentTotals:
    """Remembers the newest traces."""

    def __init__(self, traces_max: int = TRACES_MAX) -> None:
        self._traces: OrderedDict[str, _Trace] = OrderedDict()
        self._traces_max = traces_max

    def select(self, spans: Iterable[Span], calls: Iterable[Span]) -> list[Span]:
        """Return of `calls` those to count; `spans` are all of the request, whatever they are."""
        members: dict[str, list[Span]] = {}
        for span in spans:
            members.setdefault(span.trace_id, []).append(span)
        wanted: dict[str, list[Span]] = {}
        for call in calls:
            wanted.setdefault(call.trace_id, []).append(call)
        found: list[Span] = []
        for trace_id, some in members.items():
            parents = {span.span_id: span.parent_id for span in some if span.parent_id}
            found += _select(self._trace(trace_id), parents, wanted.get(trace_id, []))
        return found

    def _trace(self, trace_id: str) -> _Trace:
        trace = self._traces.setdefault(trace_id, _Trace())
        self._traces.move_to_end(trace_id)
        if len(self._traces) > self._traces_max:
            self._traces.popitem(last=False)
        return trace


def _select(trace: _Trace, parents: Mapping[str, str], calls: Sequence[Span]) -> list[Span]:
    above = {
        span_id: _ancestors(span_id, parents) for span_id in {*parents, *(each.span_id for each in calls)}
    }
    selected: list[Span] = []
    for call in sorted(calls, key=lambda each: len(above[each.span_id]), reverse=True):  # the innermost first
        is_inside = call.span_id not in trace.counted and not trace.counted.isdisjoint(above[call.span_id])
        if call.span_id in trace.covered or is_inside:
            continue
        selected.append(call)
        if not trace.is_full:
            trace.counted.add(call.span_id)
            trace.covered.update(above[call.span_id])
    if not trace.is_full:
        # What contains a covered span is covered, and what is inside a counted call is inside it, for later.
        for span_id, ancestors in above.items():
            if not trace.counted.isdisjoint(ancestors):
                trace.counted.add(span_id)
            if span_id in trace.covered:
                trace.covered.update(ancestors)
    return selected


def _ancestors(span_id: str, parents: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    while (span_id := parents.get(span_id, "")) and span_id not in found:
        found.append(span_id)
    return found
