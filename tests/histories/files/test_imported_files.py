"""Exports of their documented formats: totals as the file states them, and what differs is listed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from farebox.home import Home
from farebox.journal.records import IMPORTED
from farebox.ledger.call_row import CallRow
from farebox.ledger.calls import LedgerReader
from farebox.ledger.proof.verification import verify

Imported = Callable[..., dict[str, Any]]


def rows(home: Home) -> list[CallRow]:
    assert verify(home).problems == []
    return list(LedgerReader(home).export())


def as_lines(path: Path, items: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in items))
    return path


def as_list(path: Path, items: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(items, indent=2))
    return path


def as_api(path: Path, items: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"data": items, "meta": {"page": 1}}))
    return path


def as_csv(path: Path, items: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(name for each in items for name in each)))
        writer.writeheader()
        for each in items:
            writer.writerow(
                {
                    name: json.dumps(said) if isinstance(said, dict | list) else said
                    for name, said in each.items()
                }
            )
    return path


WAYS = {"lines": as_lines, "list": as_list, "csv": as_csv}

HELICONE: list[dict[str, Any]] = [
    {
        "request_id": "11111111-1111-4111-8111-111111111111",
        "response_id": "r1",
        "request_created_at": "2026-05-01T10:00:00.000Z",
        "response_created_at": "2026-05-01T10:00:02.500Z",
        "response_status": 200,
        "request_model": "gpt-4o",
        "response_model": "gpt-4o-2024-08-06",
        "provider": "OPENAI",
        "request_user_id": "ann",
        "request_properties": {"Helicone-Session-Id": "s1", "feature": "summary"},
        "delay_ms": 2500,
        "prompt_tokens": 1000,
        "prompt_cache_read_tokens": 200,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "costUSD": 0.00325,
        "request_body": {"messages": [{"content": "a prompt"}]},
    },
    {
        "request_id": "22222222-2222-4222-8222-222222222222",
        "request_created_at": "2026-05-01 11:00:00.123",
        "response_status": 200,
        "request_model": "claude-sonnet-4-5",
        "provider": "ANTHROPIC",
        "prompt_tokens": 10,
        "prompt_cache_read_tokens": 2000,
        "prompt_cache_write_tokens": 300,
        "completion_tokens": 50,
        "total_tokens": 60,
        "costUSD": 0.002505,
    },
    {
        "request_id": "33333333-3333-4333-8333-333333333333",
        "request_created_at": "2026-05-01T12:00:00Z",
        "response_status": 429,
        "request_model": "gpt-4o",
        "provider": "OPENAI",
    },
    {
        "request_id": "44444444-4444-4444-8444-444444444444",
        "request_created_at": "2026-05-01T12:00:00Z",
        "response_status": 200,
        "request_model": "gpt-4o",
        "provider": "OPENAI",
        "prompt_tokens": 5,
        "completion_tokens": 5,
        "cache_reference_id": "11111111-1111-4111-8111-111111111111",
        "costUSD": 0,
    },
]

LANGFUSE_API: list[dict[str, Any]] = [
    {
        "id": "obs-1",
        "traceId": "t1",
        "type": "GENERATION",
        "name": "answer",
        "startTime": "2026-05-01T10:00:00.000Z",
        "endTime": "2026-05-01T10:00:03.000Z",
        "model": "gpt-4o",
        "usageDetails": {"input": 800, "input_cached_tokens": 200, "output": 70,
                         "output_reasoning_tokens": 30, "total": 1100},
        "costDetails": {"input": 0.002, "input_cached_tokens": 0.00025, "output": 0.001, "total": 0.00325},
        "metadata": {"ls_provider": "openai"},
    },
    {
        "id": "obs-2",
        "traceId": "t1",
        "type": "GENERATION",
        "startTime": "2026-05-01T10:00:05.000Z",
        "model": "claude-sonnet-4-5",
        "usageDetails": {"input": 10, "cache_read_input_tokens": 2000, "cache_creation_input_tokens": 300,
                         "output": 50},
        "costDetails": {"input": 0.00003, "cache_read_input_tokens": 0.0006,
                        "cache_creation_input_tokens": 0.001125, "output": 0.00075},
        "level": "DEFAULT",
    },
    {"id": "obs-3", "traceId": "t1", "type": "SPAN", "name": "agent", "startTime": "2026-05-01T10:00:00Z",
     "usageDetails": {"input": 810, "output": 120}},
    {"id": "obs-4", "traceId": "t1", "type": "EVENT", "startTime": "2026-05-01T10:00:00Z"},
]  # fmt: skip

LANGFUSE_BLOB: list[dict[str, Any]] = [
    {
        "id": "obs-1",
        "trace_id": "t1",
        "project_id": "p",
        "environment": "production",
        "type": "GENERATION",
        "name": "answer",
        "start_time": "2026-05-01 10:00:00.000000",
        "end_time": "2026-05-01 10:00:03.000000",
        "provided_model_name": "gpt-4o",
        "usage_details": {"input": 800, "input_cached_tokens": 200, "output": 70,
                          "output_reasoning_tokens": 30, "total": 1100},
        "cost_details": {"total": "0.00325"},
        "total_cost": "0.00325",
        "user_id": "ann",
        "session_id": "s1",
        "trace_name": "support",
        "tags": ["core"],
    },
    {
        "id": "obs-2",
        "trace_id": "t1",
        "type": "GENERATION",
        "start_time": "2026-05-01 10:00:05.000000",
        "provided_model_name": "claude-sonnet-4-5",
        "usage_details": {"input": 10, "cache_read_input_tokens": 2000, "cache_creation_input_tokens": 300,
                          "output": 50},
        "total_cost": "0.002505",
    },
    {"id": "obs-3", "trace_id": "t1", "type": "SPAN", "start_time": "2026-05-01 10:00:00.000000"},
    {"id": "obs-4", "trace_id": "t1", "type": "EVENT", "start_time": "2026-05-01 10:00:00.000000"},
]  # fmt: skip

LITELLM: list[dict[str, Any]] = [
    {
        "request_id": "chatcmpl-1",
        "call_type": "acompletion",
        "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
        "spend": 0.00325,
        "total_tokens": 1100,
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "startTime": "2026-05-01T10:00:00.000Z",
        "endTime": "2026-05-01T10:00:03.000Z",
        "model": "gpt-4o",
        "custom_llm_provider": "openai",
        "user": "service",
        "end_user": "ann",
        "team_id": "core",
        "session_id": "s1",
        "cache_hit": "False",
        "status": "success",
        "request_tags": ["feature:summary", "beta"],
        "metadata": {
            "user_api_key_alias": "prod",
            "usage_object": {
                "prompt_tokens_details": {"cached_tokens": 200},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
        },
    },
    {
        "request_id": "chatcmpl-2",
        "call_type": "anthropic_messages",
        "spend": 0.002505,
        "total_tokens": 2360,
        "prompt_tokens": 2310,
        "completion_tokens": 50,
        "startTime": "2026-05-01 11:00:00",
        "endTime": "2026-05-01 11:00:03",
        "model": "anthropic/claude-sonnet-4-5",
        "custom_llm_provider": "anthropic",
        "metadata": {
            "usage_object": {"cache_read_input_tokens": 2000, "cache_creation_input_tokens": 300},
        },
    },
    {
        "request_id": "chatcmpl-3",
        "call_type": "acompletion",
        "spend": 0,
        "prompt_tokens": 5,
        "completion_tokens": 5,
        "startTime": "2026-05-01T12:00:00Z",
        "model": "gpt-4o",
        "custom_llm_provider": "openai",
        "cache_hit": "True",
        "metadata": {},
    },
    {"request_id": "f", "startTime": "2026-05-01T12:00:00Z", "model": "", "status": "failure", "spend": 0},
]

STATED = Decimal("0.005755")
FILES = {
    "helicone": HELICONE,
    "langfuse": LANGFUSE_API,
    "langfuse from blob storage": LANGFUSE_BLOB,
    "litellm": LITELLM,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", FILES)
def test_totals_are_those_that_the_file_states(
    imported: Imported, home: Home, tmp_path: Path, what: str, way: str
) -> None:
    path = WAYS[way](tmp_path / "export", FILES[what])
    answer = imported(what.split()[0], path)
    assert answer["imported"]["not_understood"] == []
    assert answer["unknown_columns"] == []
    assert answer["rows"] == len(FILES[what])
    known = {f"{each['provider']}/{each['model'].split('-2024')[0]}": each for each in answer["models"]}
    anthropic = known["anthropic/claude-sonnet-4-5"]
    assert (anthropic["input_tokens"], anthropic["output_tokens"]) == (2310, 50)
    stated = sum(Decimal(str(each["stated_usd"] or 0)) for each in answer["models"])
    assert stated == STATED
    found = rows(home)
    counted = [row for row in found if row.billable]
    assert sum(row.input_tokens for row in counted) == 1000 + 2310
    assert sum(row.output_tokens for row in counted) == 100 + 50
    assert sum(row.cache_read_input_tokens for row in counted) == 200 + 2000
    assert sum(row.cost_pico or 0 for row in found) == int(STATED * 10**12)
    assert {row.attribution[IMPORTED] for row in found} == {what.split()[0]}
    again = imported(what.split()[0], path)["imported"]
    assert (again["calls"], again["known"]) == (0, len(found))
    assert len(rows(home)) == len(found)


def test_a_list_as_an_api_returns_it_is_read(imported: Imported, home: Home, tmp_path: Path) -> None:
    answer = imported("langfuse", as_api(tmp_path / "export.json", LANGFUSE_API))
    assert answer["imported"]["calls"] == 2
    assert answer["passed_over"] == 2


def test_names_of_people_sessions_and_tags_are_kept(imported: Imported, home: Home, tmp_path: Path) -> None:
    imported("litellm", as_lines(tmp_path / "a", LITELLM[:1]))
    imported("helicone", as_lines(tmp_path / "b", HELICONE[:1]))
    imported("langfuse", as_lines(tmp_path / "c", LANGFUSE_BLOB[:1]))
    litellm, helicone, langfuse = rows(home)
    for row in (litellm, helicone, langfuse):
        assert (row.attribution["user"], row.attribution["session"]) == ("ann", "s1")
    assert litellm.attribution["tag.feature"] == helicone.attribution["tag.feature"] == "summary"
    assert (litellm.attribution["tag.beta"], litellm.attribution["tag.team"]) == ("true", "core")
    assert (langfuse.attribution["agent"], langfuse.attribution["tag.core"]) == ("support", "true")
    assert litellm.response_id == "chatcmpl-1"


def test_what_differs_from_our_prices_is_listed_by_model(imported: Imported, tmp_path: Path) -> None:
    wrong = [
        {**HELICONE[0], "costUSD": 0.5},
        {**HELICONE[1], "request_model": "nobody-knows", "provider": "X"},
    ]
    answer = imported("helicone", as_lines(tmp_path / "export", wrong), "--dry-run")
    first, second = answer["models"]
    assert Decimal(str(first["difference_usd"])) == Decimal("0.00325") - Decimal("0.5")
    assert (second["priced_usd"], second["difference_usd"]) == (None, None)


def test_a_dry_run_writes_nothing_and_says_what_is_not_understood(
    imported: Imported, home: Home, tmp_path: Path
) -> None:
    path = as_lines(tmp_path / "export", [*HELICONE[:1], {"request_id": "x", "costUSD": 7, "novel": 1}])
    with path.open("ab") as file:
        file.write(b'{"request_id": \n\xff\xfe\n')
    answer = imported("helicone", path, "--dry-run")
    assert answer["imported"]["calls"] == 1
    assert sum(each["count"] for each in answer["imported"]["not_understood"]) == 3
    assert answer["imported"]["not_understood"][0]["where"] == ["line 2"]
    assert answer["unknown_columns"] == ["novel"]
    assert Decimal(str(answer["left_out_usd"])) == 7
    assert not home.ledger.exists() or rows(home) == []


def test_usage_of_a_kind_that_is_not_known_is_never_left_out_silently(
    imported: Imported, tmp_path: Path
) -> None:
    strange = {**LANGFUSE_API[0], "usageDetails": {"input": 5, "telepathy": 9}}
    answer = imported("langfuse", as_lines(tmp_path / "export", [strange]))
    (missed,) = answer["imported"]["not_understood"]
    assert "telepathy" in missed["reason"]
    assert Decimal(str(answer["left_out_usd"])) == Decimal("0.00325")


def test_usage_as_an_api_states_it_counts_cached_tokens_once(
    imported: Imported, home: Home, tmp_path: Path
) -> None:
    stated = {"prompt_tokens": 1000, "completion_tokens": 100, "total": 1100, "input_cached_tokens": 200}
    imported("langfuse", as_lines(tmp_path / "export", [{**LANGFUSE_API[0], "usageDetails": stated}]))
    (row,) = rows(home)
    assert (row.input_tokens, row.cache_read_input_tokens, row.output_tokens) == (1000, 200, 100)


TABLE = """time;provider;model;input_tokens;cached_tokens;output_tokens;cost_usd;customer;tag.feature;colour
2026-05-01T10:00:00Z;openai;gpt-4o;1000;200;100;0.00325;acme;summary;red
2026-05-01 11:00:00;;claude-sonnet-4-5;10;;5;;acme;;blue
1777633200;openai;gpt-4o;1000;200;100;0.00325;acme;summary;red
2026-05-01T10:00:00Z;openai;gpt-4o;1000;200;100;0.00325;acme;summary;red
yesterday;openai;gpt-4o;1;1;1;1;;;
2026-05-01T10:00:00Z;openai;gpt-4o;-5;1;1;1;;;
2026-05-01T10:00:00Z;openai
"""


def test_a_table_made_by_hand_is_imported_and_equal_rows_are_calls_of_their_own(
    imported: Imported, home: Home, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    answer = imported("csv", path)
    assert (answer["rows"], answer["imported"]["calls"]) == (7, 4)
    assert answer["unknown_columns"] == ["colour"]
    assert [each["count"] for each in answer["imported"]["not_understood"]] == [1, 1, 1]
    found = rows(home)
    assert [row.provider for row in found].count("anthropic") == 1
    assert {row.attribution["customer"] for row in found} == {"acme"}
    assert imported("csv", path)["imported"]["known"] == 4


def test_what_farebox_exports_can_be_imported(
    imported: Imported,
    home: Home,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    from farebox.cli.main import main

    imported("litellm", as_lines(tmp_path / "a", LITELLM[:2]))
    before = rows(home)
    for number, name in enumerate(("jsonl", "csv")):
        monkeypatch.setattr(sys, "argv", ["farebox", "export", "--format", name, "--home", str(home.path)])
        assert main() == 0
        path = tmp_path / f"out.{name}"
        path.write_text(capsys.readouterr().out)
        other = Home(tmp_path / f"other{number}")
        answer = imported(name, path, into=other)
        assert answer["unknown_columns"] == []
        assert answer["imported"]["not_understood"] == []
        found = rows(other)
        assert [(row.quantities, row.cost_pico) for row in found] == [
            (row.quantities, row.cost_pico) for row in before
        ]
        assert [row.attribution["user"] for row in found if "user" in row.attribution] == ["ann"]


def test_a_file_that_is_not_there_or_has_nothing_says_so(imported: Imported, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        imported("csv", tmp_path / "nothing.csv")
    (tmp_path / "empty").write_text("")
    assert imported("csv", tmp_path / "empty")["rows"] == 0
    (tmp_path / "text").write_text("just some words\nand more\n")
    (missed,) = imported("csv", tmp_path / "text")["imported"]["not_understood"]
    assert "column names" in missed["reason"]
