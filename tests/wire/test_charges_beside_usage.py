"""Usage and charged things are found beside the one place where everybody looks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from farebox import catalog
from farebox.wire.facts import Extraction
from farebox.wire.meter import Meter

CATALOG = catalog.load()
CHAT = "/v1/chat/completions"
USAGE = {"prompt_tokens": 1190, "completion_tokens": 130, "total_tokens": 1320, "cached_tokens": 1024}
READ = {"input_uncached": 166, "cache_read": 1024, "output_text": 130}


def measured(
    provider: str,
    path: str,
    documents: list[dict[str, Any]],
    *,
    stream: bool = False,
    request: dict[str, Any] | None = None,
    outcome: str = "completed",
) -> Extraction:
    found = CATALOG.provider(provider)
    assert found is not None
    meter = Meter(found.endpoint("POST", path), path, "", [])
    meter.request_body(json.dumps(request or {"model": "asked"}).encode())
    meter.request_end()
    kind = b"text/event-stream" if stream else b"application/json"
    meter.response_head(200, [(b"content-type", kind)])
    for document in documents:
        text = json.dumps(document).encode()
        meter.response_body(b"data: " + text + b"\n\n" if stream else text)
    return meter.finish(outcome)


@pytest.mark.parametrize("provider", ["moonshot", "groq", "openai", "local"])
@pytest.mark.parametrize("place", ["choice", "message", "delta", "x_groq"])
def test_usage_of_a_chat_is_read_beside_the_top_level(provider: str, place: str) -> None:
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "message": {"content": "x"}, "delta": {}}
    chunk: dict[str, Any] = {"id": "c1", "model": "m", "choices": [choice], "usage": None}
    {"choice": choice, "message": choice["message"], "delta": choice["delta"], "x_groq": chunk}[place].update(
        {"x_groq": {"usage": USAGE}} if place == "x_groq" else {"usage": USAGE}
    )
    first = {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {"content": "x"}}]}
    path = f"/openai{CHAT}" if provider == "groq" else CHAT
    for documents, stream in (([chunk], False), ([first, chunk], True)):
        for usage in (None, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}):
            chunk["usage"] = usage
            found = measured(provider, path, documents, stream=stream)
            assert (found.completeness, found.parts[0].quantities) == ("final", READ)


ITEMS = [
    {"type": "web_search_call", "id": "ws1", "action": {"type": "search", "query": "q"}},
    {"type": "web_search_call", "id": "ws2", "action": {"type": "open_page"}},
    {"type": "web_search_call", "id": "ws3", "action": {"type": "search", "query": "q"}},
    {"type": "file_search_call", "id": "fs1"},
    {"type": "code_interpreter_call", "id": "ci1", "code": "A" * 70_000},
    {"type": "shell_call", "id": "sh1", "environment": {"type": "container_reference"}},
    {"type": "shell_call", "id": "sh2", "environment": {"type": "local"}},
    {"type": "image_generation_call", "id": "ig1", "result": "A" * 400_000},
    {"type": "function_call", "id": "fc1"},
]
CALLS = {
    "calls_web_search": 2,
    "calls_file_search": 1,
    "calls_code_execution": 1,
    "calls_other": 1,
    "calls_image_generation": 1,
}


@pytest.mark.parametrize("shown", ["in the output", "one by one", "both", "one by one without ids"])
def test_hosted_tools_of_a_response_are_counted_wherever_they_are_shown(shown: str) -> None:
    items = [
        {key: value for key, value in item.items() if key != "id" or "ids" not in shown} for item in ITEMS
    ]
    response: dict[str, Any] = {
        "id": "r1",
        "model": "m",
        "status": "in_progress",
        "output": [],
        "usage": None,
    }
    events: list[dict[str, Any]] = [{"type": "response.created", "response": response}]
    if shown != "in the output":
        for item in items:
            events.append(
                {
                    "type": "response.output_item.added",
                    "item": {"type": item["type"], "status": "in_progress"},
                }
            )
            events.append({"type": "response.output_item.done", "item": item})
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    ended = {
        **response,
        "status": "completed",
        "usage": usage,
        "output": items if shown in ("in the output", "both") else [],
    }
    events.append({"type": "response.completed", "response": ended})
    found = measured("openai", "/v1/responses", events, stream=True)
    assert found.completeness == "final"
    assert {leaf: n for leaf, n in found.parts[0].quantities.items() if leaf.startswith("calls_")} == CALLS


def test_what_the_image_tool_used_is_a_call_of_it_though_no_item_shows_one() -> None:
    body: dict[str, Any] = {
        "id": "r1",
        "model": "gpt-5.5",
        "status": "completed",
        "output": [],
        "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
    }
    for tokens in (0, 7024, 0, 7024):  # more than once: what is usual is read another way
        body["tool_usage"] = {"image_gen": {"output_tokens": tokens}, "web_search": {"num_requests": 0}}
        found = measured("openai", "/v1/responses", [body])
        assert found.parts[0].quantities.get("calls_image_generation") == (1 if tokens else None)


@pytest.mark.parametrize(
    "model", ["gpt-4o-search-preview-2025-03-11", "gpt-5-search-api", "openai/gpt-4o-mini-search-preview"]
)
def test_models_that_always_search_are_charged_a_search(model: str) -> None:
    body = {"id": "c1", "model": model, "choices": [], "usage": USAGE}
    for _ in range(3):
        assert measured("openai", CHAT, [body]).parts[0].quantities == READ | {"calls_web_search": 1}
    assert measured("openai", CHAT, [body | {"model": "gpt-4o"}]).parts[0].quantities == READ


def test_speech_by_events_states_its_usage() -> None:
    events = [
        {"type": "speech.audio.delta", "audio": "A" * 1_000_000},
        {
            "type": "speech.audio.done",
            "usage": {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115},
        },
    ]
    asked = {"model": "gpt-4o-mini-tts", "input": "Moin", "stream_format": "sse"}
    found = measured("openai", "/v1/audio/speech", events, stream=True, request=asked)
    assert (found.completeness, found.parts[0].quantities) == (
        "final",
        {"input_uncached": 14, "output_audio": 101},
    )
    cut = measured(
        "openai", "/v1/audio/speech", events[:1], stream=True, request=asked, outcome="client_disconnected"
    )
    assert cut.completeness != "final"


@pytest.mark.parametrize("length", [1_000, 90_000])
def test_speech_as_sound_is_charged_by_the_characters_of_the_request(length: int) -> None:
    found = CATALOG.provider("openai")
    assert found is not None
    meter = Meter(found.endpoint("POST", "/v1/audio/speech"), "/v1/audio/speech", "", [])
    meter.request_body(json.dumps({"input": "a" * length, "model": "tts-1"}).encode())
    meter.request_end()
    meter.response_head(200, [(b"content-type", b"audio/mpeg")])
    meter.response_body(b"\xff\xf3" * 900)
    assert meter.finish("completed").parts[0].quantities == {"input_characters": length}


@pytest.mark.parametrize(
    ("body", "quantities"),
    [
        ({"text": "x", "usage": {"type": "duration", "seconds": 9}}, {"audio_seconds": 9}),
        ({"text": "x", "duration": "8.5"}, {"audio_seconds": "8.5"}),
        ({"text": "x", "duration": 8.5, "usage": {"type": "duration", "seconds": 9}}, {"audio_seconds": 9}),
        (
            {
                "duration": 8.5,
                "usage": {"type": "tokens", "input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
            },
            {"input_uncached": 7, "output_text": 3},
        ),
    ],
)
def test_a_transcription_is_charged_by_what_it_states(
    body: dict[str, Any], quantities: dict[str, Any]
) -> None:
    found = measured("openai", "/v1/audio/transcriptions", [body])
    assert found.completeness == "final"
    assert {leaf: str(count) for leaf, count in found.parts[0].quantities.items()} == {
        leaf: str(count) for leaf, count in quantities.items()
    }


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3.5-flash"])
@pytest.mark.parametrize("stream", [False, True])
def test_grounding_with_maps_is_counted(model: str, *, stream: bool) -> None:
    chunks = {
        "groundingChunks": [
            {"web": {"uri": "u"}},
            {"maps": {"uri": "u", "placeId": "p"}},
            {"maps": {"uri": "v"}},
        ]
    }
    usage = {"promptTokenCount": 20, "candidatesTokenCount": 300, "totalTokenCount": 320}
    body = {
        "candidates": [{"finishReason": "STOP", "groundingMetadata": chunks}],
        "usageMetadata": usage,
        "modelVersion": model,
    }
    method = "streamGenerateContent" if stream else "generateContent"
    found = measured(
        "google", f"/v1beta/models/{model}:{method}", [body, body] if stream else [body], stream=stream
    )
    assert found.parts[0].quantities == {"input_uncached": 20, "output_text": 300, "calls_maps": 1}


@pytest.mark.parametrize(
    "details", [None, {"image_tokens": 1056, "text_tokens": 0}, {"image_tokens": 1000, "text_tokens": 56}]
)
@pytest.mark.parametrize("model", ["gpt-image-1", "gpt-image-1.5", "gpt-image-2", "gpt-image-1-mini"])
def test_what_an_image_model_makes_is_image_tokens(model: str, details: dict[str, int] | None) -> None:
    usage: dict[str, Any] = {"input_tokens": 23, "output_tokens": 1056, "total_tokens": 1079}
    if details is not None:
        usage["output_tokens_details"] = details
    text = (details or {}).get("text_tokens", 0)
    found = measured(
        "openai", "/v1/images/generations", [{"data": [], "usage": usage}], request={"model": model}
    )
    made = {leaf: count for leaf, count in found.parts[0].quantities.items() if count}
    assert made == {"input_uncached": 23, "output_image": 1056 - text} | (
        {"output_text": text} if text else {}
    )


@pytest.mark.parametrize(("model", "searches"), [("gemini-2.5-flash", 1), ("gemini-3.5-flash", 3)])
@pytest.mark.parametrize("stream", [False, True])
def test_what_an_interaction_is_grounded_in_is_counted(model: str, searches: int, *, stream: bool) -> None:
    tools = [{"type": "google_search", "count": 3}, {"type": "google_maps", "count": 2}]
    usage = {
        "total_input_tokens": 7,
        "total_output_tokens": 3,
        "total_tokens": 10,
        "grounding_tool_count": tools,
    }
    body: dict[str, Any] = {"id": "i1", "model": model, "status": "completed", "usage": usage}
    document = {"event_type": "interaction.completed", "interaction": body} if stream else body
    found = measured("google", "/v1beta/interactions", [document], stream=stream)
    assert (found.completeness, found.flags) == ("final", ())
    assert found.parts[0].quantities == {
        "input_uncached": 7,
        "output_text": 3,
        "calls_web_search": searches,
        "calls_maps": 1,
    }
