"""The response on its way back: its head, its framing, what the client gets of it.

Sans-io. The bytes that came are the bytes that go, chunk by chunk, unless the client speaks
HTTP/1.0, the response has no framing of its own, or the extra usage event is taken out again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.proxy.admission.heads import next_response, write_response
from farebox.proxy.http1.chunked import LAST_CHUNK, ChunkedBody, FramingError, chunk
from farebox.wire.http.include_usage import UsageChunkFilter
from farebox.wire.http.request_id import request_id_of
from farebox.wire.http.request_policy import OWN_PREFIX, Headers, Refusal, head_limit
from farebox.wire.http.response_policy import ResponseHead, may_be_trailer

if TYPE_CHECKING:
    from farebox.proxy.admission.routed_request import RoutedRequest
    from farebox.proxy.admission.stream_watch import StreamWatch
    from farebox.recording.guarded_meter import GuardedMeter

_AS_IT_CAME, _CHUNKED, _PLAIN = range(3)
"""How the body is written: raw, framed anew, or bare until the connection closes."""
_UNTIL_CLOSED = -1
_TAIL = 128
"""Bytes of the content before, in case a terminal event comes in two pieces."""
_SEARCHED = 4096
INTERIM_MAX = 100
"""Interim responses before the one that counts: each costs its sender twenty bytes and us a parse."""
_BEGINNING = b"HTTP/1."
_LAST_SIZE = b"0\r\n"


class BrokenResponse(Exception):
    """A response that cannot be passed on. `rule` is the policy's slug."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class Response:
    """One response. Feed it what the upstream sends; it returns what goes to the client."""

    # What is the same until the response says otherwise.
    head: ResponseHead | None = None
    status = 0
    body_bytes = 0
    complete = False
    begun = False
    """The client has been sent its head."""
    keep_client = False
    """Whether the client's connection can serve another request after this response."""
    milestone = False
    """What was fed last says that the stream is over, or what it cost: worth a record before it is
    passed on, because clients stop reading there and not at the framing's end."""
    flags: tuple[str, ...] = ()
    """What was unusual about its form, for the record."""
    watch: StreamWatch | None = None
    """Watches what a call costs that may cost more than is held for it."""
    is_cut = False
    """We have ended it, because there was no money for more."""
    continued = False
    """We have told the client to send its body: the upstream's word for that stops here."""
    lines_at = 0
    """Where more lines of the head may be put in what `feed` returned last; 0 where no head is in it."""
    _start = b""
    _interim = 0
    _chunks: ChunkedBody | None = None
    _left = 0
    """Bytes of the body to come; of chunked ones the framing knows."""
    _writing = _AS_IT_CAME
    _filter: UsageChunkFilter | None = None
    _ended = False
    _tail = b""

    def __init__(self, routed: RoutedRequest, meter: GuardedMeter, *, injected: bool) -> None:
        self.meter = meter
        self._prepared = routed
        self._request = routed.request
        self._target = routed.target
        self._injected = injected

    def feed(self, data: bytes, *, keep: bool) -> bytes:
        """Take in bytes of the response; `keep` is whether the client's connection may stay.

        Raises:
            BrokenResponse: It breaks the policy or its framing. Nothing of `data` is passed on.
        """
        start = b""
        at = 0
        if self.milestone:
            self.milestone = False
        self.lines_at = 0
        if self.head is None:
            start, data, at = self._read_head(data, keep)
            if self.head is None:
                return start
            self.lines_at = len(start) - 2
        if self._chunks is not None:
            if at == len(data):
                return start
            chunks = self._chunks
            try:
                content = chunks.take(data, at)
            except FramingError as error:
                raise BrokenResponse(error.rule, "the upstream's response breaks its framing.") from None
            if chunks.complete:
                self._end_chunks(chunks)
            if chunks.stop != len(data) or self.complete:
                data = data[: chunks.stop] + self._closing()
        else:
            content = data[at:] if at else data
            left = self._left
            if left >= 0:
                left -= len(content)
                if left < 0:
                    data = content = content[:left]
                    at = left = 0
                    self._flag_surplus()
                self._left = left
                self.complete = not left
        if content:
            self.body_bytes += len(content)
            self.meter.response_body(content)
            if self.watch is not None and not self.complete:
                content = self._watched(self.watch, content)
            if not self.complete and self._left <= 0:
                self._look_for_end(content)
        if self._writing != _AS_IT_CAME:
            if self._filter is not None:
                content = self._filter.feed(content)
            data = chunk(content) if self._writing == _CHUNKED else content
            at = 0
            if self.is_cut:
                data += LAST_CHUNK if self._writing == _CHUNKED else b""
            elif self.complete:
                data += self._last()
        if not start:
            return data
        if at == len(start) and data.startswith(start):
            return data  # all as it came: no need for a copy
        return start + data[at:]

    def _watched(self, watch: StreamWatch, content: bytes) -> bytes:
        """Return what passes of a piece of the body: less of it, and an error, where it ends here.

        Raises:
            BrokenResponse: It has to end, and nothing can be said in it.
        """
        instead = watch.take(content)
        if instead is not None:
            self.is_cut = self.complete = True
            return instead
        if watch.due and not watch.can_end_well:
            why = watch.refusal()
            raise BrokenResponse(why.slug, why.message)
        return content

    def end(self) -> bytes | None:
        """The upstream closed: return the last bytes of a body that ends so, None for others."""
        if self._left != _UNTIL_CLOSED:
            return None
        self.complete = True
        return self._last()

    @property
    def connection_reusable(self) -> bool:
        """Whether the upstream's connection is ready for another request."""
        head = self.head
        return (
            self.complete
            and not self.flags
            and head is not None
            and head.keep_alive
            and self._left != _UNTIL_CLOSED
        )

    def _read_head(self, data: bytes, keep: bool) -> tuple[bytes, bytes, int]:
        """Return what goes to the client before the body, what has come, and where the body begins in it."""
        if self._start:
            data = self._start + data
        interim = b""
        begins = 0
        request, routed = self._request, self._prepared
        while True:
            known = routed.response_head
            if known and routed.response is not None and data.startswith(known, begins):
                response, head = routed.response, known
                begins += len(known)
                break
            found = next_response(data, begins, to_head=request.method == b"HEAD")
            if found is None:
                self._start = data[begins:]
                _refuse_no_head(self._start)
                return interim, b"", 0
            response, end = found
            if isinstance(response, Refusal):
                raise BrokenResponse(response.rule, response.message)
            head = data[begins:end]
            begins = end
            if response.status >= 200:
                if not response.flags:
                    routed.remember(head, response)
                break
            self._interim += 1
            if self._interim > INTERIM_MAX:
                raise BrokenResponse("interim_responses", "the upstream sent too many interim responses.")
            # 100 is for a client that waits for it; others (103) are for any that can read them.
            wanted = response.status != 100 or (request.expects_continue and not self.continued)
            if wanted and not request.version_1_0:
                interim += write_response(response) if response.drop or response.flags else head
        self._start = b""
        return interim + self._begin(response, head, keep), data, begins

    def _end_chunks(self, chunks: ChunkedBody) -> None:
        self.complete = True
        if chunks.rest:
            self._flag_surplus()
        if chunks.trailers:
            self.flags += ("http:response_trailers",)
            chunks.trailers = [line for line in chunks.trailers if may_be_trailer(line)]

    def _flag_surplus(self) -> None:
        self.flags += ("http:bytes_after_the_end",)

    def _begin(self, response: ResponseHead, head: bytes, keep: bool) -> bytes:
        """Decide how the body is written and return the head for the client."""
        old = self._request.version_1_0
        if self._prepared.hands_on:
            # What Farebox says here is said by one.
            response.drop = tuple(
                index for index in response.drop if not response.headers[index - 1][0].startswith(OWN_PREFIX)
            )
        self.head = response
        self.status = response.status
        self.flags = response.flags
        routed = self._prepared
        # A head that was kept has been read already.
        if head is routed.response_head:
            self.request_id = routed.request_id
        else:
            self.request_id = request_id_of(dict(response.headers), routed.request_id_names)
        self.meter.response_head(response.status, response.headers)
        if self._injected and response.status == 200 and _is_plain_stream(response.headers):
            self._filter = UsageChunkFilter()
            self._writing = _PLAIN if old else _CHUNKED
        if self.watch is not None:
            fields = dict(response.headers)
            encoded = fields.get(b"content-encoding", b"identity").lower() != b"identity"
            kind = fields.get(b"content-type", b"").decode("latin-1")
            if response.status != 200 or not self.watch.begins(kind, encoded=encoded):
                self.watch = None
            else:
                self._writing = _PLAIN if old else _CHUNKED  # an error may have to follow within the framing
        if response.chunked:
            self._chunks = ChunkedBody(padded=True)
            if old:
                self._writing = _PLAIN
        elif response.content_length is not None:
            self._left = response.content_length
        else:
            self._left = _UNTIL_CLOSED
            self._writing = _PLAIN if old else _CHUNKED
        self.keep_client = keep and self._writing != _PLAIN
        add: tuple[bytes, ...] = ()
        if self._writing == _CHUNKED:
            add = (b"Transfer-Encoding: chunked",)
        if not self.keep_client:
            add = (*add, b"Connection: close")
        elif old:
            add = (*add, b"Connection: keep-alive")
        if not add and not response.drop and not response.old and not response.flags:
            return head
        return write_response(response, add=add, unframed=self._writing != _AS_IT_CAME)

    def _look_for_end(self, content: bytes) -> None:
        """See whether a stream whose framing goes on has said that it is over."""
        target = self._target
        if not target.terminal:
            return
        # An end is near the end: searching all of a large read would cost more than sending it.
        window = self._tail + content if len(content) < _SEARCHED else content[-_SEARCHED:]
        self._tail = window[-_TAIL:]
        for pattern in target.terminal:
            if pattern.search(window) is not None:
                self._ended = self.milestone = True
                return
        if self._ended and target.usage is not None and target.usage.search(window) is not None:
            self.milestone = True  # some streams state their usage after their end

    def _last(self) -> bytes:
        """Return what is written after the last content."""
        rest = self._filter.end() if self._filter is not None else b""
        if self._writing != _CHUNKED:
            return rest
        closing = self._closing()
        return chunk(rest) + (_LAST_SIZE + closing if closing else LAST_CHUNK)

    def _closing(self) -> bytes:
        """Return what ends a chunked body where that is not passed on as it came."""
        chunks = self._chunks
        if chunks is None:
            return b""
        return chunks.closing(bool(chunks.trailers) and _takes_trailers(self._request.fields))


def _refuse_no_head(beginning: bytes) -> None:
    """See early that what has come will not become a head, not only when time is up."""
    if head_limit(beginning) or not _BEGINNING.startswith(beginning[: len(_BEGINNING)]) or b"\0" in beginning:
        raise BrokenResponse("malformed", "the upstream's response is not valid HTTP/1.1.")


def _takes_trailers(fields: dict[bytes, bytes]) -> bool:
    """Whether the client says that it can take trailers."""
    options = fields.get(b"te", b"").lower().split(b",")
    return any(option.partition(b";")[0].strip() == b"trailers" for option in options)


def _is_plain_stream(headers: Headers) -> bool:
    """Whether a response is an event stream that is not compressed."""
    stream = False
    for name, value in headers:
        if name == b"content-type":
            stream = value[:17].lower() == b"text/event-stream"
        elif name == b"content-encoding" and value.lower() != b"identity":
            return False
    return stream
