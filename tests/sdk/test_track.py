"""Responses handed to `track()` and `price()`: objects of every client, JSON, streams."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from metered import KEY, Metered, attributed, tokens
from tools.upstream import chat_answer

import farebox
from farebox.charges.identities import Identity
from farebox.charges.models import Graduated
from farebox.charges.models.tiers import Tier
from farebox.charges.plan import Charge, Plan, Subscription
from farebox.errors import FareboxError, QuestionError, UsageError
from farebox.sdk.process_meter import process_meter
from farebox.snapshot import Snapshot, encode

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CHAT = (1203, 1024, 187)
ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
CLAUDE: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": ASK["messages"]}


def openai_of(metered: Metered) -> Any:
    import openai

    return openai.OpenAI(base_url=metered.url("openai") + "/v1", api_key=KEY)


def test_a_response_object_is_recorded_and_returned_as_it_is(metered: Metered) -> None:
    with openai_of(metered) as client:
        response = client.chat.completions.create(**ASK)
        assert farebox.track(response, customer="acme") is response
    row = metered.row()
    assert tokens(row) == CHAT and attributed(row, "customer") == ("acme",)
    assert row.response_id == response.id and row.cost_state == "priced"


def test_objects_of_other_clients_and_json_are_understood(metered: Metered) -> None:
    import anthropic
    from google import genai

    with anthropic.Anthropic(base_url=metered.url("anthropic"), api_key=KEY) as client:
        farebox.track(client.messages.create(**CLAUDE))
    google = genai.Client(api_key=KEY, http_options=genai.types.HttpOptions(base_url=metered.url("google")))
    farebox.track(google.models.generate_content(model="gemini-2.5-flash", contents="hi"))
    google.close()
    farebox.track(chat_answer(), provider="openai")
    rows = metered.rows()
    assert [row.provider for row in rows] == ["anthropic", "google", "openai"]
    assert [tokens(row) for row in rows] == [(1400, 1000, 50), (1000, 400, 90), CHAT]
    assert {row.cost_state for row in rows} == {"priced"}


def test_a_dictionary_of_boto3_needs_its_model(metered: Metered) -> None:
    usage = {"inputTokens": 30, "outputTokens": 12, "totalTokens": 42}
    response = {"output": {}, "usage": usage, "ResponseMetadata": {"HTTPStatusCode": 200}}
    farebox.track(response, provider="bedrock", model="anthropic.claude-3-5-sonnet-20240620-v1:0")
    assert tokens(metered.row()) == (30, 0, 12)


def test_a_stream_is_recorded_at_its_end_and_behaves_as_ever(metered: Metered) -> None:
    import openai

    with openai_of(metered) as client:
        stream = farebox.track(client.chat.completions.create(**STREAM), customer="acme")
        assert isinstance(stream, openai.Stream)
        assert metered.rows() == []
        chunks = list(stream)
    assert len(chunks) > 5
    row = metered.row()
    assert tokens(row) == CHAT and (row.outcome, row.completeness) == ("completed", "final")
    assert row.streamed and attributed(row, "customer") == ("acme",)


def test_an_anthropic_stream_and_an_asynchronous_one_are_recorded(metered: Metered) -> None:
    import anthropic
    import openai

    client = anthropic.Anthropic(base_url=metered.url("anthropic"), api_key=KEY)
    with client, farebox.track(client.messages.create(**CLAUDE, stream=True)) as events:
        assert [event.type for event in events][-1] == "message_stop"

    async def more() -> None:
        base = metered.url("openai") + "/v1"
        async with openai.AsyncOpenAI(base_url=base, api_key=KEY) as client:
            stream = farebox.track(await client.chat.completions.create(**STREAM))
            assert len([chunk async for chunk in stream]) > 5

    asyncio.run(more())
    assert [tokens(row) for row in metered.rows()] == [(1400, 1000, 50), CHAT]


def test_a_stream_that_is_left_is_recorded_as_left(metered: Metered) -> None:
    with openai_of(metered) as client:
        stream = farebox.track(client.chat.completions.create(**STREAM))
        next(iter(stream))
        stream.close()
    assert metered.row().outcome == "client_disconnected"


def test_what_is_metered_already_is_not_recorded_again(instrumented: Metered) -> None:
    with openai_of(instrumented) as client:
        farebox.track(client.chat.completions.create(**ASK), customer="acme")
    assert len(instrumented.rows()) == 1
    assert [type(error) for error in instrumented.errors] == [UsageError]


def test_what_cannot_be_tracked_is_returned_and_reported(metered: Metered) -> None:
    thing = object()
    assert farebox.track(thing) is thing
    assert [type(error) for error in metered.errors] == [UsageError]
    assert metered.rows() == []


def test_price_says_cost_and_charge_and_records_nothing(metered: Metered) -> None:
    text = metered.home.config.read_text()
    rates = "  gpt-4o: {input: 1, cache_read: 0.10, output: 10, per: 1M, markup: 1.5}\n"
    metered.home.config.write_text(f"{text}pricing:\n{rates}")
    found = farebox.price(chat_answer(), provider="openai", customer="acme")
    # 179 at $1, 1024 at $0.10 and 187 at $10 a million
    assert found.cost_usd == Decimal("0.0021514")
    assert found.charge_usd == Decimal("0.0032271")
    assert (found.cost_state, found.input_tokens, found.output_tokens) == ("priced", 1203, 187)
    assert metered.rows() == []


def renewed(metered: Metered) -> None:
    """Have the process look at what is published now, and not when the second is over."""
    meter = process_meter()
    assert meter is not None
    meter.published.renew()


def test_price_says_where_it_was_rated_as_for_the_periods_first_call(metered: Metered) -> None:
    assert not farebox.price(chat_answer(), provider="openai", customer="acme").as_first_of_month
    tiers = Graduated(
        tiers=(Tier(up_to=Decimal(1000), unit=Decimal("0.000002")), Tier(unit=Decimal("0.000001")))
    )
    plan = Plan(
        name="pro", charges=(Charge(name="all", meter="tokens", model=tiers, where={"model": ("gpt-4o*",)}),)
    )
    on_it = Subscription(id="s", customer="acme", plan="pro", version=0, start=date(2020, 1, 1))
    mapped = Identity(customer="acme", dimension="user", value="ann")
    snapshot = Snapshot(plans=(plan,), subscriptions=(on_it,), identities=(mapped,))
    metered.home.snapshot.write_bytes(encode(snapshot))
    renewed(metered)
    with farebox.attribute(user="ann"):
        assert farebox.price(chat_answer(), provider="openai").as_first_of_month
    found = farebox.price(chat_answer(), provider="openai", customer="acme")
    # 1,000 of the 1,390 tokens at $2 and 390 at $1 a million
    assert found.as_first_of_month and found.charge_usd == Decimal("0.00239")
    assert not farebox.price(chat_answer(), provider="openai", customer="other").as_first_of_month


def test_price_takes_in_prices_that_changed(metered: Metered) -> None:
    text = metered.home.config.read_text()
    for rate, cost in ((1, "0.000179"), (2, "0.000358")):
        metered.home.config.write_text(f"{text}pricing:\n  mine: {{input: {rate}, output: 0, per: 1M}}\n")
        usage = {"prompt_tokens": 179, "completion_tokens": 0, "total_tokens": 179}
        found = farebox.price({"model": "mine", "usage": usage}, provider="openai")
        assert found.cost_usd == Decimal(cost)


def test_price_of_a_model_without_one_is_not_zero(metered: Metered) -> None:
    found = farebox.price({**chat_answer(), "model": "unheard-of"}, provider="openai")
    assert found.cost_usd is None and found.cost_state == "unpriced" and found.reason


def test_price_says_what_is_missing(metered: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="provider="):
        farebox.price(chat_answer())
    with pytest.raises(UsageError, match="no usage"):
        farebox.price({"id": "x"}, provider="openai")
    monkeypatch.setenv("FAREBOX_DISABLED", "1")
    farebox.configure(durability="process")
    with pytest.raises(FareboxError, match="FAREBOX_DISABLED"):
        farebox.price(chat_answer(), provider="openai")


def test_cost_is_what_a_running_farebox_says(metered: Metered) -> None:
    text = metered.home.config.read_text()
    metered.home.config.write_text(f"{text}pricing:\n  gpt-4o: {{output: 10, per: 1M, markup: 1.5}}\n")
    for customer, count in (("acme", 100_000), ("acme", 50_000), ("other", 1)):
        farebox.record(
            provider="openai",
            model="gpt-4o",
            usage={"output_text": count},
            customer=customer,
            tags={"feature": "summary" if count == 50_000 else "chat"},
        )
    farebox.flush()
    assert len(metered.rows()) == 3
    address = metered.home.run / "server.json"
    command = [sys.executable, "-m", "farebox.server", "--home", str(metered.home.path)]
    with subprocess.Popen([*command, "--listen", "127.0.0.1:0"], stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 120
            while not address.exists():
                assert server.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            spent = farebox.cost(since="today", customer="acme")
            assert (spent.cost_usd, spent.charge_usd) == (Decimal("1.5"), Decimal("2.25"))
            assert (spent.calls, spent.output_tokens, spent.complete) == (2, 150_000, True)
            tagged = farebox.cost(since="all", tags={"feature": "summary"})
            assert (tagged.cost_usd, tagged.calls) == (Decimal("0.5"), 1)
            assert farebox.cost(customer="nobody").calls == 0
            with pytest.raises(QuestionError):
                farebox.cost(since="no such day")
        finally:
            server.terminate()
            server.wait(timeout=60)


def test_cost_without_a_farebox_says_what_to_start(metered: Metered, tmp_path: Path) -> None:
    with pytest.raises(FareboxError, match="up --detach") as caught:
        farebox.cost(since="today", customer="acme")
    assert caught.value.code == "server_not_running"
