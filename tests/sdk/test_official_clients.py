"""The official clients against a mock of their providers: exact usage, one row an attempt, nothing changed.

What a program gets of its client, exceptions and pieces included, is compared with what it gets when
Farebox is turned off.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from metered import Metered, respond_as_named, tokens
from official_clients import ACTION, ACTIONS, CLIENTS
from tests.client_environments import python_with
from tools.replaying.recordings import Recording, load
from tools.upstream import Hang, Reply, Request, Reset, json_reply

import farebox
from farebox.ledger.call_row import CallRow

# What a client's library warns of by itself is no business of these tests.
pytestmark = pytest.mark.filterwarnings("ignore")

ROOT = Path(__file__).resolve().parents[2]
MATRIX = ROOT / "tests" / "e2e" / "matrix" / "requirements.lock"
USAGE = {
    "openai": (1203, 1024, 187),
    "anthropic": (1400, 1000, 50),
    "google": (1000, 400, 90),
    "mistral": (20, 0, 10),
    "cohere": (20, 0, 10),
    "bedrock": (30, 0, 12),
}
"""Input, cached input and output that the mock states."""
NO_ASYNC = {"bedrock"}
STREAMED = ("streamed", "async streamed", "left", "async left", "broken")

CALL_OF_A_TOOL: dict[str, Callable[[Any], None]] = {
    "openai": lambda said: said["choices"][0]["message"].update(tool_calls=[_function_call()], content=None),
    "mistral": lambda said: said["choices"][0]["message"].update(tool_calls=[_function_call()], content=""),
    "cohere": lambda said: said["message"].update(tool_calls=[_function_call()], content=None),
    "anthropic": lambda said: said["content"].append(
        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Paris"}}
    ),
    "google": lambda said: said["candidates"][0]["content"]["parts"].append(
        {"functionCall": {"name": "weather", "args": {"city": "Paris"}}}
    ),
    "bedrock": lambda said: said["output"]["message"]["content"].append(
        {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Paris"}}}
    ),
}
"""How each provider's response says that a tool is to be called."""


def _function_call() -> dict[str, Any]:
    return {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


def provider_of(client: str) -> str:
    return "openai" if client == "litellm" else client


class Provider:
    """The mock as one action needs it: made anew for every run, since it counts."""

    def __init__(self, name: str, action: str) -> None:
        self._name = name
        self._action = action
        self._asked = 0

    def __call__(self, request: Request) -> Reply:
        self._asked += 1
        action = self._action
        if action == "error":
            return json_reply({"error": {"message": "no", "code": "wrong_thing"}, "message": "no"}, 400)
        if action == "retried" and self._asked < 3:
            headers = ((b"retry-after-ms", b"1"), (b"retry-after", b"0"))
            return json_reply({"error": {"message": "slow down"}, "message": "slow"}, 503, headers=headers)
        reply = respond_as_named(request)
        if action == "tools":
            said = json.loads(bytes(reply.body))  # type: ignore[arg-type]
            CALL_OF_A_TOOL[self._name](said)
            return json_reply(said)
        if action in ("left", "async left", "broken"):
            first = next(iter(reply.body))
            end: Any = Reset() if action == "broken" else Hang()
            return Reply(reply.status, reply.headers, [first, end], "chunked")  # type: ignore[list-item]
        return reply


def check(rows: list[CallRow], client: str, action: str) -> None:
    """One row an attempt, with exactly what the mock stated."""
    provider = provider_of(client)
    assert {row.provider for row in rows} == {provider} and {row.witness for row in rows} == {"sdk"}
    if action == "retried":
        assert [(row.status, row.attempt) for row in rows] == [(503, 0), (503, 1), (200, 2)]
        assert {row.attribution.get("call") for row in rows[1:]} == {rows[0].event_id.replace("-", "")}
        assert [row.cost_pico for row in rows[:2]] == [0, 0]
    else:
        assert len(rows) == 1
    row = rows[-1]
    assert row.streamed == (action in STREAMED)
    if action == "error":
        assert (row.status, row.error_class, row.cost_pico) == (400, "invalid_request", 0)
    elif action in ("left", "async left"):
        assert (row.outcome, row.status) == ("client_disconnected", 200)
        assert row.cost_state != "free"
    elif action == "broken":
        assert (row.outcome, row.error_class) == ("upstream_failed", "upstream_reset")
    else:
        assert tokens(row) == USAGE[provider]
        assert (row.outcome, row.status, row.completeness) == ("completed", 200, "final")


CASES = [
    pytest.param(client, action, id=f"{client}, {action}")
    for client in CLIENTS
    for action in ACTIONS
    if client != "litellm" and not (client in NO_ASYNC and "async" in action)
]


@pytest.mark.parametrize(("client", "action"), CASES)
def test_an_official_client_is_metered_exactly_and_unchanged(
    metered: Metered, client: str, action: str
) -> None:
    act, url = CLIENTS[client], metered.url(client)
    metered.mock.respond = Provider(client, action)
    without = act(action, url)
    sent = [(each.method, each.target, each.body) for each in metered.mock.requests]
    metered.mock.requests.clear()
    metered.mock.respond = Provider(client, action)
    farebox.instrument()
    assert act(action, url) == without
    assert [(each.method, each.target, each.body) for each in metered.mock.requests] == sent
    check(metered.rows(), client, action)
    assert not metered.errors


@pytest.mark.skipif(
    not os.environ.get("FAREBOX_LONG"), reason="two runs of an import that takes long: `make test-long`"
)
@pytest.mark.timeout(900)  # on a loaded machine; no time decides it
def test_litellm_is_metered_exactly_and_unchanged(metered: Metered) -> None:
    """It is not among the locked packages, which it would make much larger, but among the e2e clients."""
    python, url = python_with(MATRIX), metered.url("openai")
    # Of the environment of these tests only what the base install needs is used, and it comes last.
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    code = "import runpy, sys; sys.path.append(sys.argv.pop(1)); del sys.argv[0]; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    program = Path(__file__).parent / "official_clients.py"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "FAREBOX_HOME": str(metered.home.path),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }

    def said(**more: str) -> list[str]:
        mocks = {action: Provider("openai", action) for action in ACTIONS}
        metered.mock.respond = lambda request: mocks[request.header(ACTION) or ""](request)
        done = subprocess.run(
            [python, "-W", "ignore", "-c", code, packages, program, "litellm", url, *ACTIONS],
            env={**environment, **more}, capture_output=True, text=True, check=False, timeout=420,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    without = said(FAREBOX_DISABLED="1")
    assert len(without) == len(ACTIONS)
    assert said() == without
    rows = metered.rows()
    for action in ACTIONS:
        check([row for row in rows if row.attribution["task"] == action], "litellm", action)


RECORDED = {
    "openai": ("openai.chat",),
    "anthropic": ("anthropic.messages",),
    "google": ("google.generateContent", "google.streamGenerateContent"),
    "mistral": ("mistral.chat",),
    "cohere": ("cohere.v2_chat",),
    "bedrock": ("bedrock.converse", "bedrock.converse-stream"),
}


@pytest.mark.parametrize("client", RECORDED)
def test_recorded_responses_are_metered_exactly_through_the_official_client(
    metered: Metered, recordings: Path, client: str
) -> None:
    """Each response as it was recorded, read by the client as it reads: all of it, or to its last event."""
    found = [
        each
        for each in load(recordings)
        if each.surface in RECORDED[client] and each.status == 200 and each.billable and each.canonical
    ]
    assert len(found) > 5
    farebox.instrument()
    expected: dict[str, Recording] = {}
    for number, recording in enumerate(found):
        headers = [(name.encode(), value.encode()) for name, value in recording.response_headers.items()]
        metered.mock.respond = lambda _, to=recording, named=headers: Reply(200, named, to.response_body)
        action = "streamed" if recording.streaming else "whole"
        if number % 2 and client not in NO_ASYNC:
            action = {"streamed": "async streamed", "whole": "async"}[action]
        with farebox.attribute(task=recording.id):
            try:
                said = CLIENTS[client](action, metered.url(client))
            except Exception as error:  # a recording of something that its client was not asked for here
                said = [repr(error)]
        if not _failed(said):
            expected[recording.id] = recording
    assert len(expected) >= len(found) * 0.8
    rows = {row.attribution["task"]: row for row in metered.rows()}
    assert len(rows) == len(found)
    wrong = {
        name: (recording.canonical, tokens(rows[name]))
        for name, recording in expected.items()
        if any(
            recording.canonical.get(field, counted) != counted
            for field, counted in (
                ("input_total", rows[name].input_tokens),
                ("output_total", rows[name].output_tokens),
                ("cache_read", rows[name].cache_read_input_tokens),
                ("cache_write", rows[name].cache_creation_input_tokens),
            )
        )
    }
    assert not wrong and not metered.errors


def _failed(said: Any) -> bool:
    """Tell whether a client raised instead of returning a response, or in the middle of a stream."""
    if isinstance(said, tuple) and len(said) == 4:
        return True
    return isinstance(said, list) and (not said or isinstance(said[-1], str))
