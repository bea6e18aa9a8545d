"""Budgets over HTTP/2, gRPC and WebSockets: wherever an attempt is made, it passes the same gate."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from budgeted_proxy import DOLLAR, Published, budget, opened
from h2.events import DataReceived, RequestReceived, ResponseReceived, StreamEnded
from proxy_harness import ProxyThread
from test_grpc import REQUEST, Service, usage
from test_http2 import ANSWER, End, authority
from test_websocket import ASK, SETTINGS, UPGRADE, conversation, created, done, sockets

from farebox import catalog
from farebox.budgets.budget import Budget, Stop
from farebox.budgets.counters import Counters, account_of
from farebox.budgets.limits_in_force import LimitsInForce
from farebox.clock import now_ns
from farebox.config import ProviderConfig
from farebox.home import Home
from farebox.proxy.admission.client_tokens import ClientTokens
from farebox.wire.framing.websocket import Messages

BODY = b'{"model": "gpt-4o", "messages": [], "max_tokens": 100}'


@contextmanager
def limited(
    path: Path, providers: dict[str, ProviderConfig], *budgets: Budget, stops: tuple[Stop, ...] = ()
) -> Iterator[tuple[ProxyThread, Callable[[Budget], Any]]]:
    """Run a proxy under budgets; yield it, and what tells a budget's figures."""
    home = Home(path / "home")
    home.prepare()
    opened(home, *budgets)
    published = Published(budgets, stops)
    limits = LimitsInForce(home, published.reader, catalog.load(providers), writer_id="proxy-test")
    counters = Counters(home)
    try:
        with ProxyThread(providers, budgets=limits, clients=ClientTokens(published.reader)) as proxy:
            yield proxy, lambda of: counters.figures(account_of(of, None, now_ns()), of.limit_pico)
    finally:
        limits.close()
        counters.close()


class Upstream:
    """An HTTP/2 server that answers every request with JSON."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.requests = 0
        self.bodies: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def _serve(self) -> None:
        try:
            connection, _ = self.listener.accept()
            with connection:
                self._answer(End(connection, client=False))
        except (OSError, EOFError):
            return

    def _answer(self, end: End) -> None:
        while True:
            stream_id = end.until(RequestReceived).stream_id
            end.until(StreamEnded, stream_id)
            self.requests += 1
            self.bodies.append(end.data(stream_id))
            end.h2.send_headers(stream_id, [(":status", "200"), ("content-type", "application/json")])
            end.send(stream_id, ANSWER)


@contextmanager
def over_http2(path: Path, *budgets: Budget, **more: Any) -> Iterator[tuple[End, ProxyThread, Upstream, Any]]:
    upstream = Upstream()
    with (
        limited(path, {"openai": ProviderConfig(upstream=upstream.url)}, *budgets, **more) as (
            proxy,
            figures,
        ),
        socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as connection,
    ):
        yield End(connection, client=True), proxy, upstream, figures
    upstream.listener.close()


def test_a_call_over_http_2_is_held_until_it_is_whole_and_settled_at_its_cost(tmp_path: Path) -> None:
    everything = budget()
    with over_http2(tmp_path, everything) as (client, proxy, upstream, figures):
        body = BODY[:-1] + b', "padding": "' + b"x" * 600_000 + b'"}'
        stream = client.ask(authority(proxy))
        sent = 0
        while sent < len(body):  # more than a window: room is given although nothing goes on
            room = min(client.h2.local_flow_control_window(stream), client.h2.max_outbound_frame_size)
            if not room:
                client.read()
                continue
            client.send(stream, body[sent : sent + room], end=sent + room >= len(body))
            sent += room
        headers = dict(client.until(ResponseReceived).headers)
        client.until(StreamEnded)
        (record,) = proxy.settled(1)
        assert headers[":status"] == "200" and headers["x-farebox-budget-left"].startswith("all=0.")
        assert upstream.bodies == [body]
        assert figures(everything).settled == record.held.cost_pico == 3 * 2_500_000 + 4 * 10_000_000
        assert figures(everything).reserved == 0


def test_a_refusal_over_http_2_has_the_providers_shape_and_reaches_no_upstream(tmp_path: Path) -> None:
    with over_http2(tmp_path, budget(limit=10**6, wait_s=0)) as (client, proxy, upstream, _):
        for _ in range(2):
            client.send(client.ask(authority(proxy)), BODY)
            headers = dict(client.until(ResponseReceived).headers)
            data = client.until(DataReceived).data
            assert (headers[":status"], headers["x-should-retry"]) == ("429", "false")
            assert headers["x-farebox-call-id"]
            assert json.loads(data)["error"]["code"] == "insufficient_quota"
        dones = proxy.settled(2)
        assert {record.outcome for record in dones} == {"refused"}
        assert (upstream.requests, proxy.journal.intents) == (0, [])


def test_a_stream_of_http_2_waits_its_turn_and_gives_it_up_with_its_client(tmp_path: Path) -> None:
    tight = budget(limit=4 * 10**9, wait_s=30)
    with over_http2(tmp_path, tight) as (client, proxy, upstream, figures):
        gate = proxy.proxy.state.gate
        assert gate is not None
        holder = Holder(proxy, tight)
        stream = client.ask(authority(proxy))
        client.send(stream, BODY)
        proxy.settle(lambda: gate.waiting == 1)
        left = client.ask(authority(proxy))
        client.send(left, BODY)
        proxy.settle(lambda: gate.waiting == 2)
        client.h2.reset_stream(left)
        client.flush()
        proxy.settle(lambda: gate.waiting == 1)
        assert upstream.requests == 0
        holder.settle()
        assert dict(client.until(ResponseReceived).headers)[":status"] == "200"
        proxy.settled(1)
        assert figures(tight).reserved == 0


class Holder:
    """Somebody else's call, which holds all there is."""

    def __init__(self, proxy: ProxyThread, of: Budget) -> None:
        limits = proxy.proxy._budgets  # type: ignore[reportPrivateUsage]
        assert limits is not None
        home = limits._home
        self.counters = Counters(home)
        self.participant = self.counters.join("sdk-other")
        holding = self.participant.holding(account_of(of, None, now_ns()), of.limit_pico)
        self.reservation: Any = self.participant.reserve([(holding, of.limit_pico)])

    def settle(self) -> None:
        self.reservation.settle([0])
        self.participant.close()
        self.counters.close()


def test_a_grpc_client_is_told_resource_exhausted_and_not_to_try_again(tmp_path: Path) -> None:
    from concurrent import futures

    def answer(_: bytes, __: Any) -> Iterator[bytes]:
        yield usage(40, 50)

    service = Service(answer)
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[service])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    providers = {"xai": ProviderConfig(upstream=f"http://127.0.0.1:{port}")}
    path = "/xai_api.Chat/GetCompletionChunk"
    try:
        plenty = budget("plenty", limit=100 * DOLLAR)
        with (
            limited(tmp_path / "plenty", providers, plenty) as (proxy, figures),
            grpc.insecure_channel(f"127.0.0.1:{proxy.port}") as channel,
        ):
            assert list(channel.unary_stream(path)(REQUEST, timeout=20))
            (record,) = proxy.settled(1)
            assert record.held is not None and figures(plenty).settled == record.held.cost_pico > 0
        before = len(service.requests)
        with (
            limited(tmp_path / "none", providers, budget(limit=1, wait_s=0)) as (proxy, _),
            grpc.insecure_channel(f"127.0.0.1:{proxy.port}") as channel,
        ):
            with pytest.raises(grpc.RpcError) as caught:
                list(channel.unary_stream(path)(REQUEST, timeout=20))
            error: Any = caught.value
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "budget all" in error.details()
            assert len(service.requests) == before
    finally:
        server.stop(0).wait()


def test_a_socket_that_nothing_bounds_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    with sockets.SocketUpstream([]) as upstream:
        providers = {"openai": ProviderConfig(upstream=upstream.url)}
        with limited(tmp_path, providers, budget(wait_s=0)) as (proxy, _), proxy.connect() as client:
            answer = client.get("/openai/v1/realtime?model=gpt-realtime", *UPGRADE)
            assert (answer.status, answer.header("x-farebox-error")) == (429, b"budget_unbounded")
            assert answer.header("x-should-retry") == b"false" and answer.call_ids
            (record,) = proxy.settled(1)
            assert (record.outcome, proxy.journal.intents) == ("refused", [])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it is cut off
def test_turns_count_where_a_budget_allows_sockets_and_the_first_without_money_ends_it(
    tmp_path: Path,
) -> None:
    usage = {
        "total_tokens": 100_000,
        "input_tokens": 0,
        "output_tokens": 100_000,
        "output_token_details": {"text_tokens": 100_000},
    }
    session = conversation(SETTINGS, ASK, created(1), done(1, usage), ASK, created(2), done(2, usage))
    allowing = budget(limit=DOLLAR, unpriced="allow", wait_s=0)
    with sockets.SocketUpstream([session]) as upstream:
        providers = {"openai": ProviderConfig(upstream=upstream.url)}
        with limited(tmp_path, providers, allowing) as (proxy, figures), proxy.connect() as client:
            client.send(client.head("GET", "/openai/v1/realtime?model=gpt-realtime", *UPGRADE))
            head = client.until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 ")
            asked = [data for side, data in session.steps if side]
            client.send(asked[0])
            proxy.settle(lambda: len(proxy.journal.dones) == 1)
            client.send(asked[1])
            got = head.partition(b"\r\n\r\n")[2] + client.until_closed()
            dones = proxy.settled(3)
            assert figures(allowing).settled >= DOLLAR
        assert [record.outcome for record in dones] == ["completed", "refused", "timed_out"]
        said: list[Any] = []
        messages = Messages(lambda message: said.append(json.loads(message)), masked=False, deflate=None)
        messages.feed(got)
        kinds = [message.get("type") for message in said]
        assert kinds == ["session.created", "response.created", "response.done", "error"]
        assert said[-1]["error"]["code"] == "insufficient_quota"
        assert messages.closed and b"\x03\xf0Farebox: budget all" in got
