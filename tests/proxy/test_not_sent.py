"""Half-closed connections, and calls of which nothing reached a provider: they are certainly free."""

from __future__ import annotations

import json
import socket
import threading

from proxy_harness import QUICK, ProxyThread, Reply, Request, mock, serving

from farebox.config import ProviderConfig
from farebox.ledger.append.judgement import judge

PATH = "/openai/v1/chat/completions"
BODY = json.dumps({"model": "gpt-4o", "messages": []}).encode()


def slow(_: Request) -> Reply:
    return Reply(body=[mock.Wait(0.3), b'{"ok": 1}'], framing="chunked")


def test_a_client_that_half_closes_after_its_request_gets_its_response() -> None:
    with serving(slow, limits=QUICK) as (_, proxy), proxy.connect() as client:
        client.send(client.head("POST", PATH, f"Content-Length: {len(BODY)}") + BODY)
        client.socket.shutdown(socket.SHUT_WR)
        answer = client.answer()
        assert (answer.status, answer.body) == (200, b'{"ok": 1}')
        assert client.until_closed() == b""
        (done,) = proxy.settled(1)
        proxy.settle(lambda: not proxy.proxy.state.clients)
    assert done.outcome == "completed"


def test_requests_that_were_pipelined_before_a_half_close_are_all_served() -> None:
    with serving(slow) as (_, proxy), proxy.connect() as client:
        client.send(client.head("GET", "/openai/v1/a") + client.head("GET", "/openai/v1/b"))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.until_closed().count(b'{"ok": 1}') == 2
        assert len(proxy.settled(2)) == 2


def test_a_client_that_closes_its_socket_still_cancels_the_upstream() -> None:
    hanging = mock.raw_reply(mock.Hang())
    with serving(lambda _: hanging) as (upstream, proxy):
        client = proxy.connect()
        client.send(client.head("POST", PATH, f"Content-Length: {len(BODY)}") + BODY)
        proxy.settle(lambda: len(upstream.requests) == 1)
        client.socket.close()
        (done,) = proxy.settled(1)
    assert done.outcome == "client_disconnected"
    assert upstream.abandoned == 1


def test_a_client_that_half_closes_and_then_leaves_cancels_the_upstream() -> None:
    hanging = mock.raw_reply(mock.Hang())
    with serving(lambda _: hanging, limits=QUICK.__class__(sweep_s=0.02)) as (upstream, proxy):
        client = proxy.connect()
        client.send(client.head("POST", PATH, f"Content-Length: {len(BODY)}") + BODY)
        client.socket.shutdown(socket.SHUT_WR)
        proxy.settle(lambda: len(upstream.requests) == 1)
        client.socket.close()
        (done,) = proxy.settled(1)
    assert done.outcome == "client_disconnected"


def test_an_incomplete_request_that_is_half_closed_is_the_clients_end() -> None:
    with serving(slow) as (upstream, proxy), proxy.connect() as client:
        client.send(client.head("POST", PATH, f"Content-Length: {len(BODY)}") + BODY[:-1])
        client.socket.shutdown(socket.SHUT_WR)
        client.until_closed()
        proxy.settle(lambda: proxy.proxy.state.in_flight == 0)
    assert upstream.requests == []


def free(proxy: ProxyThread) -> str:
    """Return why the one call is free, as the ledger will judge it."""
    (done,) = proxy.settled(1)
    judged = judge(done)
    assert not judged.billable
    assert done.extraction.parts == ()
    return str(judged.not_billable_because)


def test_a_client_that_leaves_before_a_byte_has_gone_upstream_has_spent_nothing() -> None:
    taken = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=1) as full:
        # A listener whose queue is full leaves a connection attempt waiting.
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for other in waiting:
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", port))
        upstream = ProviderConfig(upstream=f"http://127.0.0.1:{port}")
        with ProxyThread({"openai": upstream}) as proxy:
            client = proxy.connect()
            client.send(client.head("POST", PATH, f"Content-Length: {len(BODY)}") + BODY)
            proxy.settle(lambda: len(proxy.journal.intents) == 1)
            client.socket.close()
            assert free(proxy) == "not_sent"
            assert proxy.journal.dones[0].outcome == "client_disconnected"
        taken.set()
        for other in waiting:
            other.close()


def test_a_provider_that_cannot_be_reached_has_been_paid_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    for upstream, error_class in (
        (f"http://127.0.0.1:{port}", "connect_failed"),
        ("http://no-such-name.invalid", "dns_failed"),
    ):
        with ProxyThread({"openai": ProviderConfig(upstream=upstream)}) as proxy, proxy.connect() as client:
            assert client.post(PATH, BODY).status == 502
            assert free(proxy) == "not_sent"
            assert proxy.journal.dones[0].error_class == error_class


def test_a_handshake_that_fails_has_cost_nothing() -> None:
    with serving(slow) as (upstream, _):
        secure = ProviderConfig(upstream=upstream.url.replace("http:", "https:"))
        with ProxyThread({"openai": secure}, limits=QUICK) as proxy, proxy.connect() as client:
            assert client.post(PATH, BODY).status in (502, 504)
            assert free(proxy) == "not_sent"


def test_a_refused_loop_is_free() -> None:
    provider = ProviderConfig(upstream="http://127.0.0.1:1")
    with ProxyThread({"openai": provider}) as proxy:
        proxy.proxy.routes.find(b"/openai/")[0].origin.port = proxy.port  # type: ignore[index]
        with proxy.connect() as client:
            assert client.post(PATH, BODY).status == 502
            assert free(proxy) == "not_sent"
            assert proxy.journal.dones[0].error_class == "policy:address"


def test_a_call_that_was_sent_is_not_free_for_a_failure_after_it() -> None:
    """The negative control."""
    with serving(lambda _: mock.raw_reply(mock.Close())) as (_, proxy), proxy.connect() as client:
        assert client.post(PATH, BODY).status == 502
        (done,) = proxy.settled(1)
    assert done.extraction.billable
    assert judge(done).billable
