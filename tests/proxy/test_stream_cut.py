"""A stream that would pass its limit: more is held as it grows; then it ends with an error of its format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from budgeted_proxy import CHAT, DOLLAR, JSON, Budgeted, budget, budgeted, chat
from proxy_harness import Answer, mock

TEXT = "word " * 40
LONG = 2_000
"""Events of an endless stream: far more than the money is for."""


def sse(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n\n").encode()


def openai_event(number: int) -> bytes:
    choice = {"index": 0, "delta": {"content": TEXT}, "finish_reason": None}
    return sse("data: " + json.dumps({"id": "c1", "model": "gpt-4o", "choices": [choice]}))


def responses_event(number: int) -> bytes:
    said = {"type": "response.output_text.delta", "delta": TEXT, "sequence_number": number}
    return sse("event: response.output_text.delta", "data: " + json.dumps(said))


def anthropic_event(number: int) -> bytes:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}}
    return sse("event: content_block_delta", "data: " + json.dumps(delta))


def google_event(number: int) -> bytes:
    candidate = {"content": {"parts": [{"text": TEXT}]}}
    return ("data: " + json.dumps({"candidates": [candidate]}) + "\r\n\r\n").encode()


def stream_of(event: Callable[[int], bytes], kind: str = "text/event-stream", *, odd: bool = False) -> Any:
    """Return an upstream that streams until it is stopped; `odd` splits events anywhere."""

    def respond(_: Any) -> Any:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        body = b"".join(event(number) for number in range(LONG))
        size = 7_001 if odd else len(event(0)) * 8
        steps: list[Any] = [head]
        for at in range(0, len(body), size):
            steps += [mock.chunk(body[at : at + size]), mock.Wait(0.001)]
        return mock.raw_reply(*steps, mock.Hang())

    return respond


def ask(run: Budgeted, path: str, body: bytes, *headers: str) -> Answer:
    with run.proxy.connect() as client:
        return client.post(path, body, JSON, *headers)


def unbounded(limit: int = DOLLAR // 100, **more: Any) -> Any:
    """A budget for calls that nothing bounds: a picture's tokens are not known before."""
    return budget("small", limit=limit, unpriced="allow", wait_s=0, **more)


PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]}]


def chat_with_picture() -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": PICTURE, "stream": True}).encode()


@pytest.mark.parametrize("odd", [False, True])
def test_a_chat_stream_ends_with_openais_error_and_its_framing_is_whole(tmp_path: Path, odd: bool) -> None:
    small = unbounded()
    with budgeted(tmp_path, small, respond=stream_of(openai_event, odd=odd)) as run:
        answer = ask(run, CHAT, chat_with_picture(), "x-farebox-customer: a")
        (record,) = run.proxy.settled(1)
        figures = run.figures(small)
    *events, last, rest = answer.body.split(b"\n\n")
    assert rest == b"" and events
    for number, event in enumerate(events):
        assert event + b"\n\n" == openai_event(number)
    error = json.loads(last.removeprefix(b"data: "))["error"]
    assert error["code"] == "insufficient_quota" and "budget small" in error["message"]
    assert (record.outcome, record.error_class) == ("timed_out", "budget_exceeded")
    # Nothing bounds such a call: by how much it passes depends on what one read of it holds.
    assert figures.reserved == 0 and figures.spent > small.limit_pico // 2
    assert record.held.cost_pico == figures.spent, "settled at its upper bound"
    assert len(events) < LONG


def test_the_openai_client_raises_what_an_error_in_a_stream_is(tmp_path: Path) -> None:
    import openai

    with budgeted(tmp_path, unbounded(), respond=stream_of(openai_event)) as run:
        base = f"http://127.0.0.1:{run.proxy.port}/openai/v1"
        messages: Any = PICTURE
        with openai.OpenAI(api_key="sk-test", base_url=base) as client:
            stream = client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
            with pytest.raises(openai.APIError, match="budget small") as caught:
                for _ in stream:
                    pass
        assert caught.value.code == "insufficient_quota"
        assert run.upstream.count == 1


def test_a_stream_of_responses_ends_with_its_error_event_and_the_next_number(tmp_path: Path) -> None:
    part = {"type": "input_image", "image_url": "https://x.test/a.png"}
    body = {"model": "gpt-4o", "input": [{"role": "user", "content": [part]}], "stream": True}
    with budgeted(tmp_path, unbounded(), respond=stream_of(responses_event)) as run:
        answer = ask(run, "/openai/v1/responses", json.dumps(body).encode())
    *events, last, rest = answer.body.split(b"\n\n")
    name, _, data = last.partition(b"\n")
    said = json.loads(data.removeprefix(b"data: "))
    assert (rest, name, said["type"], said["code"]) == (b"", b"event: error", "error", "insufficient_quota")
    assert said["sequence_number"] == len(events)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_anthropic_stream_ends_with_its_error_event(tmp_path: Path) -> None:
    import anthropic

    source = {"type": "url", "url": "https://x.test/a.png"}
    messages: Any = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    with budgeted(tmp_path, unbounded(), respond=stream_of(anthropic_event), provider="anthropic") as run:
        base = f"http://127.0.0.1:{run.proxy.port}/anthropic"
        with (
            anthropic.Anthropic(api_key="sk-test", base_url=base) as client,
            pytest.raises(anthropic.APIStatusError, match="budget small"),
        ):
            for _ in client.messages.create(
                model="claude-sonnet-4-5", max_tokens=30_000, messages=messages, stream=True
            ):
                pass
        assert run.upstream.count == 1


def test_a_gemini_stream_ends_with_an_error_that_its_client_raises(tmp_path: Path) -> None:
    from google import genai
    from google.genai import errors, types

    with budgeted(tmp_path, unbounded(), respond=stream_of(google_event), provider="google") as run:
        client = genai.Client(
            api_key="test",
            http_options=types.HttpOptions(base_url=f"http://127.0.0.1:{run.proxy.port}/google"),
        )
        picture = types.Part.from_uri(file_uri="https://x.test/a.png", mime_type="image/png")
        with pytest.raises(errors.APIError, match="budget small") as caught:
            for _ in client.models.generate_content_stream(model="gemini-2.5-flash", contents=[picture]):
                pass
        assert caught.value.code == 429


@pytest.mark.parametrize("odd", [False, True])
def test_a_list_of_gemini_responses_ends_with_an_error_as_its_last_element(tmp_path: Path, odd: bool) -> None:
    def element(number: int) -> bytes:
        says = {"text": TEXT + ' }]," \\'}
        return (b"," if number else b"[") + json.dumps(
            {"candidates": [{"content": {"parts": [says]}}]}
        ).encode()

    picture = {"fileData": {"fileUri": "https://x.test/a.png", "mimeType": "image/png"}}
    body = json.dumps({"contents": [{"parts": [picture]}]}).encode()
    small = unbounded()
    kind = "application/json; charset=UTF-8"
    with budgeted(tmp_path, small, respond=stream_of(element, kind, odd=odd), provider="google") as run:
        answer = ask(run, "/google/v1beta/models/gemini-2.5-flash:streamGenerateContent", body)
        (record,) = run.proxy.settled(1)
    *elements, last = json.loads(answer.body)
    assert 0 < len(elements) < LONG and "budget small" in last["error"]["message"]
    assert (record.outcome, record.error_class) == ("timed_out", "budget_exceeded")
    assert record.held.cost_pico < small.limit_pico * 2


def test_ndjson_ends_with_an_error_in_a_line_of_its_own(tmp_path: Path) -> None:
    def line(_: int) -> bytes:
        return json.dumps({"model": "m", "message": {"role": "assistant", "content": TEXT}}).encode() + b"\n"

    from farebox.proxy.admission.stream_watch import NDJSON, StreamWatch

    watch = StreamWatch(Tight(), lambda tokens: tokens, Tight.no_room, shape="ollama", surface="ollama.chat")
    watch.begins(NDJSON, encoded=False)
    passed = line(0) * 3 + line(0)[:10]
    instead = watch.take(passed)
    assert instead is not None and instead.startswith(line(0) * 3)
    (last,) = instead.removeprefix(line(0) * 3).splitlines()
    assert "no room" in json.loads(last)["error"]


class Tight:
    """A hold without any room."""

    is_cut = True

    def covers(self, cost: int) -> bool:
        return False

    grow = covers

    def note(self, cost: int) -> None:
        return

    @staticmethod
    def no_room() -> Any:
        from farebox.budgets.refusal import Refusal

        return Refusal("budget_exceeded", "no room")


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_an_aws_event_stream_ends_between_messages_with_an_exception(size: int) -> None:
    from farebox.proxy.admission.stream_watch import EVENT_STREAM, StreamWatch, exception_frame

    message = exception_frame("contentBlockDelta", json.dumps({"delta": {"text": TEXT}}).encode())
    body = message * 5
    watch = StreamWatch(Tight(), lambda tokens: tokens, Tight.no_room, shape="aws", surface="bedrock.x")
    watch.begins(EVENT_STREAM, encoded=False)
    got = b""
    for at in range(0, len(body), size):
        instead = watch.take(body[at : at + size])
        got += body[at : at + size] if instead is None else instead
        if instead is not None:
            break
    buffer = EventStreamBuffer()
    buffer.add_data(got)
    messages = list(buffer)
    last = messages[-1].to_response_dict()
    assert last["headers"][":exception-type"] == "throttlingException"
    assert last["status_code"] == 400 and "no room" in json.loads(last["body"])["message"]
    assert len(got) == len(message) * (len(messages) - 1) + len(
        exception_frame("throttlingException", last["body"])
    )


def test_a_stream_that_may_finish_is_not_cut_and_counts_in_full(tmp_path: Path) -> None:
    from budgeted_proxy import usage

    small = unbounded(stream="finish")
    events = [openai_event(number) for number in range(400)]
    closing = mock.chat_events(1, usage=usage(10, 40_000))
    with budgeted(tmp_path, small, respond=lambda _: mock.sse_reply([*events, *closing])) as run:
        answer = ask(run, CHAT, chat_with_picture())
        run.proxy.settled(1)
        assert answer.body.startswith(b"".join(events)) and b"insufficient_quota" not in answer.body
        assert run.figures(small).spent == 10 * 2_500_000 + 40_000 * 10_000_000 > small.limit_pico
        assert ask(run, CHAT, chat(10)).status == 429


def test_a_call_that_its_worst_case_bounds_is_not_watched_and_keeps_its_chunks(tmp_path: Path) -> None:
    events = mock.chat_events(3)
    with budgeted(tmp_path, budget(), respond=lambda _: mock.sse_reply(events)) as run:
        body = chat(stream=True, stream_options={"include_usage": True})
        answer = ask(run, CHAT, body)
        assert answer.raw == b"".join(mock.chunk(event) for event in events) + b"0\r\n\r\n"


def test_a_compressed_stream_that_has_to_end_is_broken_off_and_never_looks_whole(tmp_path: Path) -> None:
    import gzip
    import os

    def respond(_: Any) -> Any:
        head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        body = gzip.compress(os.urandom(400_000))
        steps: list[Any] = [head]
        for at in range(0, len(body), 1000):
            steps += [mock.chunk(body[at : at + 1000]), mock.Wait(0.005)]
        return mock.raw_reply(*steps, mock.Hang())

    with budgeted(tmp_path, unbounded(), respond=respond) as run, run.proxy.connect() as client:
        body = chat_with_picture()
        client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(body)}") + body)
        assert not client.until_closed().endswith(b"0\r\n\r\n")
        (record,) = run.proxy.settled(1)
        assert record.error_class == "budget_exceeded"
