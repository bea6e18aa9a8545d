"""Hard budgets where calls pass: held before they are sent, waiting their turn, settled at their cost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from budgeted_proxy import CHAT, DOLLAR, JSON, MODEL, answering, budget, budgeted, chat, opened, usage
from proxy_harness import QUICK, Reply, Request, mock, serving

from farebox.budgets.budget import Period, Stop
from farebox.journal.records import Done

COST_10_10 = 125_000_000
"""10 tokens in and 10 out of gpt-4o at $2.50 and $10 a million."""


class Held:
    """An upstream that responds when it is told to."""

    def __init__(self, **used: int) -> None:
        self.go = threading.Event()
        self.respond = answering(**used)
        self.seen = 0

    def __call__(self, request: Request) -> Reply:
        self.seen += 1
        assert self.go.wait(10)
        return self.respond(request)


def worst_of(done: Done) -> int:
    assert done.held is not None
    return done.held.cost_pico


def test_calls_under_one_head_are_held_by_what_each_of_them_asks_for(tmp_path: Path) -> None:
    with budgeted(tmp_path, budget()) as run, run.proxy.connect() as client:
        asked = [chat(100), chat(200), chat(100, n=3), chat(100, "hi" * 50), chat(100), chat(100, user="me")]
        for body in asked:
            assert client.post(CHAT, body, JSON).status == 200
        run.proxy.settled(len(asked))
        first, longer, three, larger, again, named = [
            intent.held.cost_pico for intent in run.proxy.journal.intents
        ]
    assert longer - first >= 100 * 10**7
    assert three > 2 * first
    assert larger > first == again
    assert named > first


def test_a_model_that_serves_another_name_counts_from_the_next_call_under_the_same_head(
    tmp_path: Path,
) -> None:
    def respond(_: Request) -> Reply:
        return mock.json_reply({**mock.chat_answer("hi", usage=usage(10, 10)), "model": "gpt-4o-2024-08-06"})

    body = chat(100).replace(b"gpt-4o", b"gpt-4o-mini")
    with budgeted(tmp_path, budget(), respond=respond) as run, run.proxy.connect() as client:
        for _ in range(2):
            assert client.post(CHAT, body, JSON).status == 200
        run.proxy.settled(2)
        first, second = [intent.held.cost_pico for intent in run.proxy.journal.intents]
    assert second > 10 * first


def test_at_g2_what_is_shown_is_what_is_enforced_while_a_call_runs_and_after_it(tmp_path: Path) -> None:
    all_of_it = budget()
    seen: list[tuple[int, int]] = []

    def respond(request: Request) -> Reply:
        figures = running[0].figures(all_of_it)
        seen.append((figures.reserved, running[0].proxy.journal.intents[-1].held.cost_pico))
        return answering()(request)

    running: list[Any] = []
    with budgeted(tmp_path, all_of_it, respond=respond) as run, run.proxy.connect() as client:
        running.append(run)
        for number in range(1, 4):
            answer = client.post(CHAT, chat(max_tokens=100), JSON)
            assert answer.status == 200
            assert answer.header("x-farebox-cost") == b"0.000125"
            left = run.figures(all_of_it).left
            assert left == DOLLAR - number * COST_10_10
            assert (
                answer.header("x-farebox-budget-left")
                == b"all=" + f"{left / DOLLAR:.6f}".rstrip("0").encode()
            )
        dones = run.proxy.settled(3)
        assert [done.held.cost_pico for done in dones] == [COST_10_10] * 3
        assert all(done.held.accounts == run.proxy.journal.intents[0].held.accounts for done in dones)
    for reserved, written in seen:
        assert reserved == written > 100 * 10**7


def test_at_g4_calls_are_settled_exactly_and_what_cost_nothing_is_given_back(tmp_path: Path) -> None:
    all_of_it = budget()
    errors = {"500": mock.json_reply({"error": {"message": "no"}}, 500), "429": mock.json_reply({}, 429)}
    replies: list[Reply] = [*errors.values()]
    with (
        budgeted(tmp_path, all_of_it, respond=lambda _: replies.pop(0)) as run,
        run.proxy.connect() as client,
    ):
        for _ in range(2):
            client.post(CHAT, chat(), JSON)
        run.proxy.settled(2)
        assert run.figures(all_of_it).left == DOLLAR
        replies.append(answering(output_tokens=7)(Request(0)))
        client.post(CHAT, chat(), JSON)
        run.proxy.settled(3)
        spent = run.figures(all_of_it)
        assert (spent.reserved, spent.settled) == (0, 10 * 2_500_000 + 7 * 10_000_000)
        replies.append(mock.sse_reply(mock.chat_events(3, usage=usage(10, 10))))
        assert client.post(CHAT, chat(stream=True), JSON).status == 200
        run.proxy.settled(4)
        assert run.figures(all_of_it).settled == spent.settled + COST_10_10


def test_a_cut_stream_counts_for_the_most_it_can_be(tmp_path: Path) -> None:
    all_of_it = budget()
    events = mock.chat_events(3)

    def respond(_: Request) -> Reply:
        return mock.raw_reply(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            + mock.chunk(events[0]),
            mock.Reset(),
        )

    with budgeted(tmp_path, all_of_it, respond=respond) as run, run.proxy.connect() as client:
        body = chat(stream=True)
        client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(body)}") + body)
        client.until_closed()
        (done,) = run.proxy.settled(1)
        (intent,) = run.proxy.journal.intents
        assert done.outcome == "upstream_failed"
        assert run.figures(all_of_it).settled == worst_of(done) == intent.held.cost_pico


def test_a_call_without_room_waits_unsent_until_another_has_settled(tmp_path: Path) -> None:
    upstream = Held()
    worst = 26 * 10**8
    tight = budget(limit=worst * 3 // 2, wait_s=30)
    with (
        budgeted(tmp_path, tight, respond=upstream, limits=QUICK) as run,
        run.proxy.connect() as first,
        run.proxy.connect() as second,
    ):
        for client in (first, second):
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(chat())}") + chat())
            run.proxy.settle(lambda: upstream.seen == 1)
        run.proxy.settle(lambda: run.waiting == 1)
        time.sleep(5 * QUICK.sweep_s)  # more than one look at the limits in time
        assert (upstream.seen, len(run.proxy.journal.intents)) == (1, 1)
        upstream.go.set()
        assert first.answer().status == second.answer().status == 200
        run.proxy.settled(2)
        assert run.figures(tight).settled == 2 * COST_10_10


def test_limits_in_time_are_not_for_calls_that_wait(tmp_path: Path) -> None:
    upstream = Held()
    limits = QUICK
    tight = budget(limit=4 * 10**9, wait_s=30)
    import msgspec

    patient = msgspec.structs.replace(limits, first_byte_s=30.0, upstream_idle_s=30.0)
    with (
        budgeted(tmp_path, tight, respond=upstream, limits=patient) as run,
        run.proxy.connect() as first,
        run.proxy.connect() as second,
    ):
        for client in (first, second):
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(chat())}") + chat())
            run.proxy.settle(lambda: upstream.seen == 1)
        run.proxy.settle(lambda: run.waiting == 1)
        time.sleep(3 * max(limits.client_body_s, limits.write_stall_s, limits.client_head_s))
        assert run.waiting == 1
        upstream.go.set()
        assert second.answer().status == 200


def test_a_waiting_client_that_leaves_gives_its_place_up_and_leaves_no_record(tmp_path: Path) -> None:
    upstream = Held()
    tight = budget(limit=4 * 10**9, wait_s=30)
    with (
        budgeted(tmp_path, tight, respond=upstream) as run,
        run.proxy.connect() as first,
        run.proxy.connect() as third,
    ):
        with run.proxy.connect() as second:
            for client in (first, second):
                client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(chat())}") + chat())
                run.proxy.settle(lambda: upstream.seen == 1)
            run.proxy.settle(lambda: run.waiting == 1)
        run.proxy.settle(lambda: run.waiting == 0)
        third.send(third.head("POST", CHAT, JSON, f"Content-Length: {len(chat())}") + chat())
        run.proxy.settle(lambda: run.waiting == 1)
        upstream.go.set()
        assert first.answer().status == third.answer().status == 200
        run.proxy.settled(2)
        assert (upstream.seen, len(run.proxy.journal.dones)) == (2, 2)
        assert run.figures(tight).settled == 2 * COST_10_10


def test_a_call_that_has_waited_long_enough_is_refused(tmp_path: Path) -> None:
    upstream = Held()
    tight = budget(limit=4 * 10**9, wait_s=1)
    with (
        budgeted(tmp_path, tight, respond=upstream) as run,
        run.proxy.connect() as first,
        run.proxy.connect() as second,
    ):
        for client in (first, second):
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(chat())}") + chat())
            run.proxy.settle(lambda: upstream.seen == 1)
        answer = second.answer()
        assert answer.status == 429
        assert answer.header("x-should-retry") == b"false"
        message = json.loads(answer.body)["error"]["message"]
        assert "none came free within 1 s" in message
        upstream.go.set()
        assert first.answer().status == 200
        dones = run.proxy.settled(2)
        refused = next(done for done in dones if done.outcome == "refused")
        assert answer.call_ids and refused.error_class == "budget_exceeded"
        assert not refused.extraction.billable and refused.held is None
        assert upstream.seen == 1


def test_what_can_never_fit_is_refused_at_once_with_the_budget_its_limit_what_is_left_and_the_reset(
    tmp_path: Path,
) -> None:
    daily = budget(
        "acme-daily", limit=DOLLAR // 100, period=Period("day"), timezone="Europe/Berlin", wait_s=60
    )
    with budgeted(tmp_path, daily) as run, run.proxy.connect() as client:
        started = time.monotonic()
        answer = client.post(CHAT, chat(max_tokens=4000), JSON)
        assert time.monotonic() - started < 10
        assert answer.status == 429
        error = json.loads(answer.body)["error"]
        assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
        for part in ("acme-daily", "$0.01 left of $0.01 a day", "It resets at ", "T00:00:00+0"):
            assert part in error["message"], error["message"]
        assert client.post(CHAT, chat(max_tokens=10), JSON).status == 200  # the connection is kept
        assert run.upstream.count == 1


def test_the_record_of_a_refusal_says_which_model_was_asked_for(tmp_path: Path) -> None:
    with budgeted(tmp_path, budget(limit=1, wait_s=0)) as run, run.proxy.connect() as client:
        assert client.post(CHAT, chat(), JSON).status == 429
        (record,) = run.proxy.settled(1)
    assert (record.outcome, record.extraction.request_model) == ("refused", MODEL)
    assert record.extraction.reason == "not_sent" and not record.extraction.parts


def test_a_request_is_held_until_it_is_whole_however_slowly_it_comes(tmp_path: Path) -> None:
    per_session = budget("per-session", limit=DOLLAR, each="session", period=Period("session"))
    body = chat(metadata={"session_id": "s-1"}, text="x" * 300_000)
    with budgeted(tmp_path, per_session) as run, run.proxy.connect() as client:
        head = client.head("POST", CHAT, JSON, f"Content-Length: {len(body)}", "x-farebox-session: s-1")
        client.send(head + body[:1000])
        time.sleep(0.05)
        client.send(body[1000:200_000])
        time.sleep(0.05)
        assert (run.upstream.count, run.proxy.journal.intents) == (0, [])
        client.send(body[200_000:])
        assert client.answer().status == 200
        assert run.upstream.requests[0].body == body
        assert run.figures(per_session, "s-1").settled == COST_10_10


def test_a_client_that_waits_for_the_word_to_send_its_body_gets_it_from_us_and_once(tmp_path: Path) -> None:
    def respond(request: Request) -> Reply:
        answer = mock.render(
            answering()(request), json.dumps(mock.chat_answer("x", usage=usage(10, 10))).encode()
        )
        return mock.raw_reply(b"HTTP/1.1 100 Continue\r\n\r\n" + answer)

    with budgeted(tmp_path, budget(), respond=respond) as run, run.proxy.connect() as client:
        body = chat()
        client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert run.upstream.count == 0
        client.send(body)
        assert client.answer().status == 200
        run.proxy.settled(1)


def test_a_stopped_session_is_refused_with_the_reason_until_that_is_lifted(tmp_path: Path) -> None:
    stop = Stop(dimension="session", value="s-1", reason="runs in circles", since_ns=1, by="ann")
    with budgeted(tmp_path, stops=(stop,)) as run, run.proxy.connect() as client:
        answer = client.post(CHAT, chat(), JSON, "x-farebox-session: s-1")
        assert (answer.status, answer.header("x-farebox-error")) == (429, b"stopped")
        assert b"session s-1" in answer.body and b"runs in circles" in answer.body
        assert client.post(CHAT, chat(), JSON, "x-farebox-session: s-2").status == 200
        run.published.publish()
        run.proxy.settle(lambda: run.proxy.proxy.state.gate is None)
        assert client.post(CHAT, chat(), JSON, "x-farebox-session: s-1").status == 200


def test_a_changed_budget_is_in_force_within_two_seconds_also_for_calls_that_wait(tmp_path: Path) -> None:
    upstream = Held()
    tight, wide = budget(limit=4 * 10**9, wait_s=30), budget(limit=10**11, wait_s=30)
    with (
        budgeted(tmp_path, tight, respond=upstream) as run,
        run.proxy.connect() as first,
        run.proxy.connect() as second,
    ):
        for client in (first, second):
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(chat())}") + chat())
            run.proxy.settle(lambda: upstream.seen == 1)
        run.proxy.settle(lambda: run.waiting == 1)
        run.published.publish(wide)
        run.proxy.settle(lambda: len(run.proxy.journal.intents) == 2, seconds=2.5)
        upstream.go.set()
        assert first.answer().status == second.answer().status == 200
        run.proxy.settled(2)
        assert run.figures(wide).settled == 2 * COST_10_10


def test_calls_that_wait_go_on_where_the_last_budget_is_removed(tmp_path: Path) -> None:
    upstream = Held()
    tight = budget(limit=4 * 10**9, wait_s=30)
    with (
        budgeted(tmp_path, tight, respond=upstream) as run,
        run.proxy.connect() as first,
        run.proxy.connect() as second,
    ):
        for client in (first, second):
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(chat())}") + chat())
            run.proxy.settle(lambda: upstream.seen == 1)
        run.published.publish()
        run.proxy.settle(lambda: len(run.proxy.journal.intents) == 2)
        upstream.go.set()
        assert first.answer().status == second.answer().status == 200


def test_a_proxy_that_stops_lets_waiting_calls_go_on(tmp_path: Path) -> None:
    import msgspec

    upstream = Held()
    tight = budget(limit=4 * 10**9, wait_s=30)
    limits = msgspec.structs.replace(QUICK, drain_s=0.5, first_byte_s=30.0)
    with budgeted(tmp_path, tight, respond=upstream, limits=limits) as run:
        first, second = run.proxy.connect(), run.proxy.connect()
        for client in (first, second):
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(chat())}") + chat())
            run.proxy.settle(lambda: upstream.seen == 1)
        run.proxy.settle(lambda: run.waiting == 1)
        run.proxy.stop()
        time.sleep(3 * limits.drain_s)
        upstream.go.set()
        assert first.answer().status == second.answer().status == 200
        first.socket.close()
        second.socket.close()


@pytest.mark.parametrize("exposed", [False, True])
def test_a_customer_that_only_the_request_states_is_believed_on_this_machine_alone(
    tmp_path: Path, exposed: bool
) -> None:
    acme = budget("acme", limit=10**6, where={"customer": ("acme",)}, wait_s=0)
    with (
        budgeted(tmp_path, acme, trusts_stated=not exposed) as run,
        run.proxy.connect() as client,
    ):
        answer = client.post(CHAT, chat(), JSON, "x-farebox-customer: acme")
        assert answer.status == (200 if exposed else 429)
        assert client.post(CHAT, chat(), JSON, "x-farebox-customer: other").status == 200


def test_calls_that_cost_nothing_need_no_room_and_stream_through(tmp_path: Path) -> None:
    nothing_left = budget(limit=0, wait_s=0)
    with (
        budgeted(tmp_path, nothing_left, respond=lambda _: mock.json_reply({})) as run,
        run.proxy.connect() as client,
    ):
        assert client.get("/openai/v1/models").status == 200
        assert client.post(CHAT, chat(), JSON).status == 429


@pytest.mark.parametrize(
    ("limit", "mode", "status"), [(0, "hard", 429), (DOLLAR, "hard", 200), (0, "soft", 200)]
)
def test_a_used_up_hard_budget_hands_out_no_secrets_to_call_with_later(
    tmp_path: Path, limit: int, mode: Any, status: int
) -> None:
    one = budget(limit=limit, mode=mode, wait_s=0)
    with (
        budgeted(tmp_path, one, respond=lambda _: mock.json_reply({})) as run,
        run.proxy.connect() as client,
    ):
        for path in ("/openai/v1/realtime/client_secrets", "/openai/v1/chatkit/sessions"):
            assert client.post(path, b"{}", JSON).status == status, path
        assert client.get("/openai/v1/chatkit/threads").status == 200
        for record in run.proxy.settled(3):
            assert record.held is None or record.held.cost_pico == 0


def test_a_hard_budget_that_cannot_be_counted_refuses_with_a_503_and_a_soft_one_does_not(
    tmp_path: Path,
) -> None:
    for mode, status in (("hard", 503), ("soft", 200)):
        one = budget(mode, mode=mode, wait_s=0)
        with budgeted(tmp_path / mode, one) as run, run.proxy.connect() as client:
            ledger_has_not_opened = budget("later", mode=mode, wait_s=0)
            run.published.publish(ledger_has_not_opened)
            time.sleep(1.2)
            answer = client.post(CHAT, chat(), JSON)
            assert answer.status == status, answer.body
            if status == 503:
                assert answer.header("retry-after") is not None
                opened(run.home, one, ledger_has_not_opened)
                assert client.post(CHAT, chat(), JSON).status == 200


def test_without_budgets_nothing_of_them_is_loaded() -> None:
    code = (
        "import sys, farebox.proxy.process; "
        "print([name for name in sys.modules if name.startswith('farebox.budgets.') "
        "and not name.endswith(('.budget', '.limits_in_force'))], 'farebox.pricing.book' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[] False"


def test_without_budgets_a_response_says_nothing_of_them() -> None:
    with serving(answering()) as (_, proxy), proxy.connect() as client:
        answer = client.post(CHAT, chat(), JSON)
        assert not any(b"budget" in name or b"cost" in name for name, _ in answer.headers)
        assert proxy.settled(1)[0].held is None


def test_a_second_word_to_stop_refuses_what_still_waits(tmp_path: Path) -> None:
    upstream = Held()
    tight = budget(limit=4 * 10**9, wait_s=30)
    with (
        budgeted(tmp_path, tight, respond=upstream) as run,
        run.proxy.connect() as first,
        run.proxy.connect() as second,
    ):
        for client in (first, second):
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(chat())}") + chat())
            run.proxy.settle(lambda: upstream.seen == 1)
        run.proxy.settle(lambda: run.waiting == 1)
        run.proxy.loop.call_soon_threadsafe(run.proxy.proxy.cut_off)
        answer = second.answer()
        assert (answer.status, answer.header("x-farebox-error")) == (503, b"proxy_stopped")
        assert (run.waiting, len(run.proxy.journal.intents)) == (0, 1)
        upstream.go.set()


@pytest.mark.parametrize("encoded", [False, True])
def test_a_small_response_in_pieces_says_what_it_cost_and_a_large_or_slow_one_passes_as_it_comes(
    tmp_path: Path, encoded: bool
) -> None:
    import gzip

    answer = json.dumps(mock.chat_answer("hello", usage=usage(10, 10))).encode()
    coding = b"content-encoding: gzip\r\n" if encoded else b""
    body = gzip.compress(answer, mtime=0) if encoded else answer
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + coding
    chunked = head + b"transfer-encoding: chunked\r\n\r\n"
    small = [chunked + mock.chunk(body[:40]), mock.Wait(0.02), mock.chunk(body[40:]), b"0\r\n\r\n"]
    large = json.dumps(mock.chat_answer("x" * 200_000, usage=usage(10, 10))).encode()
    replies = [
        mock.raw_reply(*small),
        mock.raw_reply(head[: -len(coding) or None] + b"content-length: %d\r\n\r\n" % len(large), large),
        mock.raw_reply(chunked + mock.chunk(b"\n\n"), mock.Wait(0.02), mock.chunk(body), b"0\r\n\r\n"),
    ]
    with budgeted(tmp_path, budget(), respond=lambda _: replies.pop(0)) as run, run.proxy.connect() as client:
        first = client.post(CHAT, chat(), JSON)
        assert first.header("x-farebox-cost") == b"0.000125"
        assert first.raw == mock.chunk(body[:40]) + mock.chunk(body[40:]) + b"0\r\n\r\n"
        second = client.post(CHAT, chat(), JSON)
        assert (second.header("x-farebox-cost"), second.body) == (None, large)
        third = client.post(CHAT, chat(), JSON)
        assert third.header("x-farebox-cost") is None
        assert third.raw.startswith(mock.chunk(b"\n\n"))
        run.proxy.settled(3)


class Lookup:
    """Finds out nothing by itself: the test says when a process is known."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def look_up(self, _: Any, tell: Any) -> None:
        self.asked.append(tell)

    def close(self) -> None:
        return


def test_a_call_waits_for_its_process_only_where_that_decides_and_nothing_else_says_it(
    tmp_path: Path,
) -> None:
    of_agent = budget("of-agent", limit=10**6, each="agent", wait_s=0)
    with budgeted(tmp_path, of_agent) as run:
        lookup = Lookup()
        run.proxy.proxy.shared.processes = lookup  # type: ignore[assignment]
        with run.proxy.connect() as client:
            assert client.post(CHAT, chat(), JSON, "x-farebox-agent: said").status == 429
        with run.proxy.connect() as client:
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(chat())}") + chat())
            run.proxy.settle(lambda: len(lookup.asked) == 2 and run.waiting == 1)
            found = ({"agent": "by-process"}, {"agent": "env:FAREBOX_AGENT"})
            run.proxy.loop.call_soon_threadsafe(lookup.asked[1], found, None)
            answer = client.answer()
            assert answer.status == 429 and b"of agent by-process" in answer.body
