"""OTLP requests as items for the collector, and what was in them that is no call.

Everything is counted under a name: calls, the totals of parents, calls of which nothing is known, log records
and metrics that tell of no call, and what could not be read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import msgspec

from farebox.catalog import Catalog
from farebox.ingest.bodies import Headers, Items, unpacked
from farebox.ingest.limits import TELEMETRY_BYTES_MAX, IngestLimits
from farebox.ingest.refused_body import BodyRefusedError
from farebox.recording.event_schema import Event
from farebox.recording.events import SAMPLED, encode_event, moment_text
from farebox.telemetry.otlp_in import attribute_names as names
from farebox.telemetry.otlp_in.attribute_values import text_of
from farebox.telemetry.otlp_in.call_kinds import kind_of
from farebox.telemetry.otlp_in.json_request import read_json
from farebox.telemetry.otlp_in.log_events import event_of_log
from farebox.telemetry.otlp_in.parent_totals import ParentTotals
from farebox.telemetry.otlp_in.protobuf_request import read_protobuf
from farebox.telemetry.otlp_in.records import MalformedError, Request, Signal, Span
from farebox.telemetry.otlp_in.sampling import unseen_beside
from farebox.telemetry.otlp_in.span_events import SOURCE, NoUsageError, event_of_span
from farebox.telemetry.otlp_in.telemetry_catalog import ProviderNames

JSON, PROTOBUF = "application/json", "application/x-protobuf"
LIMITS = IngestLimits(
    body_bytes_max=TELEMETRY_BYTES_MAX, unpacked_bytes_max=64 << 20, items_max=100_000, item_bytes_max=1 << 20
)
"""Spans may carry whole prompts, which are stepped over."""


class Counted(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of what was sent, by name."""

    calls: int = 0
    """Spans and log records that were handed to the collector."""
    parent_totals: int = 0
    """Spans that carry the totals of calls inside them, and calls inside of one that was counted already."""
    calls_without_usage: int = 0
    """Calls that say neither what they used nor which response they got: not recorded."""
    other_spans: int = 0
    other_logs: int = 0
    metric_points: int = 0
    """Metrics are sums without calls: they are not recorded, or what spans say would count twice."""
    sampled_calls: int = 0
    """Calls of sampled traces."""
    unseen_calls: int = 0
    """How many calls the samplers left out."""
    malformed: int = 0

    def add(self, other: Counted) -> None:
        """Add another request's counts."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Read(msgspec.Struct):
    """One request's items, what else was in it, and why some of it could not be read."""

    items: Items
    counted: Counted
    reasons: list[str]


class OtlpReader:
    """Reads requests one after the other, in the collector's judging thread."""

    def __init__(self, catalog: Callable[[], Catalog]) -> None:
        """`catalog` is loaded with the first request."""
        self._catalog = catalog
        self._providers: ProviderNames | None = None
        self._parents = ParentTotals()

    def read(self, signal: Signal, headers: Headers, body: bytes, whose: str = "") -> Read:
        """Return what a request comes to; `whose` says for whom its sender's token is, empty for anybody.

        Raises:
            BodyRefusedError: None of it can be read.
        """
        kind = content_type(headers)
        body = unpacked(headers, body, LIMITS)
        try:
            request = read_json(signal, body) if kind == JSON else read_protobuf(signal, body)
        except MalformedError as error:
            raise BodyRefusedError(400, "body_malformed", f"The body is no OTLP request: {error}.") from None
        size = len(request.spans) + len(request.logs)
        if size > LIMITS.items_max:
            message = f"A body holds at most {LIMITS.items_max} spans or log records, this one {size}."
            raise BodyRefusedError(413, "too_many_items", message)
        if self._providers is None:
            self._providers = ProviderNames(self._catalog())
        counted, reasons = Counted(), list(request.malformed)
        texts = self._spans(request, self._providers, counted, reasons, whose)
        texts += _logs(request, self._providers, counted, reasons)
        counted.metric_points = sum(each.points for each in request.metrics)
        counted.malformed = len(reasons)
        return Read(Items(texts, others=msgspec.structs.asdict(counted)), counted, reasons)

    def _spans(
        self, request: Request, providers: ProviderNames, counted: Counted, reasons: list[str], whose: str
    ) -> list[bytes]:
        kinds = {id(span): kind_of(span) for span in request.spans}
        agents = _agents(request.spans)
        events: dict[int, Event] = {}
        calls: list[Span] = []
        for span in request.spans:
            kind = kinds[id(span)]
            if kind == "total":
                counted.parent_totals += 1
            elif kind == "other":
                counted.other_spans += 1
            else:
                try:
                    events[id(span)] = event_of_span(span, providers, agents)
                    calls.append(span)
                except MalformedError as error:
                    reasons.append(str(error))
                except NoUsageError:
                    counted.calls_without_usage += 1
        selected = self._parents.select(request.spans, calls, whose)
        counted.parent_totals += len(calls) - len(selected)
        counted.calls += len(selected)
        texts = [encode_event(events[id(span)]) for span in selected]
        unseen = [(span, count) for span in selected if (count := unseen_beside(span))]
        if unseen:
            counted.sampled_calls = len(unseen)
            counted.unseen_calls = sum(count for _, count in unseen)
            texts.append(encode_event(_left_out(unseen)))
        return texts


def _logs(request: Request, providers: ProviderNames, counted: Counted, reasons: list[str]) -> list[bytes]:
    texts: list[bytes] = []
    for record in request.logs:
        try:
            event = event_of_log(record, providers)
        except MalformedError as error:
            reasons.append(str(error))
        except NoUsageError:
            counted.calls_without_usage += 1
        else:
            if event is None:
                counted.other_logs += 1
            else:
                counted.calls += 1
                texts.append(encode_event(event))
    return texts


def _agents(spans: Sequence[Span]) -> dict[str, str]:
    """Return for spans of a request the name of the nearest agent around them, where it was sent along."""
    by_id = {span.span_id: span for span in spans}
    own = {span.span_id: name for span in spans if (name := _agent_name(span))}
    found: dict[str, str] = {}
    if not own:
        return found
    for span in spans:
        at, steps = span, 0
        while at.parent_id in by_id and steps < 64:
            at, steps = by_id[at.parent_id], steps + 1
            if at.span_id in own:
                found[span.span_id] = own[at.span_id]
                break
    return found


def _agent_name(span: Span) -> str | None:
    name = text_of(span.attributes, names.AGENT)
    if name is None and any(str(span.attributes.get(key, "")).lower() == "agent" for key in names.KIND):
        return text_of(span.attributes, ("traceloop.entity.name",)) or span.name or None
    return name


def _left_out(unseen: Sequence[tuple[Span, int]]) -> Event:
    """Return the event that says how many calls samplers left out beside some that were sent."""
    digest = hashlib.sha256()
    for span, _ in unseen:
        digest.update(f"{span.trace_id}/{span.span_id}\n".encode())
    count = sum(each for _, each in unseen)
    return Event(
        id=f"sampled/{digest.hexdigest()[:32]}",
        source=SOURCE,
        type="loss",
        time=moment_text(min(span.start_ns for span, _ in unseen)),
        ended_at=moment_text(max(max(span.end_ns, span.start_ns) for span, _ in unseen)),
        records=count,
        exchanges=count,
        reason=SAMPLED,
    )


def content_type(headers: Headers) -> str:
    """Return JSON or PROTOBUF.

    Raises:
        BodyRefusedError: It is neither.
    """
    values = [value for name, value in headers if name == b"content-type"]
    kind = values[0].decode("latin-1").partition(";")[0].strip().lower() if len(values) == 1 else ""
    if kind not in (JSON, PROTOBUF):
        raise BodyRefusedError(
            415, "content_type_unknown", f"Content-Type is {PROTOBUF} or {JSON}: OTLP over HTTP, not gRPC."
        )
    return kind
