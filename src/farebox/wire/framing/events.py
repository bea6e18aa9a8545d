"""Find the few events of a text stream that matter, without parsing the others.

Server-sent events (LF, CRLF or CR, comments, several `data:` lines, a byte order mark) and NDJSON.
Bytes are gathered and searched in batches at C speed; an event is decoded once, and only if it holds
usage, an error, or the id and model that nothing has told yet. Memory is bounded: an event too large to
be held (a picture, a minute of sound) is cut down while it passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from farebox.wire.framing.largejson import JsonPruner, Wanted
from farebox.wire.usage.json_reader import key_pattern

BATCH_BYTES = 32 * 1024
HELD_BYTES_MAX = 256 * 1024
"""An event up to this size is held whole."""
_FIRST_EVENTS_MAX = 16
_TAIL_BYTES = 4096
_DATA = b"data:"

_ERROR_KEY = b'error"'
_ERROR = key_pattern(("error",), rb'[{"]')


class EventScanner:
    """Feed it the bytes of a stream in any pieces; it hands interesting payloads to `decode`."""

    def __init__(
        self,
        *,
        separator: bytes,
        watch: tuple[re.Pattern[bytes], ...],
        marks: tuple[bytes, ...],
        decode: Callable[[bytes], None],
        identified: Callable[[], bool],
        keep: Wanted,
        pass_over: Callable[[bytes], None],
    ) -> None:
        """One of `marks` stands in every event that `watch` finds and that counts; empty where none does.

        A large event is cut down to what is to be kept of it; `pass_over` sees its text as it passes.
        """
        self._separator = separator
        self._sse = separator == b"\n\n"
        self._watch = watch
        self._marks = marks
        self._decode = decode
        self._identified = identified
        self._keep = keep
        self._pass_over = pass_over
        self._large: _LargeEvent | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._due = BATCH_BYTES
        self._started = False
        self._looking = True
        self._first_events = 0
        self._last = b""
        self.problem: str | None = None
        """`event_too_large`: more was asked for in one event than is kept of any."""

    def release(self) -> None:
        """Let go of what the payloads were handed to: it holds this scanner, and a cycle lives on."""
        self._decode = self._pass_over = _ignored
        self._identified = bool

    @property
    def tail(self) -> bytes:
        """The last complete events, 4 KB or one larger: where a stream says how it ended."""
        last = self._last
        if len(last) > _TAIL_BYTES:
            start = last.rfind(self._separator, 0, len(last) - _TAIL_BYTES)
            if start >= 0:
                return last[start + len(self._separator) :]
        return last

    def feed(self, data: bytes) -> None:
        """Take in more of the stream."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= self._due:
            self._search(final=False)

    def flush(self) -> None:
        """Search what has arrived so far (for a snapshot)."""
        if self._pieces:
            self._search(final=False)

    def finish(self) -> None:
        """Search the rest; a last event may lack its blank line."""
        if self._pieces:
            self._search(final=True)

    def _search(self, *, final: bool) -> None:
        text = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        if not self._started:
            if not final and len(text) < 3:
                return  # too short to tell a byte order mark
            self._started = True
            text = text.removeprefix(b"\xef\xbb\xbf")
        held = b""
        if b"\r" in text:
            if not final and text.endswith(b"\r"):
                # Its LF may be the next byte: whether one line ended or two is not known yet.
                text, held = text[:-1], b"\r"
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        separator = self._separator
        if final:
            text += separator
        if self._large is not None:
            text = self._through_large(self._large, text)
        cut = text.rfind(separator)
        cut = cut + len(separator) if cut >= 0 else 0
        region, rest = text[:cut], text[cut:]
        if region:
            self._events(region)
        if len(rest) > HELD_BYTES_MAX and self._large is None:
            self._large = _LargeEvent(self._keep, self._pass_over, sse=self._sse)
            rest = self._through_large(self._large, rest)
        rest += held
        self._pieces = [rest] if rest else []
        self._size = len(rest)
        # A large event is searched for its end when it has doubled, not at every piece of it.
        self._due = min(max(BATCH_BYTES, 2 * len(rest)), HELD_BYTES_MAX + BATCH_BYTES)

    def _through_large(self, large: _LargeEvent, text: bytes) -> bytes:
        """Take in more of a large event; return what follows it, or its last bytes to be looked at again."""
        separator = self._separator
        end = text.find(separator)
        if end < 0:
            more = len(text) - len(separator) + 1
            large.feed(text[:more])
            return text[more:]
        large.feed(text[:end])
        self._large = None
        payload = large.payload()
        if large.left_out:
            self.problem = "event_too_large"
        if payload:
            self._first_events += 1
            self._decode(payload)
            self._last = (b"data: " if self._sse else b"") + payload + separator
        return text[end + len(separator) :]

    def _events(self, region: bytes) -> None:
        separator = self._separator
        width = len(separator)
        position = 0
        if self._looking:
            position = self._first(region)
        marks = self._marks
        if marks:
            at = size = len(region)
            for mark in marks:
                found = region.find(mark, position, at)
                at = found if found >= 0 else at
            if at == size:
                at = max(position, size - _TAIL_BYTES)  # an odd one can still be the last
            start = region.rfind(separator, position, at)
            position = position if start < 0 else start + width
        hits: list[int] = []
        for pattern in self._watch:
            hits += [match.start() for match in pattern.finditer(region, position)]
        if len(self._watch) > 1:
            hits.sort()
        for hit in hits:
            if hit < position:
                continue
            start = region.rfind(separator, position, hit)
            start = position if start < 0 else start + width
            end = region.find(separator, hit)
            self.event(region[start:end])
            position = end + width
        self._last = region if len(region) >= _TAIL_BYTES else self.tail + region

    def _first(self, region: bytes) -> int:
        """Decode the first events until id and model are known; return where that ended."""
        position = 0
        while self._first_events < _FIRST_EVENTS_MAX and not self._identified():
            end = region.find(self._separator, position)
            if end < 0:
                return position
            if self.event(region[position:end]):
                self._first_events += 1
            position = end + len(self._separator)
        self._looking = False
        return position

    def last_payload(self) -> bytes:
        """Return the payload of the last complete event."""
        separator = self._separator
        event = self.tail.removesuffix(separator).rpartition(separator)[2]
        return self._payload(event) if self._sse else event.strip()

    def event(self, event: bytes) -> bool:
        """Hand an event's payload on; return whether it had any."""
        payload = self._payload(event) if self._sse else event.strip()
        if not payload or payload == b"[DONE]":
            return False
        self._decode(payload)
        return True

    @staticmethod
    def _payload(event: bytes) -> bytes:
        """Return an event's data: its `data:` lines joined, comments and other fields left out."""
        if event.startswith(b"data:") and b"\n" not in event:
            return event[5:].strip()
        lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
        return b"\n".join(lines).strip()

    def errors(self) -> list[bytes]:
        """Return the events of the tail that report an error: a 200 can end in one."""
        tail = self.tail
        found: list[bytes] = []
        if _ERROR_KEY not in tail:
            return found
        for match in _ERROR.finditer(tail):
            start = tail.rfind(self._separator, 0, match.start())
            end = tail.find(self._separator, match.end())
            found.append(tail[start + len(self._separator) if start >= 0 else 0 : end])
        return found


_OVERLAP_BYTES = 256
"""A condition that `pass_over` looks for is shorter."""


class _LargeEvent:
    """An event that is cut down while it passes: the JSON in its `data:` lines, other lines left out."""

    def __init__(self, keep: Wanted, pass_over: Callable[[bytes], None], *, sse: bool) -> None:
        self._pruner = JsonPruner(keep)
        self._pass_over = pass_over
        self._overlap = b""
        self._sse = sse
        self._line = b""
        """The start of a line that does not tell yet what it is."""
        self._is_data: bool | None = None if sse else True

    def feed(self, text: bytes) -> None:
        """Take in more of it."""
        seen = self._overlap + text
        self._pass_over(seen)
        self._overlap = seen[-_OVERLAP_BYTES:]
        if not self._sse:
            self._pruner.feed(text)
            return
        text, self._line = self._line + text, b""
        position = 0
        while position < len(text):
            end = text.find(b"\n", position)
            if self._is_data is None:
                if end < 0 and len(text) - position < len(_DATA):
                    self._line = text[position:]
                    return
                self._is_data = text.startswith(_DATA, position)
                if self._is_data:
                    position += len(_DATA)
            if self._is_data:
                self._pruner.feed(text[position : len(text) if end < 0 else end])
            if end < 0:
                return
            self._is_data = None
            position = end + 1

    @property
    def left_out(self) -> bool:
        return self._pruner.left_out

    def payload(self) -> bytes:
        """Return what was kept of its JSON, nothing where it was none."""
        pruner = self._pruner
        return pruner.result() if pruner.closed and pruner.problem is None else b""


def _ignored(_payload: bytes) -> None:
    return
