"""A program that enforces budgets: what has no room is not sent, what will have room waits for it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from metered import KEY, Metered
from tools.upstream import Reply, Request, chat_answer, json_reply

import farebox
from farebox.clock import now_ns
from farebox.config import load_config
from farebox.control.publish import publish
from farebox.ledger import catch_up
from farebox.sdk import enforcement

httpx = pytest.importorskip("httpx")
requests = pytest.importorskip("requests")
aiohttp = pytest.importorskip("aiohttp")

ASK = {"model": "gpt-4o", "max_tokens": 10_000, "messages": [{"role": "user", "content": "hi"}]}
HEADERS = {"authorization": f"Bearer {KEY}"}
CHAT = "/v1/chat/completions"
USED = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
PRICES = "pricing:\n  gpt-4o: {input: 2.50, output: 10, per: 1M}\n"
COST = Decimal("0.000125")
"""10 tokens in at $2.50 and 10 out at $10 a million; 10,000 out would be $0.10."""


class Enforced(Metered):
    """A home with budgets in its file, and a program that holds itself to them."""

    def __init__(self, folder: Path) -> None:
        self.release = threading.Event()
        self.release.set()
        super().__init__(folder, self.respond)

    def respond(self, request: Request) -> Reply:
        self.release.wait(10)
        return json_reply(chat_answer("hello", usage=USED))

    def enforce(self, *budgets: str) -> None:
        """Put budgets into force, as `farebox up` does, and instrument this process."""
        lines = "".join(f"  - {each}\n" for each in budgets)
        said = self.home.config.read_text(encoding="utf-8")
        self.home.config.write_text(f"{said}{PRICES}budgets:\n{lines}", encoding="utf-8")
        publish(self.home)
        catch_up(self.home, load_config(self.home))
        farebox.instrument(enforce=True)

    def post(self, **more: Any) -> Any:
        url = self.url("openai") + CHAT
        return httpx.post(url, json={**ASK, **more}, headers=HEADERS, timeout=10, trust_env=False)

    @property
    def sent(self) -> int:
        return len(self.mock.requests)


@pytest.fixture
def enforced(tmp_path: Path) -> Iterator[Enforced]:
    made = Enforced(tmp_path / "home")
    try:
        yield made
    finally:
        made.release.set()
        farebox.uninstrument()
        made.close()


def by_httpx(made: Enforced) -> None:
    made.post()


def by_httpx_async(made: Enforced) -> None:
    async def one() -> None:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            await client.post(made.url("openai") + CHAT, json=ASK, headers=HEADERS)

    asyncio.run(one())


def by_requests(made: Enforced) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.post(made.url("openai") + CHAT, json=ASK, headers=HEADERS, timeout=10)


def by_aiohttp(made: Enforced) -> None:
    async def one() -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.post(made.url("openai") + CHAT, json=ASK, headers=HEADERS) as response,
        ):
            await response.read()

    asyncio.run(one())


def by_openai(made: Enforced) -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(api_key=KEY, base_url=made.url("openai") + "/v1", max_retries=3)
    client.chat.completions.create(**ASK)


def by_openai_async(made: Enforced) -> None:
    openai = pytest.importorskip("openai")

    async def one() -> None:
        async with openai.AsyncOpenAI(api_key=KEY, base_url=made.url("openai") + "/v1") as client:
            await client.chat.completions.create(**ASK)

    asyncio.run(one())


WAYS = [by_httpx, by_httpx_async, by_requests, by_aiohttp, by_openai, by_openai_async]


@pytest.mark.parametrize("send", WAYS)
def test_a_call_without_room_is_not_sent_and_raises_what_the_program_expects(
    enforced: Enforced, send: Callable[[Enforced], None]
) -> None:
    enforced.enforce("{name: tiny, limit: '0.0001', period: ever}")
    with pytest.raises(farebox.BudgetExceededError, match="budget tiny has") as caught:
        send(enforced)
    assert enforced.sent == 0
    assert caught.value.reason == "budget_exceeded"
    row = enforced.row()
    assert (row.outcome, row.error_class, row.cost_pico) == ("refused", "budget_exceeded", 0)
    assert enforced.errors == []


@pytest.mark.parametrize("send", WAYS)
def test_a_call_with_room_passes_and_is_settled_at_what_it_cost(
    enforced: Enforced, send: Callable[[Enforced], None]
) -> None:
    enforced.enforce("{name: roomy, limit: '1', period: day}")
    send(enforced)
    left = farebox.budget_left()
    assert left is not None and left.budget == "roomy"
    assert (left.spent_usd, left.reserved_usd) == (COST, 0)
    assert left.left_usd == 1 - COST
    assert left.resets_at is not None
    assert enforced.row().cost_usd == str(COST)
    again = farebox.budget_left()
    assert again is not None and again.spent_usd == COST, "counted once the record has it, and once only"
    assert enforced.errors == []


def test_a_call_waits_until_another_one_settles(enforced: Enforced) -> None:
    enforced.enforce("{name: narrow, limit: '0.15', period: ever, wait: 30s}")
    enforced.release.clear()
    first = threading.Thread(target=enforced.post)
    first.start()
    _until(lambda: enforced.sent == 1)
    second = threading.Thread(target=enforced.post)
    second.start()
    time.sleep(0.1)
    assert enforced.sent == 1, "it waits, and nothing of it is sent"
    enforced.release.set()
    first.join(10)
    second.join(10)
    assert enforced.sent == 2
    assert [row.cost_usd for row in enforced.rows()] == [str(COST)] * 2


def test_a_waiting_task_that_is_cancelled_gives_up_its_place(enforced: Enforced) -> None:
    enforced.enforce("{name: narrow, limit: '0.15', period: ever, wait: 30s}")
    enforced.release.clear()
    first = threading.Thread(target=enforced.post)
    first.start()
    _until(lambda: enforced.sent == 1)

    async def one() -> None:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            task = asyncio.create_task(client.post(enforced.url("openai") + CHAT, json=ASK, headers=HEADERS))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(one())
    enforced.release.set()
    first.join(10)
    left = farebox.budget_left()
    assert left is not None and (left.spent_usd, left.reserved_usd) == (COST, 0)
    assert enforced.sent == 1


def test_a_budget_of_a_customer_holds_the_calls_of_that_customer(enforced: Enforced) -> None:
    enforced.enforce("{name: acme, where: {customer: acme}, limit: '0.0001', period: day}")
    enforced.post()
    with farebox.attribute(customer="acme"), pytest.raises(farebox.BudgetExceededError):
        enforced.post()
    assert enforced.sent == 1
    assert farebox.budget_left() is None
    left = farebox.budget_left(customer="acme")
    assert left is not None and left.left_usd == Decimal("0.0001")


def test_a_budget_that_is_changed_is_followed(enforced: Enforced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforcement, "_LOOK_EVERY_S", 0.0)
    monkeypatch.setattr("farebox.sdk.process_meter.RENEWED_EVERY_S", 0.0)
    enforced.enforce("{name: tiny, limit: '0.0001', period: ever}")
    with pytest.raises(farebox.BudgetExceededError):
        enforced.post()
    said = enforced.home.config.read_text(encoding="utf-8").replace("0.0001", "5")
    enforced.home.config.write_text(said, encoding="utf-8")
    publish(enforced.home)
    _until(lambda: _passes(enforced))
    assert enforced.sent == 1


def test_a_forked_child_holds_the_same_budget(enforced: Enforced) -> None:
    enforced.enforce("{name: narrow, limit: '0.15', period: ever, wait: 0s}")
    enforced.post()
    child = os.fork()
    if not child:
        status = 1
        try:
            enforced.post()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0
    left = farebox.budget_left()
    assert left is not None and left.spent_usd == 2 * COST


def test_a_defect_of_ours_refuses_a_call_where_budgets_are_enforced(
    enforced: Enforced, monkeypatch: pytest.MonkeyPatch
) -> None:
    enforced.enforce("{name: roomy, limit: '1', period: day}")

    def broken(*_: Any) -> Any:
        raise RuntimeError("no")

    monkeypatch.setattr(enforcement.Enforcement, "ask", broken)
    with pytest.raises(farebox.BudgetExceededError) as caught:
        enforced.post()
    assert caught.value.reason == "budgets_unavailable" and enforced.sent == 0


def test_without_budgets_everything_passes(enforced: Enforced) -> None:
    enforced.enforce()
    enforced.post()
    assert enforced.sent == 1 and farebox.budget_left() is None


def test_a_process_that_does_not_enforce_is_counted_by_the_ledger(enforced: Enforced) -> None:
    enforced.enforce("{name: tiny, limit: '0.0001', period: ever}")
    farebox.uninstrument()
    farebox.instrument()
    enforced.post()
    assert enforced.row().cost_usd == str(COST)
    left = farebox.budget_left()
    assert left is not None and left.left_usd == Decimal("0.0001") - COST


def _passes(made: Enforced) -> bool:
    try:
        made.post()
    except farebox.BudgetExceededError:
        return False
    return True


def _until(holds: Callable[[], bool]) -> None:
    end = now_ns() + 10 * 10**9
    while not holds():
        assert now_ns() < end, "it never happened"
        time.sleep(0.01)
