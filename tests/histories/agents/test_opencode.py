"""opencode's messages, in files and in its database: each once, by its id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import apsw
import pytest
from agent_logs import LATER, NOON, SECOND, Reader, write_json

from farebox.histories.agents.agent_log import SETTLED_NS
from farebox.histories.agents.opencode import Opencode

MS = NOON // 10**6


@pytest.fixture
def data(user: Path) -> Path:
    folder = user / ".local" / "share" / "opencode"
    folder.mkdir(parents=True)
    return folder


def message(number: int = 1, **more: Any) -> dict[str, Any]:
    tokens = {"input": 100, "output": 50, "reasoning": 20, "cache": {"read": 1_000, "write": 40}}
    return {
        "id": f"msg_{number}",
        "sessionID": "ses_1",
        "role": "assistant",
        "time": {"created": MS + number * 1000, "completed": MS + number * 1000 + 900},
        "parentID": "msg_0",
        "modelID": "claude-sonnet-4-5",
        "providerID": "anthropic",
        "mode": "build",
        "path": {"cwd": "/home/ann/shop", "root": "/"},
        "cost": 0.0042,
        "tokens": tokens,
        **more,
    }


def database(folder: Path, *messages: dict[str, Any], name: str = "opencode.db") -> None:
    connection = apsw.Connection(str(folder / name))
    connection.execute(
        "CREATE TABLE IF NOT EXISTS message (id text PRIMARY KEY, session_id text NOT NULL, "
        "time_created integer NOT NULL, time_updated integer NOT NULL, data text NOT NULL)"
    )
    for each in messages:
        kept = {name: value for name, value in each.items() if name not in ("id", "sessionID")}
        created, updated = each["time"]["created"], each["time"].get("completed") or each["time"]["created"]
        connection.execute(
            "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?)",
            (each["id"], each["sessionID"], created, updated, json.dumps(kept)),
        )
    connection.close()


USAGE = {
    "input_uncached": 100,
    "output_text": 50,
    "output_reasoning": 20,
    "cache_read": 1_000,
    "cache_write_5m": 40,
}


def test_messages_in_files_of_a_project_are_read(data: Path) -> None:
    write_json(data / "project/p/storage/session/message/ses_1/msg_1.json", message())
    (call,) = Reader(Opencode()).calls()
    assert call.usage == USAGE
    assert (call.id, call.provider, call.model) == ("msg_1", "anthropic", "claude-sonnet-4-5")
    assert str(call.stated_usd) == "0.0042"
    assert call.attribution == {"app": "opencode", "session": "ses_1", "agent": "build", "project": "shop"}


def test_messages_in_files_of_all_projects_are_read(data: Path) -> None:
    write_json(data / "storage/message/ses_1/msg_1.json", message())
    write_json(
        data / "storage/message/ses_1/msg_0.json", {"id": "msg_0", "role": "user", "time": {"created": MS}}
    )
    assert [each.id for each in Reader(Opencode()).calls()] == ["msg_1"]


def test_messages_in_the_database_are_read_and_those_that_moved_there_once(data: Path) -> None:
    write_json(data / "storage/message/ses_1/msg_1.json", message())
    database(data, message(1), message(2, agent="plan"))
    told = Reader(Opencode()).calls()
    assert [each.id for each in told] == ["msg_1", "msg_2"]
    assert told[1].usage == USAGE
    assert told[1].attribution["agent"] == "plan"


def test_reasoning_that_is_in_the_output_is_not_counted_twice(data: Path) -> None:
    tokens = message()["tokens"]
    database(
        data, message(1, tokens={**tokens, "total": 1_190}), message(2, tokens={**tokens, "total": 1_210})
    )
    told = Reader(Opencode()).calls()
    assert [each.usage["output_text"] for each in told] == [30, 50]


def test_only_what_is_new_is_read_again(data: Path) -> None:
    hours = 5 * 3_600
    database(data, message(1))
    reader = Reader(Opencode())
    assert len(reader.calls()) == 1
    database(data, message(hours))
    assert [each.id for each in reader.calls()] == ["msg_1", f"msg_{hours}"], "an hour is looked at again"
    assert [each.id for each in reader.calls()] == [f"msg_{hours}"]


def test_a_message_that_is_being_written_is_waited_for_and_never_forgotten(data: Path) -> None:
    unfinished = {"created": MS}
    database(data, message(1, time=unfinished), message(9_000))
    reader = Reader(Opencode())
    assert [each.id for each in reader.calls(NOON + SECOND)] == ["msg_9000"]
    assert reader.reading.waiting == 1
    told = {each.id: each.completeness for each in reader.calls(NOON + 2 * SETTLED_NS)}
    assert told == {"msg_1": "partial", "msg_9000": None}


def test_without_a_cost_it_is_signed_in_to_a_plan(data: Path) -> None:
    database(
        data,
        message(1, cost=0),
        message(2, cost=0, providerID="openai", modelID="gpt-5"),
        message(3, providerID="amazon-bedrock"),
        message(4, cost=0, providerID="lmstudio", modelID="qwen"),
    )
    told = [(each.provider, each.is_subscription) for each in Reader(Opencode()).calls()]
    assert told == [("anthropic", True), ("chatgpt", True), ("bedrock", False), ("local", False)]


def test_what_is_not_understood_is_counted(data: Path) -> None:
    write_json(data / "storage/message/ses_1/msg_1.json", message(providerID=None))
    (data / "storage/message/ses_1/msg_2.json").write_text("{")
    (data / "opencode-beta.db").write_bytes(b"no database at all" * 100)
    reader = Reader(Opencode())
    assert reader.calls(LATER) == []
    assert sum(each.count for each in reader.reading.not_understood) == 3
