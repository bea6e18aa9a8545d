"""Sessions of messages: what is charged, what is not known, and bounds."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from farebox import catalog
from farebox.wire.session import SessionMeter
from farebox.wire.usage.batch_results import PARTS_MAX

CATALOG = catalog.load()


def session(provider: str, path: str, query: str = "") -> SessionMeter:
    found = CATALOG.provider(provider)
    assert found is not None
    return SessionMeter(found.endpoint("GET", path), path, query, [(b"x-farebox-user", b"ada")])


def tell(meter: SessionMeter, *messages: dict[str, Any]) -> None:
    for message in messages:
        meter.message(json.dumps(message).encode(), sent=False)


def response_done(number: int, usage: Any) -> dict[str, Any]:
    return {"type": "response.done", "response": {"id": f"resp_{number}", "usage": usage}}


USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


def test_the_opening_request_says_model_and_who_asks() -> None:
    facts = session("openai", "/v1/realtime", "model=gpt-realtime").request_facts()
    assert facts.request_model == "gpt-realtime"
    assert facts.attribution == {"user": "ada"}


def test_a_turn_without_usage_leaves_the_session_incomplete() -> None:
    meter = session("openai", "/v1/realtime", "model=gpt-realtime")
    tell(meter, response_done(1, USAGE), response_done(2, None))
    result = meter.finish("completed")
    assert (result.completeness, result.reason) == ("partial", "turn_without_usage")
    assert len(result.parts) == 1


def test_a_session_whose_usage_is_empty_is_charged_by_its_time_where_that_is_known() -> None:
    meter = session("xai", "/v1/realtime", "model=grok-voice-latest")
    tell(meter, response_done(1, {}))
    assert meter.snapshot().completeness == "none"
    result = meter.finish("completed", Decimal("62.5"))
    assert result.completeness == "final"
    assert [part.quantities for part in result.parts] == [{"session_seconds": Decimal("62.5")}]
    assert result.flags == ("session_seconds_unknown",)


def test_a_session_is_complete_whoever_ends_it() -> None:
    meter = session("openai", "/v1/realtime", "model=gpt-realtime")
    tell(meter, response_done(1, USAGE))
    assert meter.finish("client_disconnected").completeness == "final"


def test_what_the_client_sends_is_never_charged() -> None:
    meter = session("openai", "/v1/realtime", "model=gpt-realtime")
    meter.message(json.dumps(response_done(1, USAGE)).encode(), sent=True)
    assert meter.finish("completed").parts == ()


def test_audio_and_broken_messages_are_passed_over() -> None:
    meter = session("openai", "/v1/realtime", "model=gpt-realtime")
    for data in (b"\x00\xff" * 100, b'{"type":"response.done"', b'{"type":"response.done"}[', b"[" * 9000):
        meter.message(data, sent=False)
    tell(meter, response_done(1, USAGE))
    assert len(meter.finish("completed").parts) == 1


def test_a_large_last_message_is_read_all_the_same() -> None:
    meter = session("openai", "/v1/realtime", "model=gpt-realtime")
    message = response_done(1, USAGE)
    message["response"]["output"] = [{"transcript": "x" * 200_000}]
    tell(meter, message)
    assert meter.finish("completed").parts[0].input_tokens == 10


def test_very_many_turns_are_added_up_and_none_is_lost() -> None:
    meter = session("openai", "/v1/realtime", "model=gpt-realtime")
    turns = PARTS_MAX + 50
    tell(meter, *(response_done(number, USAGE) for number in range(turns)))
    result = meter.finish("completed")
    assert len(result.parts) == PARTS_MAX + 1
    assert sum(part.input_tokens for part in result.parts) == 10 * turns
    assert result.flags == ("parts_added_up",)


def test_an_endpoint_that_is_no_session_says_so() -> None:
    meter = session("openai", "/v1/nothing-known")
    tell(meter, response_done(1, USAGE))
    assert meter.finish("completed").reason == "endpoint_not_metered"


def test_a_turn_of_responses_has_what_its_items_showed_though_its_output_is_empty() -> None:
    meter = session("openai", "/v1/responses")
    search = {"type": "web_search_call", "id": "ws1", "action": {"type": "search"}}
    image = {"type": "image_generation_call", "id": "ig1", "status": "completed", "result": "A" * 5_000_000}
    for item in (search, image, search):
        tell(meter, {"type": "response.output_item.done", "item": item})
    response = {"id": "r1", "model": "m", "output": [], "usage": USAGE}
    tell(meter, {"type": "response.completed", "response": response})
    assert meter.take_turn().parts[0].quantities == {
        "input_uncached": 10,
        "output_text": 5,
        "calls_web_search": 1,
        "calls_image_generation": 1,
    }
    tell(meter, {"type": "response.completed", "response": response | {"id": "r2"}})
    assert meter.take_turn().parts[0].quantities == {"input_uncached": 10, "output_text": 5}


def test_what_a_live_turn_was_grounded_in_is_counted_with_its_usage() -> None:
    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    meter = session("google", path)
    meter.message(b'{"setup":{"model":"models/gemini-3.1-flash-live"}}', sent=True)
    grounding = {"webSearchQueries": ["a", "b", "a"], "groundingChunks": [{"web": {"uri": "u"}}]}
    tell(meter, {"serverContent": {"groundingMetadata": grounding}})
    usage = {"promptTokenCount": 7, "responseTokenCount": 3, "totalTokenCount": 10}
    tell(meter, {"serverContent": {"turnComplete": True}, "usageMetadata": usage})
    assert meter.take_turn().parts[0].quantities == {
        "input_uncached": 7,
        "output_text": 3,
        "calls_web_search": 2,
    }
