"""gRPC through the proxy with the real library on both ends: messages, trailers, errors, usage."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from proxy_harness import QUICK, ROOT, ProxyThread

from farebox import catalog
from farebox.config import ProviderConfig
from farebox.journal.records import Done

sys.path.insert(0, str(ROOT / "tools"))

from replaying import judging
from replaying.recordings import Recording, load

CHUNKS = "/xai_api.Chat/GetCompletionChunk"


def varint(value: int) -> bytes:
    data = b""
    while value > 0x7F:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


REQUEST = field(2, b"grok-4")
"""A request names its model in field 2."""


class Service(grpc.GenericRpcHandler):
    """Answers any method by what the test says."""

    def __init__(self, answer: Callable[[bytes, grpc.ServicerContext], Iterator[bytes]]) -> None:
        self.answer = answer
        self.metadata: list[dict[str, Any]] = []
        self.requests: list[bytes] = []

    def service(self, details: Any) -> Any:
        def respond(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            self.metadata.append(dict(context.invocation_metadata()))
            body = b"".join(requests)
            self.requests.append(body)
            yield from self.answer(body, context)

        return grpc.stream_stream_rpc_method_handler(respond)


@contextmanager
def serving(
    answer: Callable[[bytes, Any], Iterator[bytes]], **proxy: Any
) -> Iterator[tuple[Service, ProxyThread, grpc.Channel]]:  # fmt: skip
    service = Service(answer)
    server = grpc.server(futures.ThreadPoolExecutor(16), handlers=[service])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        providers = {"xai": ProviderConfig(upstream=f"http://127.0.0.1:{port}")}
        with (
            ProxyThread(providers, **proxy) as proxied,
            grpc.insecure_channel(f"127.0.0.1:{proxied.port}") as channel,
        ):
            yield service, proxied, channel
    finally:
        server.stop(0).wait()


def call(channel: grpc.Channel, path: str = CHUNKS, request: bytes = REQUEST, **options: Any) -> list[bytes]:
    return list(channel.unary_stream(path)(request, timeout=120, **options))


def recorded(recordings: Path) -> list[Recording]:
    return [entry for entry in load(recordings) if entry.transport == "grpc"]


def messages(body: bytes) -> list[bytes]:
    found = []
    while body:
        size = int.from_bytes(body[1:5], "big")
        found.append(body[5 : 5 + size])
        body = body[5 + size :]
    return found


def test_recorded_calls_pass_message_for_message_and_are_metered_exactly(recordings: Path) -> None:
    entries = recorded(recordings)
    assert len(entries) > 15
    current: list[Recording] = []

    def answer(_: bytes, context: Any) -> Iterator[bytes]:
        context.set_trailing_metadata((("x-trailer", "kept"),))
        yield from messages(current[-1].response_body)

    with serving(answer) as (service, proxied, channel):
        for number, entry in enumerate(entries, 1):
            current.append(entry)
            request = entry.request_body[5:]
            stream = channel.unary_stream(entry.path)(request, timeout=120)
            assert list(stream) == messages(entry.response_body), entry.id
            assert dict(stream.trailing_metadata())["x-trailer"] == "kept"
            assert stream.code() == grpc.StatusCode.OK
            record = proxied.settled(number)[number - 1]
            assert record.outcome == "completed"
            assert service.requests[-1] == request
            if entry.billable and entry.canonical:
                assert judging.usage_difference(entry, record.extraction.parts) == {}, entry.id


def usage(prompt: int, completion: int) -> bytes:
    """Return an answer with its usage, by the field numbers the catalog has."""
    known = catalog.load().provider("xai")
    assert known is not None
    form = known.endpoint("POST", CHUNKS).format
    assert form is not None and form.protobuf is not None
    numbers = {value.name: number for number, value in form.protobuf.response.items()}
    inner = next(value for value in form.protobuf.response.values() if value.name == "usage")
    counts = {value.name: number for number, value in inner.fields.items()}
    body = field(counts["prompt_tokens"], prompt) + field(counts["completion_tokens"], completion)
    return field(numbers["id"], b"resp-1") + field(numbers["usage"], body)


def test_large_messages_pass_in_both_directions_under_flow_control() -> None:
    blob = random.Random(1).randbytes(3 << 20)
    text = field(15, blob)

    def answer(request: bytes, _: Any) -> Iterator[bytes]:
        assert request == REQUEST + text
        yield text
        yield usage(5, 7)

    options = [("grpc.max_receive_message_length", -1)]
    service = Service(answer)
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[service], options=options)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        providers = {"xai": ProviderConfig(upstream=f"http://127.0.0.1:{port}")}
        with (
            ProxyThread(providers) as proxied,
            grpc.insecure_channel(f"127.0.0.1:{proxied.port}", options=options) as channel,
        ):
            assert call(channel, CHUNKS, REQUEST + text) == [text, usage(5, 7)]
            record = proxied.settled(1)[0]
    finally:
        server.stop(0).wait()
    (part,) = record.extraction.parts
    assert (part.input_tokens, part.output_tokens, part.request_model) == (5, 7, "grok-4")
    assert record.request_bytes == len(REQUEST + text) + 5


def test_many_calls_at_once_share_a_connection_and_none_is_lost() -> None:
    def answer(_: bytes, __: Any) -> Iterator[bytes]:
        yield usage(1, 1)
        yield usage(2, 3)

    with serving(answer) as (_, proxied, channel):
        with futures.ThreadPoolExecutor(40) as pool:
            results = list(pool.map(lambda _: call(channel, CHUNKS), range(200)))
        records = proxied.settled(200)
    assert results == [[usage(1, 1), usage(2, 3)]] * 200
    assert {(record.outcome, record.extraction.completeness) for record in records} == {
        ("completed", "final")
    }
    assert {sum(part.output_tokens for part in record.extraction.parts) for record in records} == {3}
    assert len({record.event_id for record in records}) == 200


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages_are_read(compression: Any) -> None:
    def answer(_: bytes, context: Any) -> Iterator[bytes]:
        context.set_compression(compression)
        yield usage(40, 50) + field(15, b"x" * 4000)

    with serving(answer) as (_, proxied, channel):
        call(channel, compression=compression)
        (part,) = proxied.settled(1)[0].extraction.parts
    assert (part.input_tokens, part.output_tokens) == (40, 50)


def test_an_error_before_any_message_passes_with_its_words_and_costs_nothing() -> None:
    def answer(_: bytes, context: Any) -> Iterator[bytes]:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down")
        yield b""

    with serving(answer) as (_, proxied, channel):
        with pytest.raises(grpc.RpcError) as caught:
            call(channel)
        record = proxied.settled(1)[0]
    error: Any = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down")
    assert (record.status, record.outcome, record.error_class) == (200, "completed", "grpc_status_8")
    assert (record.extraction.billable, record.extraction.not_billable_because) == (False, "error_response")


def test_an_error_after_messages_keeps_what_they_said() -> None:
    def answer(_: bytes, context: Any) -> Iterator[bytes]:
        yield usage(5, 2)
        context.abort(grpc.StatusCode.INTERNAL, "broke")

    with serving(answer) as (_, proxied, channel):
        with pytest.raises(grpc.RpcError):
            call(channel, CHUNKS)
        record = proxied.settled(1)[0]
    assert record.error_class == "grpc_status_13"
    assert record.extraction.billable
    assert record.extraction.parts[0].output_tokens == 2


def test_a_cancelled_call_is_cancelled_at_the_provider_and_recorded() -> None:
    seen = threading.Event()

    def answer(_: bytes, context: Any) -> Iterator[bytes]:
        context.add_callback(seen.set)
        yield usage(5, 2)
        while context.is_active():
            time.sleep(0.01)

    with serving(answer) as (_, proxied, channel):
        stream = channel.unary_stream(CHUNKS)(REQUEST, timeout=120)
        assert next(stream) == usage(5, 2)
        stream.cancel()
        record = proxied.settled(1)[0]
        assert seen.wait(10)
    assert (record.outcome, record.error_class) == ("client_disconnected", "client_disconnected")
    assert record.extraction.parts[0].output_tokens == 2


def test_metadata_passes_and_ours_is_read_and_taken_out() -> None:
    def answer(_: bytes, context: Any) -> Iterator[bytes]:
        context.send_initial_metadata((("x-region", "eu"),))
        yield usage(1, 1)

    metadata = (
        ("authorization", "Bearer xai-secret"), ("x-farebox-customer", "acme"), ("with_underscore", "kept"),
        ("helicone-user-id", "ada"), ("x-bytes-bin", b"\x00\xff"),
    )  # fmt: skip
    with serving(answer) as (service, proxied, channel):
        stream = channel.unary_stream(CHUNKS)(REQUEST, metadata=metadata, timeout=120)
        assert list(stream) == [usage(1, 1)]
        assert dict(stream.initial_metadata())["x-region"] == "eu"
        record = proxied.settled(1)[0]
    seen = service.metadata[0]
    assert (seen["authorization"], seen["with_underscore"]) == ("Bearer xai-secret", "kept")
    assert seen["x-bytes-bin"] == b"\x00\xff"
    assert not [name for name in seen if "farebox" in name or "helicone" in name]
    assert record.attribution == {"customer": "acme", "user": "ada"}
    assert record.key_fingerprint and "xai-secret" not in repr(record)
    assert (record.surface, record.provider) == ("xai.grpc_chat", "xai")


def test_intent_comes_first_and_done_before_the_end() -> None:
    def answer(_: bytes, __: Any) -> Iterator[bytes]:
        yield usage(1, 1)

    with serving(answer, durability="power") as (_, proxied, channel):
        proxied.journal.hold = True
        result: list[Any] = []
        thread = threading.Thread(target=lambda: result.append(call(channel)), daemon=True)
        thread.start()
        proxied.settle(lambda: bool(proxied.journal.waiting))
        assert [kind for kind, _ in proxied.journal.entries] == [1, 3]
        assert result == []
        proxied.journal.hold = False
        proxied.journal.release()
        thread.join(10)
    assert result == [[usage(1, 1)]]


def test_an_unknown_service_and_an_upstream_that_is_not_there_are_said_in_grpcs_words() -> None:
    with (
        ProxyThread({"xai": ProviderConfig(upstream="http://127.0.0.1:9")}) as proxied,
        grpc.insecure_channel(f"127.0.0.1:{proxied.port}") as channel,
    ):
        for path, code in (("/nobody.Chat/Say", "UNIMPLEMENTED"), (CHUNKS, "UNAVAILABLE")):
            with pytest.raises(grpc.RpcError) as caught:
                call(channel, path)
            error: Any = caught.value
            assert error.code() == getattr(grpc.StatusCode, code)
            assert error.details().startswith("Farebox: ")
        record = proxied.settled(1)[0]
    assert (record.outcome, record.error_class) == ("upstream_failed", "connect_failed")


def test_a_provider_that_does_not_answer_is_given_up() -> None:
    stop = threading.Event()

    def answer(_: bytes, __: Any) -> Iterator[bytes]:
        stop.wait(20)
        yield b""

    with serving(answer, limits=QUICK) as (_, proxied, channel):
        with pytest.raises(grpc.RpcError) as caught:
            call(channel)
        record: Done = proxied.settled(1)[0]
        stop.set()
    error: Any = caught.value
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert (record.outcome, record.error_class) == ("timed_out", "first_byte_timeout")


def test_a_stop_lets_calls_end_and_takes_no_new_ones() -> None:
    release = threading.Event()

    def answer(_: bytes, __: Any) -> Iterator[bytes]:
        yield usage(1, 1)
        release.wait(20)
        yield usage(2, 2)

    patient = msgspec.structs.replace(QUICK, first_byte_s=20, upstream_idle_s=20, drain_s=20)
    with serving(answer, limits=patient) as (_, proxied, channel):
        stream = channel.unary_stream(CHUNKS)(REQUEST, timeout=120)
        assert next(stream) == usage(1, 1)
        proxied.stop()
        proxied.settle(lambda: proxied.proxy.state.draining)
        release.set()
        assert list(stream) == [usage(2, 2)]
        record = proxied.settled(1)[0]
    assert (record.outcome, record.extraction.completeness) == ("completed", "final")


def test_a_client_behind_the_forward_proxy_reaches_its_provider_by_name(tmp_path: Path) -> None:
    from interception_harness import intercepting
    from proxy_harness import certificate, mock

    certificates = tmp_path / "provider"
    certificates.mkdir()
    ca_file, cert_file, key_file = certificate(certificates, "api.x.ai")
    service = Service(lambda _, __: iter((usage(11, 13),)))
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[service])
    pair = (key_file.read_bytes(), cert_file.read_bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    try:
        with intercepting(
            lambda _: mock.json_reply({}), tmp_path, keeps=("api.x.ai",), trusts_mock=False,
            trusts=str(ca_file), addresses={"api.x.ai": f"127.0.0.1:{port}"},
        ) as setting:  # fmt: skip
            trust = grpc.ssl_channel_credentials(setting.root.read_bytes())
            options = [("grpc.http_proxy", f"http://127.0.0.1:{setting.proxy.port}")]
            with grpc.secure_channel("api.x.ai:443", trust, options=options) as channel:
                assert call(channel) == [usage(11, 13)]
            record = setting.proxy.settled(1)[0]
    finally:
        server.stop(0).wait()
    assert (record.provider, record.surface, record.host) == ("xai", "xai.grpc_chat", "api.x.ai")
    (part,) = record.extraction.parts
    assert (part.input_tokens, part.output_tokens) == (11, 13)


@pytest.mark.parametrize(
    ("provider", "path", "model", "numbers"),
    [
        ("google", "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent", 1,
         {"usage": 3, "cached": 4, "thoughts": 10, "details": 5, "model": 4}),
        ("vertex", "/google.cloud.aiplatform.v1.PredictionService/StreamGenerateContent", 5,
         {"usage": 4, "cached": 5, "thoughts": 14, "details": 9, "model": 11}),
    ],
)  # fmt: skip
def test_geminis_messages_are_read_by_either_service(
    provider: str, path: str, model: int, numbers: dict[str, int]
) -> None:
    audio = field(1, 4) + field(2, 300)
    counts = field(1, 1000) + field(2, 60) + field(3, 1090) + field(numbers["cached"], 400)
    counts += field(numbers["thoughts"], 30) + field(numbers["details"], field(1, 1) + field(2, 700))
    counts += field(numbers["details"], audio)
    message = field(numbers["usage"], counts) + field(numbers["model"], b"gemini-2.5-flash")
    service = Service(lambda _, __: iter((message,)))
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[service])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        providers = {provider: ProviderConfig(upstream=f"http://127.0.0.1:{port}")}
        with (
            ProxyThread(providers) as proxied,
            grpc.insecure_channel(f"127.0.0.1:{proxied.port}") as channel,
        ):
            assert call(channel, path, field(model, b"models/gemini-2.5-flash")) == [message]
            record = proxied.settled(1)[0]
    finally:
        server.stop(0).wait()
    (part,) = record.extraction.parts
    assert part.quantities == {
        "input_uncached": 300, "cache_read": 400, "input_audio": 300, "output_text": 60,
        "output_reasoning": 30,
    }  # fmt: skip
    assert (record.surface, part.response_model) == (f"{provider}.grpc_generate", "gemini-2.5-flash")
