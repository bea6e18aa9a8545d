"""What is read of an OTLP request: spans, log records and metrics, without any content.

https://opentelemetry.io/docs/specs/otlp/
"""

from __future__ import annotations

from typing import Literal

import msgspec

Signal = Literal["traces", "logs", "metrics"]

Value = str | int | float | bool | list[str]
"""An attribute's value, as far as one is wanted."""
Attributes = dict[str, Value]

OUTPUT_ID = "farebox.output.id"
"""The id that a response in an attribute has; of the response nothing else is kept."""


class MalformedError(ValueError):
    """A span or log record that makes no sense. Its neighbours are read all the same."""


class Span(msgspec.Struct, kw_only=True, gc=False):
    """One operation. Ids are hexadecimal, times nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    trace_state: str = ""
    name: str = ""
    start_ns: int = 0
    end_ns: int = 0
    is_error: bool = False
    attributes: Attributes
    scope: str = ""
    """The name of the instrumentation."""
    resource: Attributes


class LogRecord(msgspec.Struct, kw_only=True, gc=False):
    """One event. Without a span the ids are empty."""

    trace_id: str = ""
    span_id: str = ""
    time_ns: int = 0
    event: str = ""
    """What happened, by whichever field says it."""
    attributes: Attributes
    scope: str = ""
    resource: Attributes


class Metric(msgspec.Struct, kw_only=True, gc=False):
    """A metric's name, and how many data points of it were sent."""

    name: str
    points: int


class Request(msgspec.Struct, kw_only=True):
    """One request, read."""

    spans: list[Span] = []
    logs: list[LogRecord] = []
    metrics: list[Metric] = []
    malformed: list[str] = []
    """Of each item that could not be read, why."""
