"""One side of an HTTP/2 connection: h2's state machine, its bytes, its limits.

h2 knows the protocol; this adds what a proxy needs: received data is acknowledged only when it has
been sent on, a GOAWAY leaves the streams that are under way alone, and who sends too many frames
that cost him nothing is told to calm down.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

if TYPE_CHECKING:
    from farebox.proxy.service import Proxy

STREAMS_MAX = 100
STREAM_WINDOW = 256 * 1024
HEADER_LIST_MAX = 64 * 1024
FRAMES_MAX = 1000
"""Frames without content (pings, settings, resets, empty data) in the time below."""
RESETS_MAX = 200
"""Streams that a client opens and resets in that time: more is an attack (CVE-2023-44487)."""
WINDOW_S = 10.0

Headers = list[tuple[bytes, bytes]]


class _Connection(H2Connection):
    """h2's connection, on which streams go on after a GOAWAY (RFC 9113 §6.8)."""

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Any], list[Event]]:
        event = ConnectionTerminated()
        event.error_code = frame.error_code
        event.last_stream_id = frame.last_stream_id
        event.additional_data = None
        return [], [event]


def _settings(*, client_side: bool) -> Settings:
    """Return what we tell the other side first; changed later, it would have to be acknowledged."""
    values = {
        SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        SettingCodes.MAX_HEADER_LIST_SIZE: HEADER_LIST_MAX,
    }
    values |= (
        {SettingCodes.ENABLE_PUSH: 0} if client_side else {SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS_MAX}
    )
    return Settings(client=client_side, initial_values=values)


class Peer(asyncio.Protocol):
    """What both sides have in common."""

    def __init__(self, proxy: Proxy, *, client_side: bool) -> None:
        self.proxy = proxy
        self.transport: Any = None
        self.h2 = _Connection(H2Configuration(client_side=client_side, header_encoding=None))
        self.h2.local_settings = _settings(client_side=client_side)
        self.h2.decoder.max_header_list_size = HEADER_LIST_MAX
        self.writable = False
        self.stalled_since = 0.0
        self.going_away = False
        """No new streams."""
        self._counted_since = proxy.tick
        self._frames = 0
        self._resets = 0

    def start(self, transport: asyncio.BaseTransport) -> None:
        """Say hello: settings, and room for as many streams as there may be."""
        self.transport = transport
        self.transport.set_write_buffer_limits(self.proxy.limits.stream_buffer)
        self.writable = True
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(STREAM_WINDOW * STREAMS_MAX)
        self.flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except (H2Error, ValueError) as error:
            self.flush()  # h2 has said why
            self.broken(error)
            return
        for event in events:
            self.take(event)
        self.flush()

    def take(self, event: Event) -> None:
        raise NotImplementedError

    def broken(self, error: Exception) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        """Send what h2 has to say."""
        data = self.h2.data_to_send()
        if data and self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def pause_writing(self) -> None:
        self.writable = False
        self.stalled_since = self.proxy.tick

    def resume_writing(self) -> None:
        self.writable = True
        self.stalled_since = 0.0
        self.pump_all()
        self.flush()

    def pump_all(self) -> None:
        raise NotImplementedError

    # Limits.

    def count_frame(self, *, reset: bool = False) -> bool:
        """Count a frame that costs its sender nothing; return whether it was one too many."""
        now = self.proxy.tick
        if now - self._counted_since > WINDOW_S:
            self._counted_since = now
            self._frames = self._resets = 0
        self._frames += 1
        self._resets += reset
        return self._frames > FRAMES_MAX or self._resets > RESETS_MAX

    def go_away(self, code: int = 0, *, last: int | None = None) -> None:
        """Say that no new streams are taken; those under way go on."""
        self.going_away = True
        last = self.h2.highest_inbound_stream_id if last is None else last
        self.flush()
        if not self.transport.is_closing():
            self.transport.write(GoAwayFrame(0, last_stream_id=last, error_code=code).serialize())

    # Streams, as the exchanges on them see them.

    def window(self, stream_id: int) -> int:
        """Return how much may be sent on a stream now."""
        if not self.writable:
            return 0
        with contextlib.suppress(H2Error, KeyError):
            return min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
        return 0

    def acknowledge(self, stream_id: int, size: int) -> None:
        """Let the sender send as much again."""
        if size:
            with contextlib.suppress(H2Error, KeyError):
                self.h2.acknowledge_received_data(size, stream_id)

    def send_headers(self, stream_id: int, headers: Headers, *, end: bool) -> bool:
        try:
            self.h2.send_headers(stream_id, headers, end_stream=end)
        except (H2Error, KeyError):
            return False
        return True

    def send_data(self, stream_id: int, data: bytes, *, end: bool) -> bool:
        try:
            self.h2.send_data(stream_id, data, end_stream=end)
        except (H2Error, KeyError):
            return False
        return True

    def reset(self, stream_id: int, code: int = ErrorCodes.CANCEL) -> None:
        with contextlib.suppress(H2Error, KeyError):
            self.h2.reset_stream(stream_id, code)
