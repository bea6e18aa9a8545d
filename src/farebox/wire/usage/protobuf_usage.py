"""Read bodies in binary framings: AWS event streams, gRPC.

The same duty as the text bodies of `farebox.wire.meter`: feed the documents that matter to a
`Gathering`, tell how the body ended, hold a bounded amount.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from farebox.catalog.shape import ProtoField
from farebox.wire.framing.eventstream import EventStream
from farebox.wire.framing.grpc import GrpcMessages
from farebox.wire.framing.largejson import prune
from farebox.wire.framing.protobuf import ProtobufError, read_message
from farebox.wire.http.paths import getter
from farebox.wire.usage.compiled_format import Plan
from farebox.wire.usage.extract import Gathering
from farebox.wire.usage.json_reader import Document

_SMALL_BYTES = 64 * 1024
_FIRST_EVENTS_MAX = 16
_BY_NAME = "@event="
_ENVELOPE = "chunk"
"""The event whose payload is JSON around base64 of what a model itself sent."""
_PIECE = "PayloadPart"
"""The event whose payload is a piece of text, cut anywhere: what SageMaker's containers stream.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_PayloadPart.html"""
_INNER = re.compile(rb'"bytes"\s*:\s*"([A-Za-z0-9+/=\\]*)"')


class TextStream(Protocol):
    """A body of text inside an event stream."""

    problem: str | None

    def feed(self, data: bytes) -> object:
        """Take in a piece."""

    def flush(self) -> None:
        """Look at what has arrived, there may be more."""

    def finish(self) -> None:
        """Look at what has arrived, there is no more."""

    def ended(self, plan: Plan) -> bool:
        """Return whether the text said itself that it is complete."""
        ...


class EventStreamBody:
    """An AWS event stream whose events are JSON documents, or pieces of a stream of text."""

    streamed = True
    due = 0

    def __init__(self, gathering: Gathering, text_stream: Callable[[], TextStream]) -> None:
        self._gathering = gathering
        self._text_stream = text_stream
        self._text: TextStream | None = None
        self._stream = EventStream(self._message)
        self._terminal = False
        terminal = gathering.plan.format.terminal
        self._last_events = frozenset(
            name
            for text in terminal
            if text.startswith(_BY_NAME)
            for name in text[len(_BY_NAME) :].split("|")
        )
        self._says_terminal = not all(text.startswith(_BY_NAME) for text in terminal)
        plan = gathering.plan
        tells = plan.format.each is None and bool(plan.format.id or plan.format.model)
        self._first_events = 0 if tells else _FIRST_EVENTS_MAX
        self.problem: str | None = None

    def feed(self, data: bytes) -> None:
        self._stream.feed(data)

    def flush(self) -> None:
        """Look at the text; every whole message has been read as it came."""
        if self._text is not None:
            self._text.flush()

    def finish(self) -> None:
        self.problem = self._stream.problem
        if self._text is not None:
            self._text.finish()
            self.problem = self.problem or self._text.problem
        if self.problem is None and not self._stream.between_messages:
            self.problem = "stream_ended_early"

    def ended(self, plan: Plan) -> bool:
        if self._text is not None:
            return self._text.ended(plan)
        if plan.terminal is None:
            return self._stream.between_messages
        return self._terminal

    def _message(self, kind: str, name: str, payload: bytes) -> None:
        gathering = self._gathering
        if kind != "event":
            # An exception in the middle of a stream that began well.
            if gathering.error_code is None:
                gathering.error_code = name[:128]
            return
        if name == _PIECE:
            self._text = self._text or self._text_stream()
            self._text.feed(payload)
            return
        if name == _ENVELOPE:
            payload = _inner(payload)
        plan = gathering.plan
        if not self._terminal:
            self._terminal = name in self._last_events or (
                self._says_terminal and plan.terminal is not None and bool(plan.terminal.search(payload))
            )
        if not self._matters(plan, payload):
            return
        if len(payload) > _SMALL_BYTES:
            payload = prune(payload, plan.reader.keep)
        try:
            document = plan.reader.read(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return  # text of an agent, or a shape nobody knows
        gathering.add(document)

    def _matters(self, plan: Plan, payload: bytes) -> bool:
        """Return whether an event is worth decoding."""
        gathering = self._gathering
        if self._first_events < _FIRST_EVENTS_MAX:
            # The first events know id and model.
            self._first_events += 1
            if gathering.response_id is None or gathering.response_model is None:
                return True
        if plan.watch is not None and plan.watch.search(payload):
            return True
        return plan.watch_values is not None and plan.watch_values.search(payload) is not None


def _inner(payload: bytes) -> bytes:
    """Return what an envelope holds, nothing where it is none."""
    match = _INNER.search(payload)
    if match is None:
        return b""
    try:
        return base64.b64decode(match.group(1).replace(b"\\/", b"/"), validate=True)
    except (binascii.Error, ValueError):
        return b""


class GrpcBody:
    """The messages of a gRPC answer, read by the format's protobuf fields."""

    due = 0

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._messages = GrpcMessages(self._message)
        self.streamed = False
        self.problem: str | None = None
        self._unreadable = False

    def feed(self, data: bytes) -> None:
        self._messages.feed(data)

    def flush(self) -> None:
        """Every whole message has been read as it came."""

    def finish(self) -> None:
        self.problem = self._messages.problem
        if self.problem is None and self._unreadable:
            self.problem = "body_not_protobuf"
        if self.problem is None and not self._messages.between_messages:
            self.problem = "stream_ended_early"

    def ended(self, plan: Plan) -> bool:
        return self._messages.between_messages

    def _message(self, message: bytes) -> None:
        gathering = self._gathering
        protobuf = gathering.plan.format.protobuf
        if protobuf is None:
            return
        self.streamed = gathering.documents > 0
        try:
            fields = read_message(message, protobuf.response)
        except ProtobufError:
            self._unreadable = True
            return
        gathering.add(_document(fields, gathering.plan.format.usage))


def _document(fields: dict[str, Any], places: tuple[str, ...]) -> Document:
    for path in places:
        usage = getter(path)(fields)
        if isinstance(usage, dict) and usage:
            return Document(fields, usage, None)
    return Document(fields, None, None)


class GrpcRequest:
    """Stands in for `RequestReader` where the request is protobuf."""

    def __init__(self, schema: dict[int, ProtoField]) -> None:
        self._schema = schema
        self._fields: dict[str, Any] = {}
        self._messages = GrpcMessages(self._message)
        self.body_bytes = 0

    def feed(self, data: bytes) -> None:
        self.body_bytes += len(data)
        self._messages.feed(data)

    def body(self) -> dict[str, Any]:
        """Return the fields of the last message that could be read."""
        return self._fields

    def _message(self, message: bytes) -> None:
        try:
            self._fields = read_message(message, self._schema)
        except ProtobufError:
            self._fields = {}
