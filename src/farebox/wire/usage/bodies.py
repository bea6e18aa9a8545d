"""Ways of reading an answer's body of text: a JSON document, a stream of events, neither.

The meter hands on what has arrived in batches of `due` bytes; a body looks at a batch at C speed
and tells the answer's `Gathering` what matters in it. Each holds a bounded amount.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Protocol

import msgspec

from farebox.wire.framing.events import BATCH_BYTES, EventScanner
from farebox.wire.framing.eventstream import is_event_stream
from farebox.wire.framing.largejson import JsonPruner, prune
from farebox.wire.usage.compiled_format import Plan
from farebox.wire.usage.extract import Gathering
from farebox.wire.usage.json_reader import SMALL_BYTES, Document
from farebox.wire.usage.protobuf_usage import EventStreamBody

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TOLD_BYTES = 6  # what tells `data:` and `event:` from other text
_LINE_TYPES = (b"ndjson", b"jsonl", b"stream+json", b"json-seq", b"json-lines")
_EVENT_STARTS = (b"data:", b"event:", b":", b"id:", b"retry:")
_BINARY_START = b"\0"
_BINARY_BYTES = 12  # what tells an event stream of AWS


class Body(Protocol):
    """One way of reading a body. `feed` returns the body to go on with when that changes."""

    streamed: bool
    problem: str | None
    due: int
    """How many bytes to gather before they are worth looking at."""

    def feed(self, data: bytes) -> Body | None:
        """Take in a batch."""

    def flush(self) -> None:
        """Look at what has arrived, there may be more."""

    def finish(self) -> None:
        """Look at what has arrived, there is no more."""

    def ended(self, plan: Plan) -> bool:
        """Return whether the answer said itself that it is complete."""
        ...


class Ignored:
    """Nothing in it is of interest: audio, an endpoint without a format."""

    streamed = False
    problem: str | None = None
    due = 0

    def feed(self, data: bytes) -> Body | None:
        return None

    def flush(self) -> None:
        pass

    def finish(self) -> None:
        pass

    def ended(self, plan: Plan) -> bool:
        return True


class Unknown:
    """The first bytes, until they tell what the body is."""

    streamed = False
    problem: str | None = None
    due = 0

    def __init__(self, gathering: Gathering, content_type: bytes) -> None:
        self._gathering = gathering
        self._content_type = content_type
        self._start = b""

    def feed(self, data: bytes) -> Body | None:
        # Any amount of white space may stand before a body: a server says so that it is still there.
        text = (self._start + data).removeprefix(_BYTE_ORDER_MARK).lstrip()
        needed = _BINARY_BYTES if text[:1] == _BINARY_START else _TOLD_BYTES
        if len(text) < needed and text[:1] not in (b"{", b"["):
            self._start = text
            return None
        self._start = b""
        body = self._choose(text)
        return body.feed(text) or body

    def _choose(self, text: bytes) -> Body:
        lines, events = _kind(self._content_type)
        if text[:1] in (b"{", b"["):
            lines = lines or self._gathering.plan.format.each is not None
            return Events(self._gathering, b"\n") if lines else Json(self._gathering)
        if text[:1] == _BINARY_START and is_event_stream(text):
            return EventStreamBody(self._gathering, partial(Events, self._gathering, b"\n\n"))
        if events or text.startswith(_EVENT_STARTS):
            return Events(self._gathering, b"\n\n")
        return Ignored()

    def flush(self) -> None:
        pass

    def finish(self) -> None:
        if self._start.strip():
            self.problem = "body_not_json"

    def ended(self, plan: Plan) -> bool:
        return False


@lru_cache(maxsize=256)
def _kind(content_type: bytes) -> tuple[bool, bool]:
    """Return whether a content type means lines of JSON, and whether it means events."""
    kind = content_type.lower()
    return any(name in kind for name in _LINE_TYPES), b"event-stream" in kind


class Json:
    """A JSON document: kept whole while small, cut down while it passes when large."""

    streamed = False
    problem: str | None = None
    due = SMALL_BYTES + 1
    _text = b""
    _pruner: JsonPruner | None = None
    _done = False

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering

    def feed(self, data: bytes) -> Body | None:
        if self._pruner is not None:
            self._prune(data)
            return None
        text = self._text = self._text + data if self._text else data
        if len(text) <= SMALL_BYTES:
            return None
        self._text = b""
        if self._is_lines(text):
            lines = Events(self._gathering, b"\n")
            lines.feed(text)
            return lines
        self._prune(text)
        return None

    def _prune(self, text: bytes) -> None:
        """Go on reading what is large, or a list, while it passes."""
        pruner = self._pruner
        if pruner is None:
            pruner = self._pruner = JsonPruner(self._gathering.plan.reader.keep)
        pruner.feed(text)
        entries = pruner.entries
        if entries:
            for entry in entries:
                self._add(entry)
            entries.clear()

    def _is_lines(self, text: bytes) -> bool:
        """Return whether this is one document a line, though the content type does not say so."""
        first, ended, more = text.partition(b"\n")
        if not ended or not more.strip():
            return False
        try:
            self._gathering.plan.reader.read(first)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return False
        return True

    def flush(self) -> None:
        """A document says nothing before its end."""

    def finish(self) -> None:
        if self._done:
            return
        self._done = True
        text, self._text = self._text, b""
        if self._pruner is None and self._read_strictly(text):
            return
        self._prune(text)
        pruner = self._pruner
        if pruner is None:
            return
        self.streamed = pruner.entries is not None
        self.problem = pruner.problem
        if pruner.problem is None and not pruner.closed:
            self.problem = "body_incomplete"
        elif pruner.left_out:
            self.problem = "body_too_large"
        if not self.streamed:
            self._add(pruner.so_far())

    def _add(self, text: bytes) -> None:
        try:
            self._gathering.add(self._gathering.plan.reader.read(text))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self.problem = self.problem or "body_not_json"

    def _read_strictly(self, text: bytes) -> bool:
        """Read a small document, or several; return whether nothing was wrong with it."""
        if text[:1] == b"[":
            return False
        try:
            self._gathering.add(self._gathering.plan.reader.read_strictly(text))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return self._read_lines(text)
        return True

    def _read_lines(self, text: bytes) -> bool:
        """Read one document a line, for line streams whose content type does not say so."""
        reader = self._gathering.plan.reader
        lines = [line for line in text.split(b"\n") if line.strip()]
        documents: list[Document] = []
        try:
            documents += [reader.read(line) for line in lines]
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self.problem = "body_not_json" if len(documents) > 1 else None
        if len(documents) > 1:
            self.streamed = True
            for document in documents:
                self._gathering.add(document)
        return len(documents) > 1

    def ended(self, plan: Plan) -> bool:
        return self._done and self.problem is None


class Events:
    """A stream of events: server-sent, or one JSON document a line."""

    streamed = True
    problem: str | None = None
    due = BATCH_BYTES
    _terminal = False

    def __init__(self, gathering: Gathering, separator: bytes) -> None:
        self._gathering = gathering
        self._scanner = EventScanner(
            separator=separator,
            watch=gathering.plan.watching,
            marks=gathering.plan.marks,
            decode=self._read,
            identified=gathering.is_identified,
            keep=gathering.plan.reader.keep,
            pass_over=self._pass_over,
        )

    def feed(self, data: bytes) -> Body | None:
        self._scanner.feed(data)
        return None

    def flush(self) -> None:
        self._scanner.flush()

    def finish(self) -> None:
        scanner = self._scanner
        scanner.finish()
        for event in scanner.errors() if self._gathering.error_code is None else ():
            scanner.event(event)
        self.problem = scanner.problem
        scanner.release()

    def _read(self, payload: bytes) -> None:
        reader = self._gathering.plan.reader
        text = prune(payload, reader.keep) if len(payload) > SMALL_BYTES else payload
        try:
            self._gathering.add(reader.read(text))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return  # an event that is not JSON tells nothing; the terminal check still counts
        self._pass_over(payload)

    def _pass_over(self, text: bytes) -> None:
        terminal = self._gathering.plan.terminal
        if terminal is not None and not self._terminal and terminal.search(text):
            self._terminal = True

    def ended(self, plan: Plan) -> bool:
        terminal = plan.terminal
        return terminal is None or self._terminal or terminal.search(self._scanner.tail) is not None

    def said_all(self, plan: Plan) -> bool:
        """Return whether the stream's last event has come, or, where it has none, its end and its usage."""
        if plan.last_event is None and not plan.last_payloads:
            return plan.terminal is not None and self.ended(plan) and self._gathering.usage is not None
        payload = self._scanner.last_payload()
        if payload in plan.last_payloads:
            return True
        return plan.last_event is not None and plan.last_event.search(payload) is not None
