"""One side of an HTTP/2 connection: h2's state machine, its bytes, its limits.

h2 knows the protocol; this adds what a proxy needs: received data is acknowledged only when it has
been sent on, a GOAWAY leaves the streams that are under way alone, every frame is counted, and a peer
that sends too many which carry nothing is told to calm down.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event, WindowUpdated
from h2.exceptions import FrameTooLargeError, H2Error, ProtocolError
from h2.frame_buffer import FrameBuffer
from h2.settings import SettingCodes, Settings
from hpack import HPACKError
from hyperframe.exceptions import InvalidDataError
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame

if TYPE_CHECKING:
    from farebox.proxy.service_state import ServiceState

STREAMS_MAX = 100
STREAM_WINDOW = 256 * 1024
HEADER_LIST_MAX = 64 * 1024
FRAMES_MAX = 1000
"""Frames without content, whatever their type, in the time below."""
FRAMES_PER_CONTENT = 4
"""So many more for each frame with content, either way: windows are opened for those."""
OPENED_MAX = 30_000
"""Frames with headers in that time: requests, responses, interim ones."""
SLICE = 16 * 1024
"""Bytes that are worked through before others have their turn."""
RESETS_MAX = 200
"""Streams that a client opens and resets in that time: more is an attack (CVE-2023-44487)."""
WINDOW_S = 10.0

Headers = list[tuple[bytes, bytes]]


class _Frames(FrameBuffer):
    """h2's buffer, which here refuses a frame that is too large before it has come (RFC 9113 §4.2)."""

    def __next__(self) -> Frame:
        if len(self._data) >= 9:
            length = int.from_bytes(self._data[:3], "big")
            if length > self.max_frame_size:
                raise FrameTooLargeError(f"a frame of {length} bytes")
        try:
            return super().__next__()
        except ProtocolError as error:
            if isinstance(error.__cause__, InvalidDataError) and "payload" in str(error.__cause__):
                raise FrameTooLargeError("an acknowledgement with a payload") from error  # §6.5
            raise


class TooManyFramesError(ProtocolError):
    """A peer keeps us busy with frames that carry nothing."""

    error_code = ErrorCodes.ENHANCE_YOUR_CALM


class _Connection(H2Connection):
    """h2's connection, on which streams go on after a GOAWAY (RFC 9113 §6.8)."""

    def __init__(self, config: H2Configuration, count: Callable[[Frame], None]) -> None:
        super().__init__(config)
        self.incoming_buffer = _Frames(server=not config.client_side)
        self._count = count

    def _receive_frame(self, frame: Frame) -> list[Event]:
        self._count(frame)
        try:
            return super()._receive_frame(frame)
        except ProtocolError as error:
            if isinstance(error.__cause__, HPACKError | IndexError):
                error.error_code = ErrorCodes.COMPRESSION_ERROR  # §4.3
            raise

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

    def __init__(self, state: ServiceState, *, client_side: bool) -> None:
        self.state = state
        self.transport: Any = None
        config = H2Configuration(client_side=client_side, header_encoding=None)
        self.h2 = _Connection(config, self.count_frame)
        self.h2.local_settings = _settings(client_side=client_side)
        self.h2.decoder.max_header_list_size = HEADER_LIST_MAX
        self.writable = False
        self.stalled_since = 0.0
        self.going_away = False
        """No new streams."""
        self.lingers = False
        """It is over; what still comes is not looked at."""
        self._counted_since = state.tick
        self._frames = 0
        self._contents = 0
        self._opened = 0
        self._resets = 0
        self._unread = b""
        """What has come and waits for others to have had their turn."""

    def start(self, transport: asyncio.BaseTransport) -> None:
        """Say hello: settings, and room for as many streams as there may be."""
        self.transport = transport
        self.transport.set_write_buffer_limits(self.state.limits.stream_buffer)
        self.writable = True
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(STREAM_WINDOW * STREAMS_MAX)
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.state.passed = True
        if self.lingers:
            return
        if self._unread:
            self._unread += data
        elif len(data) > SLICE:
            self._unread = data
            self.transport.pause_reading()
            self._read_slice()
        else:
            self._read(data)

    def _read_slice(self) -> None:
        """Work through a piece of a large read: a frame takes nine bytes and, with us, much longer."""
        data, self._unread = self._unread[:SLICE], self._unread[SLICE:]
        if self.transport is None or self.transport.is_closing():
            self._unread = b""
            return
        self._read(data)
        if self.lingers:
            self._unread = b""
        if self._unread:
            self.state.loop.call_soon(self._read_slice)
        elif self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def read_rest(self) -> None:
        """Work through all that has come: nothing more will."""
        data, self._unread = self._unread, b""
        if data and not self.lingers:
            self._read(data)

    def eof_received(self) -> bool:
        self.read_rest()
        return False

    def _read(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except (H2Error, ValueError) as error:
            self.flush()  # h2 has said why
            self.broken(error)
            return
        windows = False
        for event in events:
            if isinstance(event, WindowUpdated):
                windows = True
            else:
                self.take(event)
        if windows:
            self.pump_all()
        self.flush()

    def take(self, event: Event) -> None:
        raise NotImplementedError

    def broken(self, error: Exception) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        """Send what h2 has to say."""
        data = self.h2.data_to_send()
        if data and not self.lingers and self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def pause_writing(self) -> None:
        self.writable = False
        self.stalled_since = self.state.tick

    def resume_writing(self) -> None:
        self.writable = True
        self.stalled_since = 0.0
        self.pump_all()
        self.flush()

    def pump_all(self) -> None:
        raise NotImplementedError

    # Limits.

    def count_frame(self, frame: Frame) -> None:
        """Count a frame, also of a type that nobody knows.

        Raises:
            TooManyFramesError: It was one too many.
        """
        now = self.state.tick
        if now - self._counted_since > WINDOW_S:
            self._counted_since = now
            self._frames = self._contents = self._opened = self._resets = 0
        if isinstance(frame, HeadersFrame):
            self._opened += 1
            self._contents += 1
            if self._opened > OPENED_MAX:
                raise TooManyFramesError("too many frames with headers")
            return
        if isinstance(frame, DataFrame) and frame.data:
            self._contents += 1
            return
        if isinstance(frame, DataFrame) and "END_STREAM" in frame.flags:
            return  # one for each stream, and streams are limited
        self._frames += 1
        self._resets += isinstance(frame, RstStreamFrame)
        allowed = FRAMES_MAX + FRAMES_PER_CONTENT * self._contents
        if self._frames > allowed or (not self.h2.config.client_side and self._resets > RESETS_MAX):
            raise TooManyFramesError("too many frames without content")

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
        self._contents += 1
        return True

    def reset(self, stream_id: int, code: int = ErrorCodes.CANCEL) -> None:
        with contextlib.suppress(H2Error, KeyError):
            self.h2.reset_stream(stream_id, code)
