"""Exports that are not as they are documented: a row that cannot be read is told, all others are imported."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farebox.histories.files import import_file, rows
from farebox.home import Home
from farebox.ledger.calls import LedgerReader
from farebox.ledger.proof.verification import verify

Imported = Callable[..., dict[str, Any]]

DEEP = "[" * 100_000 + "]" * 100_000
GOOD = {"id": "a", "time": "2026-05-01T10:00:00Z", "model": "gpt-4o", "input_tokens": 5}


def line(**more: Any) -> str:
    return json.dumps({**GOOD, **more}) + "\n"


def told(found: dict[str, Any]) -> dict[str, int]:
    return {each["reason"]: each["count"] for each in found["imported"]["not_understood"]}


def counted(found: dict[str, Any]) -> tuple[int, int]:
    """Return how many calls were imported, and how many rows were not."""
    return found["imported"]["calls"], sum(told(found).values())


def test_lists_in_lists_without_end_cost_one_row(imported: Imported, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        line() + f'{{"tags": {DEEP}}}\n' + line(id="b", tags=DEEP) + line(id="c", usage=DEEP) + line(id="d")
    )
    assert counted(imported("jsonl", path)) == (2, 3)
    path.write_text(f"[{line()}, {DEEP}]")
    assert counted(imported("jsonl", path)) == (0, 1)
    path.write_text(f'{{"data": {DEEP}}}')
    assert counted(imported("langfuse", path)) == (0, 1)


def test_a_line_without_an_end_costs_that_line(
    imported: Imported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "LINE_BYTES_MAX", 1_000)
    path = tmp_path / "a.jsonl"
    path.write_text(line() + line(id="x", note="y" * 5_000) + line(id="b"))
    found = imported("jsonl", path)
    assert (counted(found), told(found)) == ((2, 1), {"longer than 16 MiB": 1})
    assert found["imported"]["not_understood"][0]["where"] == ["line 2"]
    table = tmp_path / "a.csv"
    table.write_text(
        "id,time,model,input_tokens\n"
        f"c,2026-05-01T10:00:00Z,gpt-4o,5\nx{'y' * 5_000},2026-05-01T10:00:00Z,gpt-4o,5\n"
        "d,2026-05-01T10:00:00Z,gpt-4o,5\n"
    )
    found = imported("csv", table)
    assert (counted(found), told(found)) == ((2, 1), {"longer than 16 MiB": 1})
    assert found["imported"]["not_understood"][0]["where"] == ["line 3"]


def test_a_name_in_another_encoding_is_told_and_nobody_else_pays(
    imported: Imported, home: Home, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    text = (
        "id,time,model,input_tokens,customer\n"
        "a,2026-05-01T10:00:00Z,gpt-4o,5,Müller\n"
        "b,2026-05-01T10:00:00Z,gpt-4o,5,Ann\n"
    )
    path.write_bytes(text.encode("latin-1"))
    found = imported("csv", path)
    assert (counted(found), told(found)) == ((1, 1), {"not UTF-8": 1})
    path.write_text(text)
    assert counted(imported("csv", path)) == (1, 0)
    assert {row.attribution["customer"] for row in LedgerReader(home).export()} == {"Müller", "Ann"}
    path.write_bytes(text.replace("customer", "cliéntes").encode("latin-1"))
    assert told(imported("csv", path)) == {"not UTF-8": 1}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (line().encode("utf-16"), "UTF-16"),
        (gzip.compress(line().encode(), mtime=0), "compressed"),
        (b"PK\x03\x04" + b"\0" * 100, "spreadsheet"),
        (b" " * 5_000 + line().encode(), "nothing but space"),
        (b"\0" * 5_000, "no row of different column names"),
        (b'"' + b"a" * 5_000, "no row of different column names"),
    ],
)
def test_a_file_that_is_no_text_is_told_with_what_to_do(
    imported: Imported, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    for format in ("jsonl", "csv", "litellm"):
        (reason,) = told(imported(format, path))
        assert words in reason


def test_half_a_line_at_the_end_is_told(imported: Imported, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line() + line(id="b")[:30])
    assert counted(imported("jsonl", path)) == (1, 1)
    path.write_text(line() + line(id="b"))
    assert counted(imported("jsonl", path)) == (1, 0)


@pytest.mark.parametrize(
    "said",
    [
        {"time": "9999999999999999999"},
        {"time": "9999-12-31T23:59:59Z"},
        {"time": "1901-01-01T00:00:00Z"},
        {"time": 10**30},
        {"id": "x" * 300},
        {"input_tokens": 10**30},
        {"input_tokens": -5},
        {"input_tokens": True},
        {"usage": {"input_uncached": "1e999999999"}},
        {"duration_ms": 1e17},
        {"model": ["gpt-4o"]},
        {"id": "sk-ant-api03-abcdefghijklmnop1234"},
    ],
)
def test_values_of_no_call_are_told(imported: Imported, tmp_path: Path, said: dict[str, Any]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line(id="good") + line(**said))
    dry = imported("jsonl", path, "--dry-run")
    real = imported("jsonl", path)
    assert counted(dry) == counted(real) == (1, 1)


def test_no_key_and_no_prompt_of_a_file_is_kept(imported: Imported, home: Home, tmp_path: Path) -> None:
    key, prompt = "sk-proj-abcdefghijklmnop1234", "the prompt of somebody"
    path = tmp_path / "a.jsonl"
    path.write_text(
        line(
            user=key,
            tags={"team": key, key: "x"},
            attribution={"other": key},
            prompt=prompt,
            messages=[{"content": prompt}],
            response_id=key,
            request_id=key,
            error_code=prompt,
        )
        + line(id="b", model=key)
        + line(id="c", **{"tag.x": key, f"tag.{key}": "y"})
    )
    assert imported("jsonl", path)["imported"]["calls"] == 3
    for each in home.path.rglob("*"):
        if each.is_file():
            assert key.encode() not in each.read_bytes(), each
            assert prompt.encode() not in each.read_bytes(), each


def test_columns_without_number_are_listed_up_to_a_limit(
    imported: Imported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_file, "_COLUMNS_MAX", 10)
    path = tmp_path / "a.jsonl"
    path.write_text("".join(line(id=f"x{each}", **{f"c{each}" + "z" * 999: 1}) for each in range(50)))
    found = imported("jsonl", path)
    assert len(found["unknown_columns"]) == 10
    assert max(map(len, found["unknown_columns"])) == 64


def test_one_file_twice_and_its_rows_in_others_are_imported_once(
    imported: Imported, home: Home, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    without_id = {name: said for name, said in GOOD.items() if name != "id"}
    twice = json.dumps(without_id) + "\n"
    first.write_text(line() + line(id="b") + line(id="b") + twice + twice)
    second.write_text(line(id="b") + line(id="c") + twice)
    dry = imported("jsonl", first, "--dry-run")
    real = imported("jsonl", first)
    assert dry["imported"] == real["imported"]
    assert (real["imported"]["calls"], real["imported"]["copies"]) == (4, 1)
    assert imported("jsonl", first)["imported"]["calls"] == 0
    found = imported("jsonl", second)["imported"]
    assert (found["calls"], found["known"]) == (1, 2)
    assert len(list(LedgerReader(home).export())) == 5
    assert verify(home).problems == []


def test_a_session_that_is_none_is_no_session(imported: Imported, home: Home, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    said = {
        "request_id": "11111111-1111-4111-8111-111111111111",
        "request_created_at": "2026-05-01T10:00:00Z",
        "request_model": "gpt-4o",
        "prompt_tokens": 5,
        "completion_tokens": 5,
        "request_properties": {"Helicone-Session-Id": None},
    }
    path.write_text(json.dumps(said) + "\n")
    imported("helicone", path)
    (row,) = LedgerReader(home).export()
    assert "session" not in row.attribution
