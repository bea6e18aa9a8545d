"""Whose calls they are: blocks, steps, tasks, threads, generators."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from metered import KEY, Metered, attributed

import farebox
from farebox.sdk.attribution import current


def said() -> dict[str, str]:
    return current()[0]


def test_blocks_nest_and_the_inner_word_stands() -> None:
    with farebox.attribute(customer="acme", agent="bot", tags={"Feature": "summary"}):
        with farebox.attribute(customer="other", task="t-1", session=7):
            assert said() == {
                "customer": "other", "agent": "bot", "task": "t-1", "session": "7", "tag.feature": "summary",
            }  # fmt: skip
        assert said() == {"customer": "acme", "agent": "bot", "tag.feature": "summary"}
    assert said() == {}


def test_what_is_none_or_empty_says_nothing() -> None:
    with farebox.attribute(customer="acme"), farebox.attribute(customer=None, user=""):
        assert said() == {"customer": "acme"}


def test_an_error_leaves_the_block() -> None:
    with pytest.raises(ValueError), farebox.attribute(customer="acme"):
        raise ValueError
    assert said() == {}


def test_one_block_can_be_entered_again_and_in_itself() -> None:
    block = farebox.attribute(customer="acme")
    with block, block:
        assert said() == {"customer": "acme"}
    with block:
        assert said() == {"customer": "acme"}
    assert said() == {}


def test_tasks_inherit_and_do_not_disturb_each_other() -> None:
    async def inner(name: str) -> str:
        async with farebox.attribute(customer=name):
            await asyncio.sleep(0.01)
            return said()["customer"] + said()["agent"]

    async def outer() -> list[str]:
        with farebox.attribute(agent="bot"):
            return list(await asyncio.gather(*(inner(name) for name in "abc")))

    assert asyncio.run(outer()) == ["abot", "bbot", "cbot"]


def test_a_thread_with_a_copied_context_keeps_it_and_another_has_none() -> None:
    found: list[dict[str, str]] = []
    with farebox.attribute(customer="acme"):
        context = contextvars.copy_context()
        threads = [
            threading.Thread(target=context.run, args=(lambda: found.append(said()),)),
            threading.Thread(target=lambda: found.append(said())),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert found == [{"customer": "acme"}, {}]


def test_nested_steps_make_a_tree() -> None:
    seen: list[dict[str, str]] = []

    @farebox.meter
    def write() -> None:
        seen.append(dict(said()))

    @farebox.meter(agent="planner", tags={"team": "core"})
    def plan() -> int:
        seen.append(dict(said()))
        write()
        return 7

    assert plan() == 7 and plan.__name__ == "plan"
    outer, inner = seen
    assert outer["agent"] == inner["agent"] == "planner" and outer["tag.team"] == "core"
    assert outer["step"].startswith("plan:") and "parent_step" not in outer
    assert inner["step"].startswith("write:") and inner["parent_step"] == outer["step"]
    plan()
    assert seen[2]["step"] != outer["step"], "every run is a step of its own"
    assert said() == {}


def test_coroutines_and_generators_are_steps_and_leak_nothing() -> None:
    @farebox.meter(agent="a")
    async def coroutine() -> str:
        await asyncio.sleep(0)
        return said()["agent"]

    @farebox.meter(agent="b")
    def generator() -> Iterator[str]:
        for _ in range(2):
            yield said()["agent"]

    @farebox.meter(agent="c")
    async def asynchronous() -> AsyncIterator[str]:
        for _ in range(2):
            await asyncio.sleep(0)
            yield said()["agent"]

    async def more() -> None:
        assert await coroutine() == "a" and said() == {}
        async for agent in asynchronous():
            assert agent == "c" and said() == {}

    asyncio.run(more())
    for agent in generator():
        assert agent == "b" and said() == {}


def test_generators_keep_send_throw_and_their_value() -> None:
    ended: list[str] = []

    @farebox.meter
    def generator() -> Iterator[str]:
        try:
            got = yield "first"  # type: ignore[misc]
            yield got
        except KeyError:
            yield "caught"
        finally:
            ended.append("closed")
        return "value"

    running = generator()
    assert next(running) == "first"
    assert running.send("sent") == "sent"  # type: ignore[attr-defined]
    assert running.throw(KeyError()) == "caught"  # type: ignore[attr-defined]
    with pytest.raises(StopIteration) as end:
        next(running)
    assert end.value.value == "value"
    left = generator()
    next(left)
    left.close()  # type: ignore[attr-defined]
    assert ended == ["closed", "closed"]


def test_a_decorated_function_is_a_block() -> None:
    @farebox.attribute(customer="acme")
    def work() -> str:
        return said()["customer"]

    assert work() == "acme" and said() == {}


def test_a_calls_own_header_stands_before_the_block_and_others_headers_behind_it(
    instrumented: Metered,
) -> None:
    import requests

    url = instrumented.url("openai") + "/v1/chat/completions"
    body = {"model": "gpt-4o", "user": "body-user"}
    headers = {
        "x-farebox-task": "header-task",
        "helicone-user-id": "helicone-user",
        "authorization": f"Bearer {KEY}",
    }
    with farebox.attribute(task="block-task", customer="acme"):
        requests.post(url, json=body, headers=headers, timeout=30)
    with farebox.attribute(user="block-user"):
        requests.post(url, json=body, headers=headers, timeout=30)
    first, second = instrumented.rows()
    assert attributed(first, "task", "customer", "user") == ("header-task", "acme", "helicone-user")
    assert attributed(second, "user") == ("block-user",)
    assert first.attribution_from["customer"] == "sdk:attribute"


def test_labels_of_the_environment_and_the_program_are_said_where_nobody_says_more(
    metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    monkeypatch.setenv("FAREBOX_CUSTOMER", "from the environment")
    farebox.configure(durability="process")  # begins anew
    farebox.instrument()
    url = metered.url("openai") + "/v1/chat/completions"
    requests.post(url, json={"model": "gpt-4o"}, timeout=30)
    with farebox.attribute(customer="acme"):
        requests.post(url, json={"model": "gpt-4o"}, timeout=30)
    first, second = metered.rows()
    assert attributed(first, "customer") == ("from the environment",)
    assert attributed(second, "customer") == ("acme",)
    assert first.attribution["app"] and first.attribution["process.pid"]


def test_a_key_that_the_user_bound_stands_before_everything(instrumented: Metered) -> None:
    import requests

    url = instrumented.url("openai") + "/v1/chat/completions"
    headers = {"authorization": f"Bearer {KEY}"}
    requests.post(url, json={"model": "gpt-4o"}, headers=headers, timeout=30)
    fingerprint = instrumented.row().key_fingerprint
    text = instrumented.home.config.read_text()
    instrumented.home.config.write_text(f'{text}keys:\n  "{fingerprint}": {{customer: bound}}\n')
    farebox.configure(durability="process")
    with farebox.attribute(customer="acme"):
        requests.post(
            url, json={"model": "gpt-4o"}, headers={**headers, "x-farebox-customer": "header"}, timeout=30
        )
    row = instrumented.rows()[-1]
    assert (row.attribution["customer"], row.attribution_from["customer"]) == ("bound", f"key:{fingerprint}")
