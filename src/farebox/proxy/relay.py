"""What an exchange and a WebSocket have in common: they stand between a client and an upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from farebox.proxy.recording.power_gate import PowerGate

if TYPE_CHECKING:
    import asyncio

    from farebox.proxy.caller.connection_caller import ConnectionCaller
    from farebox.proxy.recording.recorder import Recorder
    from farebox.proxy.service_state import ServiceState
    from farebox.proxy.upstream.connection import ConnectError, UpstreamConnection


class Client(Protocol):
    """What a relay asks of a client's connection (`farebox.proxy.http1.client_connection`)."""

    caller: ConnectionCaller
    exchange: Relay | None
    buffer: bytes
    reading_paused: bool
    stalled_since: float

    @property
    def asks_no_more(self) -> bool: ...
    def write(self, data: bytes) -> None: ...
    def finish(self, data: bytes, *, keep: bool, unread: bool = False) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Relay:
    """Two connections. A side that cannot take more is not sent more."""

    survives_half_close = False
    """Whether a client that sends no more may still be waiting for a response."""
    upstream: UpstreamConnection | None = None
    connecting: asyncio.Task[None] | None = None
    gate: PowerGate | None = None
    """Made when something waits until its record survives a power cut."""
    ended = False
    unsent = 0
    """What waited for the upstream when `sweep` looked last."""

    def __init__(self, state: ServiceState, recorder: Recorder, client: Client) -> None:
        self.state = state
        self.recorder = recorder
        self.client = client
        self.touched = state.tick
        """When a byte last moved, in the service's seconds."""
        state.in_flight += 1
        client.exchange = self

    # The client's connection calls these.

    @property
    def request_complete(self) -> bool:
        raise NotImplementedError

    def request_data(self, data: bytes) -> bytes:
        """Take in what the client sends; return what is behind the request's end."""
        raise NotImplementedError

    def client_lost(self) -> None:
        raise NotImplementedError

    def client_stalled(self) -> None:
        raise NotImplementedError

    def cut_off(self) -> None:
        """End it now: the time for a graceful stop is over."""
        raise NotImplementedError

    def sweep(self, now: float) -> None:
        """Once a second: limits in time."""
        raise NotImplementedError

    def client_full(self) -> None:
        if self.upstream is not None:
            self.upstream.pause_reading()

    def client_drained(self) -> None:
        if self.upstream is not None:
            self.upstream.resume_reading()

    # The upstream's connection calls these.

    def connected(self, connection: UpstreamConnection) -> None:
        raise NotImplementedError

    def connect_failed(self, error: ConnectError) -> None:
        raise NotImplementedError

    def upstream_data(self, data: bytes) -> None:
        raise NotImplementedError

    def upstream_lost(self, error: Exception | None) -> None:
        raise NotImplementedError

    def upstream_full(self) -> None:
        self.client.pause_reading()

    def upstream_drained(self) -> None:
        self.client.resume_reading()

    # Both ways.

    def send(self, data: bytes) -> None:
        """Send to the client, behind what waits for its record."""
        if self.gate is not None and self.gate.closed:
            self.gate.hold(data)
        else:
            self.client.write(data)

    def wait_for(self, position: int) -> None:
        """Hold what is sent from now on until the record at `position` is durable."""
        if self.gate is None:
            self.gate = PowerGate(self.recorder.journal, self.released)
        self.gate.close(position)

    @property
    def waiting(self) -> bool:
        """Whether something waits for its record."""
        return self.gate is not None and self.gate.closed

    def released(self, data: bytes) -> None:
        """Send what has waited for its record."""
        if self.client.exchange is not self:
            return
        if self.ended:
            self.finish(data)
        else:
            self.client.write(data)

    def finish(self, data: bytes) -> None:
        """Send the last bytes and give the client's connection back."""
        raise NotImplementedError

    def break_off(self) -> None:
        """Close the client's connection, so that it takes nothing for a whole response."""
        if self.gate is not None:
            self.gate.drop()
        self.client.abort()

    def drop_upstream(self) -> None:
        if self.connecting is not None:
            self.connecting.cancel()
            self.connecting = None
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.abort()

    def upstream_stalls(self, now: float) -> bool:
        """Return whether an upstream that we wait for has stopped reading: being slow is allowed."""
        upstream = self.upstream
        unsent = upstream.transport.get_write_buffer_size() if upstream is not None else 0
        if unsent != self.unsent or self.connecting is not None:
            self.unsent = unsent
            self.touched = now
            return False
        return now - self.touched > self.state.limits.write_stall_s
