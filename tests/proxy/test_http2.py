"""HTTP/2 frame by frame: what is refused, what is limited, what is passed on unchanged."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from hpack import Encoder
from hyperframe.frame import ContinuationFrame, GoAwayFrame, HeadersFrame
from proxy_harness import QUICK, ProxyThread

from farebox.config import ProviderConfig

PATH = "/openai/v1/chat/completions"
BODY = b'{"model": "gpt-4o", "messages": []}'
ANSWER = json.dumps(
    {"id": "chatcmpl-1", "model": "gpt-4o", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
).encode()


class End:
    """One end of an HTTP/2 connection, driven by the test."""

    def __init__(self, connection: socket.socket, *, client: bool) -> None:
        self.socket = connection
        self.h2 = H2Connection(H2Configuration(client_side=client, header_encoding="utf-8"))
        self.h2.config.validate_outbound_headers = False
        self.h2.config.normalize_outbound_headers = False
        self.h2.initiate_connection()
        self.seen: list[Event] = []
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def read(self) -> list[Event]:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        events = self.h2.receive_data(data)
        for event in events:
            if isinstance(event, DataReceived):
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.seen += events
        self.flush()
        return events

    def until(self, kind: type, stream_id: int | None = None) -> Any:
        def wanted(event: Any) -> bool:
            return isinstance(event, kind) and stream_id in (None, getattr(event, "stream_id", None))

        while not any(wanted(event) for event in self.seen):
            self.read()
        found = next(event for event in self.seen if wanted(event))
        self.seen.remove(found)
        return found

    def data(self, stream_id: int) -> bytes:
        """Return what has come on a stream that has ended."""
        pieces = [event for event in self.seen if isinstance(event, DataReceived)]
        return b"".join(event.data for event in pieces if event.stream_id == stream_id)

    def ask(self, authority: str, *more: tuple[str, str], path: str = PATH, method: str = "POST") -> int:
        stream_id = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path)]
        self.h2.send_headers(stream_id, [*pseudo, *more])
        self.flush()
        return stream_id

    def send(self, stream_id: int, data: bytes, *, end: bool = True) -> None:
        self.h2.send_data(stream_id, data, end_stream=end)
        self.flush()


@contextmanager
def proxied(serve: Callable[[End], None] | None = None, **proxy: Any) -> Iterator[tuple[End, ProxyThread]]:
    """Run a proxy in front of an HTTP/2 server that does what `serve` says; yield a client's end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def accept() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(20)
                try:
                    if serve is not None:
                        serve(End(connection, client=False))
                except (EOFError, OSError):
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            ProxyThread({"openai": ProviderConfig(upstream=url)}, **proxy) as running,
            socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection,
        ):
            yield End(connection, client=True), running
        listener.close()


def authority(running: ProxyThread) -> str:
    return f"127.0.0.1:{running.port}"


def answer(server: End) -> None:
    """Answer one request with JSON, then wait until the connection ends."""
    stream_id = server.until(RequestReceived).stream_id
    server.until(StreamEnded, stream_id)
    server.h2.send_headers(
        stream_id, [(":status", "200"), ("content-type", "application/json"), ("x-id", "1")]
    )
    server.send(stream_id, ANSWER)
    while True:
        server.read()


def test_a_client_that_speaks_only_http2_is_served_and_metered() -> None:
    with proxied(answer) as (client, running):
        stream_id = client.ask(
            authority(running), ("content-type", "application/json"), ("x-farebox-user", "ada")
        )
        client.send(stream_id, BODY[:10], end=False)
        client.send(stream_id, BODY[10:])
        head = dict(client.until(ResponseReceived).headers)
        client.until(StreamEnded)
        record = running.settled(1)[0]
    assert (head[":status"], head["x-id"]) == ("200", "1")
    assert client.data(stream_id) == ANSWER
    assert record.attribution == {"user": "ada"}
    assert (record.surface, record.status, record.outcome) == ("openai.chat", 200, "completed")
    assert (record.request_bytes, record.response_bytes) == (len(BODY), len(ANSWER))
    (part,) = record.extraction.parts
    assert (part.input_tokens, part.output_tokens) == (3, 4)


@pytest.mark.parametrize(
    ("status", "headers", "options"),
    [
        ("421", [], {"authority": "evil.example"}),
        ("403", [("origin", "https://evil.example")], {}),
        ("403", [("sec-fetch-site", "cross-site")], {}),
        ("404", [], {"path": "/nobody/v1"}),
        ("400", [], {"path": "/openai/../x"}),
        ("400", [], {"path": "/openai/v1#x"}),
        ("405", [], {"method": "TRACE"}),
        ("400", [("content_length", "1")], {}),
        ("400", [("x", "a\x01b")], {}),
        ("431", [(f"x-{number}", "y") for number in range(101)], {}),
        ("431", [("x-long", "y" * 9000)], {}),
    ],
)  # fmt: skip
def test_what_http1_refuses_http2_refuses(status: str, headers: list[tuple[str, str]], options: Any) -> None:
    with proxied() as (client, running):
        options = dict(options)
        named = options.pop("authority", authority(running))
        client.ask(named, *headers, **options)
        assert dict(client.until(ResponseReceived).headers)[":status"] == status
        assert running.journal.entries == []


@pytest.mark.parametrize(
    "bad",
    [
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("te", "gzip"),
        ("Upper-Case", "x"),
        ("a b", "x"),
    ],
)
def test_headers_that_http2_forbids_end_the_stream_or_the_connection(bad: tuple[str, str]) -> None:
    with proxied() as (client, running):
        client.ask(authority(running), bad)
        with pytest.raises((EOFError, OSError, AssertionError)):
            while True:
                for event in client.read():
                    if isinstance(event, ResponseReceived):
                        assert dict(event.headers)[":status"] == "200"
                    assert not isinstance(event, StreamReset | ConnectionTerminated)
        assert running.journal.entries == []


def test_a_reset_passes_with_its_reason_both_ways() -> None:
    reasons: list[int] = []
    asked = threading.Event()

    def serve(server: End) -> None:
        first = server.until(RequestReceived).stream_id
        asked.set()
        reasons.append(server.until(StreamReset, first).error_code)
        second = server.until(RequestReceived).stream_id
        server.h2.reset_stream(second, ErrorCodes.ENHANCE_YOUR_CALM)
        server.flush()
        while True:
            server.read()

    with proxied(serve) as (client, running):
        first = client.ask(authority(running))
        assert asked.wait(20)
        client.h2.reset_stream(first, ErrorCodes.NO_ERROR)
        client.flush()
        assert running.settled(1)[0].outcome == "client_disconnected"
        second = client.ask(authority(running))
        assert client.until(StreamReset, second).error_code == ErrorCodes.ENHANCE_YOUR_CALM
        record = running.settled(2)[1]
    assert reasons == [ErrorCodes.NO_ERROR]
    assert (record.outcome, record.error_class) == ("upstream_failed", "upstream_reset")


def test_streams_go_on_after_a_goaway_and_later_ones_are_refused() -> None:
    def serve(server: End) -> None:
        first = server.until(RequestReceived).stream_id
        second = server.until(RequestReceived).stream_id
        server.socket.sendall(GoAwayFrame(0, last_stream_id=first).serialize())
        server.h2.send_headers(first, [(":status", "200"), ("content-type", "application/json")])
        server.send(first, ANSWER)
        assert second > first
        while True:
            server.read()

    with proxied(serve) as (client, running):
        first, second = client.ask(authority(running)), client.ask(authority(running))
        assert client.until(StreamReset, second).error_code == ErrorCodes.REFUSED_STREAM
        client.until(StreamEnded, first)
        assert client.data(first) == ANSWER
        refused, served = running.settled(2)
    assert (refused.outcome, refused.error_class) == ("upstream_failed", "upstream_refused")
    assert (served.outcome, served.extraction.completeness) == ("completed", "final")


def test_trailers_pass_after_the_record_is_written() -> None:
    def serve(server: End) -> None:
        stream_id = server.until(RequestReceived).stream_id
        server.h2.send_headers(stream_id, [(":status", "200"), ("content-type", "application/json")])
        server.send(stream_id, ANSWER, end=False)
        server.h2.send_headers(stream_id, [("x-checksum", "abc")], end_stream=True)
        server.flush()
        while True:
            server.read()

    with proxied(serve) as (client, running):
        stream_id = client.ask(authority(running))
        client.send(stream_id, BODY)
        assert client.until(TrailersReceived).headers == [("x-checksum", "abc")]
        assert len(running.journal.dones) == 1


@pytest.mark.parametrize("trailers", [[], [("x-checksum", "abc")]])
def test_head_data_and_end_of_a_response_pass_at_once(trailers: list[tuple[str, str]]) -> None:
    """Nothing else goes over the connection to take it along, and no look at the limits in time comes."""

    def serve(server: End) -> None:
        stream_id = server.until(RequestReceived).stream_id
        server.h2.send_headers(stream_id, [(":status", "200"), ("content-type", "application/json")])
        server.flush()
        proceed.acquire(timeout=20)
        server.send(stream_id, ANSWER, end=False)
        proceed.acquire(timeout=20)
        if trailers:
            server.h2.send_headers(stream_id, trailers, end_stream=True)
        else:
            server.h2.end_stream(stream_id)
        server.flush()
        while True:
            server.read()

    proceed = threading.Semaphore(0)
    limits = msgspec.structs.replace(QUICK, sweep_s=1000.0)
    with proxied(serve, limits=limits) as (client, running):
        stream_id = client.ask(authority(running))
        client.send(stream_id, BODY)
        client.until(ResponseReceived)
        proceed.release()
        client.until(DataReceived)
        proceed.release()
        client.until(StreamEnded, stream_id)


def test_opening_and_resetting_streams_in_a_storm_ends_the_connection() -> None:
    with proxied(lambda server: [server.read() for _ in iter(int, 1)] and None) as (client, running):
        with pytest.raises((EOFError, OSError)):
            for _ in range(2000):
                stream_id = client.ask(authority(running))
                client.h2.reset_stream(stream_id)
                client.flush()
            while True:
                client.read()
        running.settle(lambda: running.proxy.state.in_flight == 0)
        assert len(running.journal.intents) <= 202
        assert len(running.journal.dones) == len(running.journal.intents)


@pytest.mark.parametrize("frame", ["ping", "settings"])
def test_frames_that_only_cost_us_something_end_the_connection(frame: str) -> None:
    with proxied() as (client, _), pytest.raises((EOFError, OSError)):
        for _ in range(3000):
            if frame == "ping":
                client.h2.ping(b"12345678")
            else:
                client.h2.update_settings({})
            client.flush()
        while True:
            client.read()


def frame(kind: int, payload: bytes, *, stream: int = 0, flags: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


FLOODS = {
    "unknown": frame(0x77, b""),
    "window": frame(8, b"\0\0\0\1"),
    "priority": frame(2, b"\0\0\0\0\0", stream=1),
    "ping": frame(6, b"12345678"),
    "acknowledged ping": frame(6, b"12345678", flags=1),
}


def goaway_code(client: End) -> int:
    while True:
        for event in client.seen:
            if isinstance(event, ConnectionTerminated):
                return int(event.error_code or 0)
        client.read()


@pytest.mark.parametrize("name", FLOODS)
def test_frames_of_every_kind_are_counted(name: str) -> None:
    with proxied() as (client, _):
        client.h2.config.validate_inbound_headers = False
        client.socket.sendall(FLOODS[name] * 1100)
        assert goaway_code(client) == ErrorCodes.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("name", ["unknown", "window"])
def test_an_upstream_that_floods_us_with_frames_loses_its_connection(name: str) -> None:
    def flood(server: End) -> None:
        stream_id = server.until(RequestReceived).stream_id
        server.until(StreamEnded, stream_id)
        server.socket.sendall(FLOODS[name] * 5000)
        while True:
            server.read()

    with proxied(flood) as (client, running):
        client.send(client.ask(authority(running)), BODY)
        assert dict(client.until(ResponseReceived).headers)[":status"] == "502"
        (done,) = running.settled(1)
    assert done.error_class == "upstream_closed"


def test_windows_that_are_opened_for_what_comes_are_no_flood() -> None:
    """The control: 4,000 pieces, two windows for each."""

    def stream(server: End) -> None:
        stream_id = server.until(RequestReceived).stream_id
        server.until(StreamEnded, stream_id)
        server.h2.send_headers(stream_id, [(":status", "200"), ("content-type", "text/event-stream")])
        for _ in range(4000):
            server.send(stream_id, b"data: x\n\n", end=False)
        server.send(stream_id, b"")
        while True:
            server.read()

    with proxied(stream) as (client, running):
        stream_id = client.ask(authority(running))
        client.send(stream_id, BODY)
        client.until(StreamEnded, stream_id)
        assert len(client.data(stream_id)) == 4000 * 9
        (done,) = running.settled(1)
    assert done.outcome == "completed"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(1, b"\xff\xff\xff\xff\xff\xff", stream=1, flags=5), ErrorCodes.COMPRESSION_ERROR),
        (frame(1, b"\x80", stream=1, flags=5), ErrorCodes.COMPRESSION_ERROR),
        (b"\xff\xff\xff\0\0\0\0\0\1", ErrorCodes.FRAME_SIZE_ERROR),
        (frame(0, b"x" * 16385, stream=1), ErrorCodes.FRAME_SIZE_ERROR),
        (frame(6, b"1234567"), ErrorCodes.FRAME_SIZE_ERROR),
        (frame(4, b"12345"), ErrorCodes.FRAME_SIZE_ERROR),
        (frame(4, b"123456", flags=1), ErrorCodes.FRAME_SIZE_ERROR),
        (frame(8, b"123", stream=0), ErrorCodes.FRAME_SIZE_ERROR),
        (frame(3, b"123", stream=1), ErrorCodes.FRAME_SIZE_ERROR),
        (frame(0, b"x", stream=0), ErrorCodes.PROTOCOL_ERROR),
    ],
)
def test_what_breaks_the_protocol_is_told_by_the_code_of_its_kind(sent: bytes, code: int) -> None:
    with proxied() as (client, _):
        client.socket.sendall(sent)
        assert goaway_code(client) == code


def test_trailers_of_a_request_are_dropped_unless_they_were_announced() -> None:
    with proxied(answer) as (client, running):
        stream_id = client.ask(authority(running))
        client.send(stream_id, BODY, end=False)
        client.h2.send_headers(stream_id, [("x-sum", "y")], end_stream=True)
        client.flush()
        assert dict(client.until(ResponseReceived).headers)[":status"] == "200"
        (done,) = running.settled(1)
        assert done.extraction.flags == ("http:request_trailers",)
        client.ask(authority(running), ("trailer", "x-sum"))
        assert dict(client.until(ResponseReceived).headers)[":status"] == "400"


def test_interim_responses_pass_and_a_flood_of_them_ends_the_stream() -> None:
    def hint(server: End) -> None:
        stream_id = server.until(RequestReceived).stream_id
        server.until(StreamEnded, stream_id)
        for _ in range(3):
            server.h2.send_headers(stream_id, [(":status", "103"), ("link", "x")])
        server.flush()
        server.h2.send_headers(stream_id, [(":status", "200"), ("x-farebox-error", "forged")])
        server.send(stream_id, b"ok")
        second = server.until(RequestReceived).stream_id
        server.until(StreamEnded, second)
        for _ in range(200):
            server.h2.send_headers(second, [(":status", "103")])
        server.flush()
        while True:
            server.read()

    with proxied(hint) as (client, running):
        client.send(client.ask(authority(running)), BODY)
        assert dict(client.until(InformationalResponseReceived).headers)["link"] == "x"
        assert dict(client.until(ResponseReceived).headers).keys() == {":status", "x-farebox-call-id"}
        client.send(client.ask(authority(running)), BODY)
        head = dict(client.until(ResponseReceived).headers)
        assert (head[":status"], head["x-farebox-error"]) == ("502", "policy:interim_responses")
        running.settled(2)


def test_a_stream_that_the_provider_has_not_looked_at_is_free() -> None:
    def refuse(server: End) -> None:
        stream_id = server.until(RequestReceived).stream_id
        server.until(StreamEnded, stream_id)
        server.h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
        server.flush()
        while True:
            server.read()

    with proxied(refuse) as (client, running):
        client.send(client.ask(authority(running)), BODY)
        client.until(StreamReset)
        (done,) = running.settled(1)
    assert (done.extraction.billable, done.extraction.not_billable_because) == (False, "upstream_refused")


def test_a_stream_whose_provider_cannot_be_reached_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    with (
        ProxyThread({"openai": ProviderConfig(upstream=url)}) as running,
        socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection,
    ):
        client = End(connection, client=True)
        client.send(client.ask(authority(running)), BODY)
        assert dict(client.until(ResponseReceived).headers)[":status"] == "502"
        (done,) = running.settled(1)
    assert (done.extraction.billable, done.extraction.not_billable_because) == (False, "not_sent")


def test_more_streams_than_allowed_are_refused_and_nobody_else_is_hurt() -> None:
    with proxied(lambda server: [server.read() for _ in iter(int, 1)] and None) as (client, running):
        client.read()
        encoder = Encoder()
        pseudo = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", authority(running)),
            (":path", PATH),
        ]
        with pytest.raises((EOFError, OSError)):
            for number in range(150):
                frame = HeadersFrame(2 * number + 1, encoder.encode(pseudo))
                frame.flags.add("END_HEADERS")
                client.socket.sendall(frame.serialize())
            while client.socket.recv(65536):
                pass
            raise EOFError
        running.settle(lambda: running.proxy.state.in_flight == 0)
        assert len(running.journal.dones) == len(running.journal.intents) <= 100
        with running.connect() as other:
            assert other.get("/health").status == 200


def test_headers_without_end_are_cut_off() -> None:
    with proxied() as (client, running):
        encoder = Encoder()
        block = encoder.encode([(b":method", b"POST"), (b"x", b"y" * 1000)])
        frame = HeadersFrame(1, block)
        client.socket.sendall(frame.serialize())
        with pytest.raises((EOFError, OSError)):
            for _ in range(500):
                client.socket.sendall(ContinuationFrame(1, encoder.encode([(b"x", b"z" * 1000)])).serialize())
            while client.socket.recv(65536):
                pass
            raise EOFError
        assert running.journal.entries == []


def test_a_header_bomb_is_refused() -> None:
    with proxied() as (client, running):
        encoder = Encoder()
        encoder.header_table_size = 65536
        big = (b"x-bomb", b"b" * 4000)
        block = encoder.encode([(b":method", b"POST"), *[big] * 2000])
        assert len(block) < 20_000
        frame = HeadersFrame(1, block)
        frame.flags.add("END_HEADERS")
        client.socket.sendall(frame.serialize())
        with pytest.raises((EOFError, OSError)):
            while client.socket.recv(65536):
                pass
            raise EOFError
        assert running.journal.entries == []


def test_a_client_that_takes_nothing_is_given_up_and_keeps_nothing_in_memory() -> None:
    def serve(server: End) -> None:
        stream_id = server.until(RequestReceived).stream_id
        server.h2.send_headers(stream_id, [(":status", "200"), ("content-type", "application/json")])
        sent = 0
        while True:
            room = server.h2.local_flow_control_window(stream_id)
            if room:
                size = min(room, 16384)
                server.send(stream_id, b"x" * size, end=False)
                sent += size
                assert sent < 4 << 20
            else:
                server.read()

    with proxied(serve, limits=QUICK) as (client, running):
        client.ask(authority(running))
        record = running.settled(1)[0]
    assert (record.outcome, record.error_class) == ("timed_out", "client_stalled")
    assert record.response_bytes < 1 << 20


def test_an_idle_connection_is_said_goodbye_to() -> None:
    import msgspec

    limits = msgspec.structs.replace(QUICK, client_idle_s=0.2)
    with proxied(limits=limits) as (client, _):
        assert client.until(ConnectionTerminated).error_code == ErrorCodes.NO_ERROR


def test_an_upstream_whose_tls_does_not_offer_http2_is_said_so(tmp_path: Path, monkeypatch: Any) -> None:
    from proxy_harness import certificate, server_tls

    ca_file, cert_file, key_file = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    context = server_tls(cert_file, key_file)
    context.set_alpn_protocols(["http/1.1"])
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as wrapped:
                    wrapped.recv(1)
            except (ssl.SSLError, OSError):
                return

        threading.Thread(target=accept, daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with (
            ProxyThread({"openai": ProviderConfig(upstream=url)}) as running,
            socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection,
        ):
            client = End(connection, client=True)
            client.ask(authority(running))
            assert dict(client.until(ResponseReceived).headers)[":status"] == "502"
            record = running.settled(1)[0]
    assert record.error_class == "http2_unsupported"
