"""WebSockets through the proxy: every byte as it came, every turn an entry, exact usage."""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from proxy_harness import QUICK, ROOT, ProxyThread, serving
from tools.upstream import Request, json_reply

from farebox.config import ProviderConfig
from farebox.journal.records import Done
from farebox.wire.facts import Part

sys.path.insert(0, str(ROOT / "tools"))

from replaying import direct, sockets
from replaying.recordings import Recording, load

UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version: 13",
)
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


def conversation(*messages: tuple[bool, Any], compressed: bool = False) -> sockets.Session:
    """Return a session of unfragmented messages, `True` for those of the client."""
    lines = "\n".join(
        json.dumps({"dir": "out" if sent else "in", "kind": "message", "data": data})
        for sent, data in messages
    )
    recording = Recording(
        id="x", surface="", host="", method="WEBSOCKET", path="", status=101, streaming=True,
        recorded_at=None, provenance="", transport="websocket", request_headers={}, request_body=b"",
        response_headers={}, response_body=lines.encode(),
    )  # fmt: skip
    seed = 0
    while True:  # the first draw decides about compression
        session = sockets.session_of(recording, random.Random(seed))
        if session.compressed is compressed:
            return session
        seed += 1


def created(number: int) -> tuple[bool, Any]:
    return False, {"type": "response.created", "response": {"id": f"resp_{number}"}}


def done(number: int, usage: Any = USAGE) -> tuple[bool, Any]:
    return False, {"type": "response.done", "response": {"id": f"resp_{number}", "usage": usage}}


ASK = (True, {"type": "response.create"})
SETTINGS = (False, {"type": "session.created", "session": {"id": "sess_1", "model": "gpt-realtime"}})


def play(
    session: sockets.Session, provider: str = "openai", path: str = "/v1/realtime?model=gpt-realtime",
    headers: dict[str, str] | None = None, **proxy: Any,
) -> tuple[list[Done], ProxyThread]:  # fmt: skip
    """Play a session through a proxy and return the DONE records of it."""
    with (
        sockets.SocketUpstream([session]) as upstream,
        ProxyThread({provider: ProviderConfig(upstream=upstream.url)}, **proxy) as proxied,
    ):
        sockets.converse(f"http://127.0.0.1:{proxied.port}", f"/{provider}{path}", headers or {}, session)
        dones = proxied.settled(1)
    assert session.errors == []
    assert session.server_received == session.bytes_of(client=True)
    assert session.client_received == session.bytes_of(client=False)
    return dones, proxied


def totals(parts: list[Part]) -> dict[str, int]:
    return {
        "input_total": sum(part.input_tokens for part in parts),
        "cache_read": sum(part.cache_read_input_tokens for part in parts),
        "cache_write": sum(part.cache_creation_input_tokens for part in parts),
        "output_total": sum(part.output_tokens for part in parts),
        "reasoning": sum(part.reasoning_output_tokens for part in parts),
    }


def test_recorded_sessions_pass_byte_for_byte_and_are_metered_exactly(recordings: Path) -> None:
    from farebox import catalog

    known = catalog.load()
    found = [entry for entry in load(recordings) if entry.transport == "websocket"]
    assert len(found) > 20
    sessions = [sockets.session_of(entry, random.Random(number)) for number, entry in enumerate(found)]
    assert {session.compressed for session in sessions} == {True, False}
    names = []
    for entry in found:
        host = known.by_host(entry.host)
        names.append(host.id if host is not None else direct.speaker(known, entry.method, entry.path))
    judged = 0
    with sockets.SocketUpstream(sessions) as upstream:
        providers = {name: ProviderConfig(upstream=upstream.url) for name in names}
        with ProxyThread(providers) as proxied:
            for number, (entry, session, name) in enumerate(zip(found, sessions, names, strict=True)):
                before = len(proxied.journal.dones)
                headers = {"x-replay-sequence": str(number)}
                address = f"http://127.0.0.1:{proxied.port}"
                sockets.converse(address, f"/{name}{entry.path}", headers, session)
                dones = proxied.settled(before + 1)[before:]
                assert session.errors == [], entry.id
                assert session.server_received == session.bytes_of(client=True), entry.id
                assert session.client_received == session.bytes_of(client=False), entry.id
                assert {record.outcome for record in dones} == {"completed"}, entry.id
                parts = [part for record in dones for part in record.extraction.parts]
                assert totals(parts) == totals(list(direct.extract(known, entry, 1).parts)), entry.id
                if entry.canonical:
                    judged += 1
                    assert totals(parts) == entry.canonical, entry.id
            starts = Counter(intent.event_id for intent in proxied.journal.intents)
            ends = Counter(record.event_id for record in proxied.journal.dones)
    assert judged > 20
    assert starts == ends and set(starts.values()) == {1}


@pytest.mark.parametrize("compressed", [False, True])
def test_every_turn_is_an_exchange_of_its_own_and_the_session_is_free(compressed: bool) -> None:
    session = conversation(
        SETTINGS, (True, {"type": "session.update", "session": {}}),
        ASK, created(1), done(1), ASK, created(2), done(2), compressed=compressed,
    )  # fmt: skip
    headers = {"x-farebox-customer": "acme", "authorization": "Bearer sk-secret"}
    dones, proxied = play(session, headers=headers)
    first, second, whole = dones
    assert [(record.outcome, record.status) for record in dones] == [("completed", 101)] * 3
    assert [record.extraction.response_id for record in (first, second)] == ["resp_1", "resp_2"]
    for turn in (first, second):
        assert turn.extraction.completeness == "final"
        (part,) = turn.extraction.parts
        assert (part.request_model, part.input_tokens, part.output_tokens) == ("gpt-realtime", 10, 5)
        assert turn.first_byte_us > 0 and turn.request_bytes > 0 and turn.response_bytes > 0
    assert (whole.extraction.billable, whole.extraction.not_billable_because) == (False, "session")
    assert whole.request_bytes == len(session.server_received)
    assert whole.response_bytes == len(session.client_received)
    assert {record.attribution["customer"] for record in dones} == {"acme"}
    assert len({record.key_fingerprint for record in dones}) == 1 and whole.key_fingerprint
    kinds = [kind for kind, _ in proxied.journal.entries]
    assert kinds == [1, 1, 3, 1, 3, 3]  # settings alone begin no turn
    assert b"x-farebox" not in session.handshake.lower()


def test_each_turn_of_a_responses_socket_names_its_own_model() -> None:
    def ask(model: str) -> tuple[bool, Any]:
        return True, {"type": "response.create", "model": model, "input": "x" * 100_000}

    def answered(model: str) -> tuple[bool, Any]:
        usage = {"input_tokens": 3, "output_tokens": 9, "total_tokens": 12}
        return False, {"type": "response.completed", "response": {"id": "r", "model": model, "usage": usage}}

    failed = (False, {"type": "error", "error": {"code": "previous_response_not_found"}})
    session = conversation(
        ask("gpt-5"), created(1), answered("gpt-5-2025-08-07"),
        ask("gpt-5-mini"), created(2), answered("gpt-5-mini-2025-08-07"),
        ask("gpt-5-nano"), created(3), failed,
    )  # fmt: skip
    *turns, _ = play(session, path="/v1/responses")[0]
    said = [(turn.extraction.request_model, turn.extraction.response_model) for turn in turns]
    assert said == [
        ("gpt-5", "gpt-5-2025-08-07"),
        ("gpt-5-mini", "gpt-5-mini-2025-08-07"),
        ("gpt-5-nano", None),
    ]
    assert [part.request_model for turn in turns for part in turn.extraction.parts] == [
        "gpt-5", "gpt-5-mini", "gpt-5-nano",
    ]  # fmt: skip


def test_a_transcription_belongs_to_the_turn_it_comes_in() -> None:
    heard = (False, {
        "type": "conversation.item.input_audio_transcription.completed", "item_id": "item_1",
        "usage": {"type": "duration", "seconds": 3},
    })  # fmt: skip
    dones, _ = play(conversation(SETTINGS, ASK, created(1), heard, done(1)))
    turn = dones[0].extraction
    assert [part.kind for part in turn.parts] == ["input_transcription", "turn"]
    assert turn.response_id == "resp_1"


def test_a_turn_that_nobody_finished_is_recorded_as_what_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            ProxyThread({"openai": ProviderConfig(upstream=url)}) as proxied,
            proxied.connect() as client,
            _switched(listener, client) as connection,
        ):
            frame = _text(SETTINGS[1]) + _text(created(1)[1])
            connection.sendall(frame)
            client.until(frame)
            client.socket.close()  # without a Close frame: it just goes
            turn, whole = proxied.settled(2)
    assert turn.outcome == whole.outcome == "client_disconnected"
    assert (turn.extraction.completeness, turn.extraction.billable) == ("none", True)
    assert turn.extraction.reason == "client_disconnected"
    assert turn.extraction.parts[0].response_model == "gpt-realtime"


def test_what_was_asked_and_never_answered_costs_nothing_after_a_proper_end() -> None:
    dones, _ = play(
        conversation(SETTINGS, ASK, created(1), done(1), (True, {"type": "input_audio_buffer.append"}))
    )
    assert [record.extraction.not_billable_because for record in dones] == [None, "no_answer", "session"]


def test_time_is_what_a_session_without_usage_costs() -> None:
    dones, _ = play(conversation(SETTINGS, ASK, created(1), done(1, {})), "xai", "/v1/realtime")
    free, whole = dones
    assert free.extraction.billable is False
    assert whole.extraction.completeness == "final"
    assert list(whole.extraction.parts[0].quantities) == ["session_seconds"]


def test_a_refused_handshake_is_an_ordinary_answer() -> None:
    def refuse(_: Request) -> Any:
        return json_reply({"error": {"message": "no"}}, 401)

    with serving(refuse) as (_, proxied), proxied.connect() as client:
        answer = client.get("/openai/v1/realtime?model=x", *UPGRADE)
        assert (answer.status, json.loads(answer.body)) == (401, {"error": {"message": "no"}})
        record = proxied.settled(1)[0]
    assert (record.status, record.outcome, record.extraction.billable) == (401, "completed", False)


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (400, ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Key: short")),
        (400, ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "X: y")),
        (426, ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8")),
        (501, ("Upgrade: websocket", "Upgrade: tls/1.3")),
        (400, ("Connection: Upgrade", "X: y")),
        (400, ("Connection: Upgrade", "Content-Length: 5\r\nConnection: Upgrade")),
        (403, ("Upgrade: websocket", "Upgrade: websocket\r\nOrigin: https://evil.example")),
        (403, ("Upgrade: websocket", "Upgrade: websocket\r\nSec-Fetch-Site: cross-site")),
    ],
)  # fmt: skip
def test_a_handshake_that_is_not_in_order_reaches_nobody(status: int, change: tuple[str, str]) -> None:
    headers = [change[1] if line == change[0] else line for line in UPGRADE]
    with serving(lambda _: json_reply({})) as (upstream, proxied), proxied.connect() as client:
        assert client.get("/openai/v1/realtime", *headers).status == status
        assert upstream.requests == []
        assert proxied.journal.entries == []


@pytest.mark.parametrize(
    "change",
    [
        (b"Accept: ", b"Accept: x"),
        (b"Upgrade: websocket", b"Upgrade: tunnel"),
        (b"Connection: Upgrade", b"Connection: close"),
        (b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: x-odd\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: other\r\n\r\n"),
    ],
)
def test_a_switch_that_was_not_agreed_on_opens_no_tunnel(
    change: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from farebox.wire.http.upgrade import accept_of

    good = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_of(b"AAAAAAAAAAAAAAAAAAAAAA==") + b"\r\n\r\n"
    )  # fmt: skip
    bad = good.replace(change[0], change[1], 1)
    assert bad != good
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}) as proxied, proxied.connect() as client:
            client.send(client.head("GET", "/openai/v1/realtime", *UPGRADE))
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(bad)
                answer = client.answer()
            assert answer.status == 502
            record = proxied.settled(1)[0]
    assert record.error_class is not None and record.error_class.startswith("policy:")


def test_what_cannot_be_read_passes_all_the_same_and_is_said() -> None:
    session = conversation(SETTINGS, ASK, created(1))
    session.steps.insert(2, (False, b"\x8f\x00\xff\xff" + bytes(range(256))))  # no such opcode
    dones, _ = play(session)
    whole = dones[-1].extraction
    assert (whole.completeness, whole.reason, whole.billable) == ("none", "websocket_framing", True)


def test_a_record_is_durable_before_the_turns_last_message_is_released() -> None:
    session = conversation(SETTINGS, ASK, created(1), done(1))
    with (
        sockets.SocketUpstream([session]) as upstream,
        ProxyThread({"openai": ProviderConfig(upstream=upstream.url)}, durability="power") as proxied,
    ):
        proxied.journal.hold = True
        address = f"http://127.0.0.1:{proxied.port}"
        import threading

        talking = threading.Thread(
            target=sockets.converse, args=(address, "/openai/v1/realtime?model=x", {}, session), daemon=True
        )
        talking.start()
        proxied.settle(lambda: bool(proxied.journal.waiting))
        assert len(proxied.journal.dones) == 1
        assert session.client_received == b""  # it is still waiting for the last message
        proxied.journal.hold = False
        proxied.journal.release()
        talking.join(20)
        proxied.settled(2)
    assert session.client_received == session.bytes_of(client=False)


def test_an_upstream_that_breaks_off_ends_the_clients_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}) as proxied, proxied.connect() as client:
            connection = _switched(listener, client)
            frame = _text(created(1)[1])
            connection.sendall(frame)
            assert client.until(frame)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            assert client.until_closed() == b""
            turn, whole = proxied.settled(2)
    assert turn.outcome == whole.outcome == "upstream_failed"
    assert (turn.extraction.completeness, turn.extraction.billable) == ("none", True)


def test_a_client_that_takes_nothing_stops_the_upstream_and_then_ends_the_session() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            ProxyThread({"openai": ProviderConfig(upstream=url)}, limits=QUICK) as proxied,
            proxied.connect() as client,
        ):
            connection = _switched(listener, client)
            connection.settimeout(0.2)
            frame = _text({"type": "response.output_audio.delta", "delta": "x" * 60_000})
            passed = 0
            try:
                while passed < 200 << 20:
                    connection.sendall(frame)
                    passed += len(frame)
            except OSError:
                pass
            assert passed < 64 << 20  # what kernels keep, not what a proxy would
            record = proxied.settled(1)[-1]
            connection.close()
    assert (record.outcome, record.error_class) == ("timed_out", "client_stalled")


def test_a_stop_ends_open_sockets_and_records_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        import msgspec

        limits = msgspec.structs.replace(QUICK, drain_s=0.2)
        proxied = ProxyThread({"openai": ProviderConfig(upstream=url)}, limits=limits).__enter__()
        with proxied.connect() as client:
            connection = _switched(listener, client)
            proxied.stop()
            assert client.until_closed() == b""
            connection.close()
    record = proxied.journal.dones[0]
    assert (record.outcome, record.error_class) == ("timed_out", "proxy_stopped")


def _switched(listener: socket.socket, client: Any) -> socket.socket:
    """Open a WebSocket through the proxy; return the upstream's end of it."""
    from farebox.wire.http.upgrade import accept_of

    client.send(client.head("GET", "/openai/v1/realtime?model=gpt-realtime", *UPGRADE))
    connection, _ = listener.accept()
    connection.settimeout(10)
    while b"\r\n\r\n" not in connection.recv(65536):
        time.sleep(0.001)
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_of(b"AAAAAAAAAAAAAAAAAAAAAA==") + b"\r\n\r\n"
    )  # fmt: skip
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
    return connection


def _text(message: Any) -> bytes:
    payload = json.dumps(message).encode()
    size = len(payload)
    header = bytes([0x81, size]) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")
    assert size < 65536
    return header + payload


def test_a_socket_inside_intercepted_tls_is_metered(tmp_path: Any) -> None:
    import ssl
    import threading

    from interception_harness import HOST, intercepting
    from proxy_harness import certificate, server_tls

    from farebox.wire.http.upgrade import accept_of

    folder = tmp_path / "provider"
    folder.mkdir()
    ca_file, cert_file, key_file = certificate(folder, HOST)
    context = server_tls(cert_file, key_file)
    frames = _text(created(1)[1]) + _text(done(1)[1])

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True) as wrapped:
            head = b""
            while b"\r\n\r\n" not in head:
                head += wrapped.recv(65536)
            wrapped.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept_of(b"AAAAAAAAAAAAAAAAAAAAAA==") + b"\r\n\r\n" + frames
            )
            try:
                while wrapped.recv(65536):
                    pass
            except (ssl.SSLError, OSError):
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        with intercepting(
            lambda _: json_reply({}),
            tmp_path,
            addresses={HOST: place},
            trusts_mock=False,
            trusts=str(ca_file),
        ) as setting:
            with setting.secured() as client:
                client.send(client.head("GET", "/v1/realtime?model=gpt-realtime", *UPGRADE))
                assert client.until(frames).endswith(frames)
            turn, whole = setting.proxy.settled(2)
    assert turn.host == HOST and turn.extraction.completeness == "final"
    assert turn.extraction.parts[0].input_tokens == 10
    assert whole.extraction.not_billable_because == "session" or whole.outcome == "client_disconnected"


def test_a_key_is_on_no_record_whichever_way_a_socket_ends() -> None:
    canary = "sk-canary-0123456789"
    carriers = (
        (f"Authorization: Bearer {canary}",), (f"api-key: {canary}",), (f"x-goog-api-key: {canary}",),
        (f"Cookie: key={canary}",), (f"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.{canary}",),
    )  # fmt: skip
    endings = (
        lambda _: json_reply({"error": {"message": canary}}, 401),
        lambda _: json_reply({"error": canary}, 500),
        lambda _: json_reply({}, 200),
    )
    for respond in endings:
        with serving(respond) as (_, proxied):
            for number, headers in enumerate(carriers, 1):
                with proxied.connect() as client:
                    client.get(f"/openai/v1/realtime?model=x&key={canary}", *UPGRADE, *headers)
                    proxied.settled(number)
            assert canary not in repr(proxied.journal.entries)
    with ProxyThread({"openai": ProviderConfig(upstream="http://127.0.0.1:9")}) as proxied:
        with proxied.connect() as client:
            answer = client.get(f"/openai/v1/realtime?key={canary}", *UPGRADE, *carriers[0])
            assert canary.encode() not in answer.body
        proxied.settled(1)
        assert canary not in repr(proxied.journal.entries)
