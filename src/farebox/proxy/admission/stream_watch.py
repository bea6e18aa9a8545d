"""Watch a stream that may cost more than is held for it: hold more as it grows, or end it with an error.

Only calls that nothing bounds, or of which only what is likely is held, are watched. How much has been made
so far is estimated by what has passed; what counts in the end is what the provider states. Sans-io.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING

from farebox.proxy.admission import own_response
from farebox.wire.http.include_usage import last_end

if TYPE_CHECKING:
    from farebox.budgets.hold import Hold
    from farebox.budgets.refusal import Refusal
    from farebox.money import PicoUsd

_TOKEN_BYTES = 3
"""Of text: most has more to a token."""
_TEXT = re.compile(
    rb'"(?:text|content|delta|partial_json|arguments|thinking|reasoning|reasoning_content)"\s{0,4}:\s{0,4}'
    rb'"((?:[^"\\]|\\.)*+)"'
)
"""What a model writes, wherever it stands in an event."""
_CARRIED_MAX = 64 * 1024
_STEP = 64
"""After so many more tokens it is seen whether what is held is still enough, and after an eighth more."""
_PRELUDE, _NUMBER = Struct(">II"), Struct(">I")
_SEQUENCE = re.compile(rb'"sequence_number"\s{0,4}:\s{0,4}(\d{1,9})')

SSE, NDJSON, EVENT_STREAM = "text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream"
ARRAY = "application/json"
"""A list of responses: Gemini's streams that are not asked for as events."""
_MARKS = {SSE: b"data:", NDJSON: b"\n", EVENT_STREAM: b":message-type", ARRAY: b'"candidates"'}
_STRUCTURE = re.compile(rb'[\\"\[\]{}]')


class StreamWatch:
    """One stream's."""

    def __init__(
        self,
        hold: Hold,
        cost_of: Callable[[int], PicoUsd | None],
        why: Callable[[], Refusal],
        *,
        shape: str,
        surface: str,
        streamed: bool = True,
    ) -> None:
        """`cost_of`: about what the call costs with so many tokens of output, None where nobody knows; `why`:
        what the client is told; `streamed`: the request asks for a stream."""
        self._streamed = streamed
        self._hold = hold
        self._cost_of = cost_of
        self._why = why
        self._shape = shape
        self._surface = surface.rpartition(".")[2]
        self._framing: str | None = None
        self._tokens = 0
        self._carried = b""
        self._look_at = 0
        self._frames = _Frames()
        self._elements = _Elements()
        self.due = False
        """The stream is to end; it does where an event of it ends."""
        self.is_over = False
        """Nothing more is watched: there is no more room, and the budget lets it finish."""

    def begins(self, content_type: str, *, encoded: bool) -> bool:
        """Take note of how the response is framed; return whether it is a stream at all."""
        kind = content_type.partition(";")[0].strip().lower()
        self._framing = kind if kind in _MARKS and not encoded else None
        return kind != ARRAY or self._streamed

    @property
    def can_end_well(self) -> bool:
        """Whether an error of ours can follow what has passed; else the connection has to be broken off."""
        return self._framing is not None

    def take(self, content: bytes) -> bytes | None:
        """Take in what is about to pass; return what is to pass instead where it ends with that."""
        if self.is_over:
            return None
        tokens = self._tokens = self._tokens + self._written(content)
        if not self.due and tokens >= self._look_at:
            self._look_at = tokens + max(_STEP, tokens // 8)
            self._see(tokens)
        end = self._end_in(content)
        if not self.due or end < 0:
            return None
        return content[:end] + self._closing(content[:end])

    def refusal(self) -> Refusal:
        """Return why it ends."""
        return self._why()

    # Details.

    def _written(self, content: bytes) -> int:
        """Return about how many tokens a piece of the stream is."""
        mark = _MARKS.get(self._framing or "")
        if mark is None:
            return -(-len(content) // _TOKEN_BYTES)
        text = self._carried + content
        end = (
            len(text)
            if self._framing == EVENT_STREAM
            else text.rfind(b"}" if self._framing == ARRAY else b"\n") + 1
        )
        self._carried = text[end:][-_CARRIED_MAX:]
        written = sum([-(-len(said) // _TOKEN_BYTES) for said in _TEXT.findall(text, 0, end)])
        return max(written, text.count(mark, 0, end))

    def _see(self, tokens: int) -> None:
        cost = self._cost_of(tokens)
        if cost is None or self._hold.covers(cost + cost // 8):
            return
        if self._hold.grow(cost + cost // 4) or self._hold.grow(cost + cost // 8):
            return
        self._hold.note(cost)
        if self._hold.is_cut:
            self.due = True
        else:
            self.is_over = True

    def _end_in(self, content: bytes) -> int:
        """Return where the last event that is whole ends in `content`, -1 where none does."""
        if self._framing == EVENT_STREAM:
            return self._frames.take(content)
        if self._framing == ARRAY:
            return self._elements.take(content)
        if self._framing == NDJSON:
            return content.rfind(b"\n") + 1 or -1
        if self._framing == SSE:
            return last_end(content) or -1
        return -1

    def _closing(self, passed: bytes) -> bytes:
        why = self._why()
        shape = self._shape
        if self._framing == EVENT_STREAM:
            return exception_frame(
                "throttlingException", own_response.error_body("aws", 429, why.slug, why.message)
            )
        if self._framing == ARRAY:
            return b",\r\n" + own_response.error_body(shape, 429, why.slug, why.message) + b"]"
        if self._framing == NDJSON:
            return own_response.error_body("ollama", 429, why.slug, why.message) + b"\n"
        if self._surface == "messages":
            body = own_response.error_body("anthropic", 429, why.slug, why.message)
            return b"event: error\ndata: " + body + b"\n\n"
        if self._surface == "responses":
            # https://platform.openai.com/docs/api-reference/responses-streaming/error
            last = _SEQUENCE.findall(passed)
            more = {
                "code": "insufficient_quota",
                "message": f"Farebox: {why.message}",
                "param": None,
                "sequence_number": int(last[-1]) + 1 if last else 0,
            }
            said = own_response.error_event("openai", 429, why.slug, why.message, more)
            return b"event: error\ndata: " + said + b"\n\n"
        return b"data: " + own_response.error_body(shape, 429, why.slug, why.message) + b"\n\n"


class _Frames:
    """Where messages of an AWS event stream end."""

    def __init__(self) -> None:
        self._left = 0
        self._head = b""

    def take(self, content: bytes) -> int:
        """Return where the last message that is whole ends in `content`, -1 where none does."""
        position, end = 0, -1
        while position < len(content):
            if not self._left:
                missing = 4 - len(self._head)
                self._head += content[position : position + missing]
                position += missing
                if len(self._head) < 4:
                    break
                self._left = max(_NUMBER.unpack(self._head)[0] - 4, 1)
                self._head = b""
                continue
            taken = min(self._left, len(content) - position)
            self._left -= taken
            position += taken
            if not self._left:
                end = position
        return end


class _Elements:
    """Where elements of a JSON list end."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._skipped = 0
        """Bytes of the next piece that belong to an escape."""

    def take(self, content: bytes) -> int:
        """Return where the last element that is whole ends in `content`, -1 where none does."""
        free, self._skipped = self._skipped, 0
        end = -1
        for found in _STRUCTURE.finditer(content):
            at, sign = found.start(), found.group()
            if at < free:
                continue
            if sign == b"\\":
                free = at + 2
            elif sign == b'"':
                self._in_string = not self._in_string
            elif self._in_string:
                continue
            elif sign in b"[{":
                self._depth += 1
            else:
                self._depth -= 1
                end = at + 1 if self._depth == 1 else end
        self._skipped = max(0, free - len(content))
        return end


def exception_frame(kind: str, payload: bytes) -> bytes:
    """Return a message of an AWS event stream that says that it ends with an exception
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html)."""
    headers = b"".join(
        bytes((len(name),)) + name + b"\x07" + len(value).to_bytes(2, "big") + value
        for name, value in (
            (b":exception-type", kind.encode()),
            (b":content-type", b"application/json"),
            (b":message-type", b"exception"),
        )
    )
    prelude = _PRELUDE.pack(16 + len(headers) + len(payload), len(headers))
    message = prelude + _NUMBER.pack(zlib.crc32(prelude)) + headers + payload
    return message + _NUMBER.pack(zlib.crc32(message))
