"""One direction of a stream: bytes wait until the receiver has room, the sender until they are gone."""

from __future__ import annotations

from collections import deque

from farebox.proxy.http2.peer import Headers, Peer


class Pipe:
    """What has come on one side's stream and goes to the other's."""

    __slots__ = (
        "_acknowledged",
        "_ended",
        "_held",
        "_queue",
        "_trailers",
        "closed",
        "sink",
        "sink_id",
        "size",
        "source",
        "source_id",
    )

    def __init__(self, source: Peer, source_id: int) -> None:
        self.source = source
        self.source_id = source_id
        self.sink: Peer | None = None
        self.sink_id = 0
        self.size = 0
        self._acknowledged = 0
        """Bytes that wait here and that the sender has been given room for already."""
        self.closed = False
        """The end has been passed on, or nothing more will be."""
        self._queue: deque[bytes] = deque()
        self._ended = False
        self._held = False
        self._trailers: Headers | None = None

    def take_in(self) -> None:
        """Give the sender room for more, although what has come waits here."""
        waiting = self.size - self._acknowledged
        if waiting:
            self._acknowledged = self.size
            self.source.acknowledge(self.source_id, waiting)

    def _gone(self, size: int) -> None:
        """Give the sender its room back for what waits here no more."""
        before = min(size, self._acknowledged)
        self._acknowledged -= before
        if size > before:
            self.source.acknowledge(self.source_id, size - before)

    def to(self, sink: Peer, stream_id: int) -> None:
        """Say where it goes."""
        self.sink, self.sink_id = sink, stream_id

    def add(self, data: bytes, counted: int) -> None:
        """Take in data; `counted` is what it took of the sender's window, padding included."""
        if counted > len(data) or self.closed:
            self.source.acknowledge(self.source_id, counted if self.closed else counted - len(data))
        if data and not self.closed:
            self._queue.append(data)
            self.size += len(data)

    def end(self, trailers: Headers | None = None) -> None:
        """Take in the end."""
        self._ended = True
        self._trailers = trailers

    def hold_end(self, held: bool) -> None:
        """Keep the end back, until it may be released."""
        self._held = held

    def pump(self) -> bool:
        """Pass on what fits; return whether anything went."""
        sink = self.sink
        if sink is None or self.closed:
            return False
        moved = False
        queue = self._queue
        while queue:
            room = sink.window(self.sink_id)
            if room <= 0:
                return moved
            data = queue[0]
            if len(data) > room:
                piece, queue[0] = data[:room], data[room:]
            else:
                piece = queue.popleft()
            last = not queue and self._ended and not self._held and self._trailers is None
            if not sink.send_data(self.sink_id, piece, end=last):
                self.drop(piece)
                return moved
            moved = True
            self.size -= len(piece)
            self._gone(len(piece))
            if last:
                self.closed = True
                return True
        if self._ended and not self._held:
            self.closed = True
            if self._trailers is not None:
                sink.send_headers(self.sink_id, self._trailers, end=True)
            else:
                sink.send_data(self.sink_id, b"", end=True)
            return True
        return moved

    def drop(self, beside: bytes = b"") -> None:
        """Forget what waits; the sender's connection gets its room back."""
        self.closed = True
        waiting = sum(map(len, self._queue)) + len(beside)
        self._queue.clear()
        self.size = 0
        self._gone(waiting)
