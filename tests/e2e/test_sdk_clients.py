"""The official clients run unchanged under `farebox run --`; every call has exact usage and cost.

Prices are set here, so that what is expected can be worked out on paper: input $1, cache read
$0.10, 5-minute write $1.25, 1-hour write $2, output $10, all per million.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answers import respond
from farebox_process import Shell
from tools.upstream import MockUpstream

CLIENTS = Path(__file__).resolve().parent / "clients"
RATES = "{input: 1, cache_read: 0.10, cache_write_5m: 1.25, cache_write_1h: 2, output: 10, per: 1M}"


@pytest.fixture
def upstream() -> Iterator[MockUpstream]:
    with MockUpstream(respond) as serving:
        yield serving


@pytest.fixture
def shell(tmp_path: Path, upstream: MockUpstream) -> Shell:
    names = ("openai", "anthropic", "google")
    providers = "".join(f"  {name}: {{upstream: '{upstream.url}'}}\n" for name in names)
    models = "".join(f"  {name}: {RATES}\n" for name in ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"))
    return Shell(tmp_path, f"providers:\n{providers}pricing:\n{models}")


def calls(shell: Shell, script: str) -> list[dict[str, Any]]:
    done = shell.farebox("run", "--session", "s1", "--", sys.executable, CLIENTS / script)
    assert "hello" in done.stdout or "word" in done.stdout
    assert "5 calls" in done.stderr or "4 calls" in done.stderr
    assert "unpriced" not in done.stderr
    rows = shell.rows()
    assert {row["attribution"]["session"] for row in rows} == {"s1"}
    assert {row["attribution"]["app"] for row in rows} == {script.removesuffix(".py")}
    assert {(row["status"], row["outcome"], row["completeness"]) for row in rows} == {
        (200, "completed", "final")
    }
    assert {row["cost_state"] for row in rows} == {"priced"}
    return rows


def test_the_openai_client_sync_async_and_streaming(shell: Shell, upstream: MockUpstream) -> None:
    rows = calls(shell, "openai_client.py")
    assert [row["surface"] for row in rows] == [
        "openai.chat", "openai.chat", "openai.responses", "openai.chat", "openai.chat",
    ]  # fmt: skip
    assert [row["streamed"] for row in rows] == [False, True, False, False, True]
    for row in rows:
        if row["surface"] == "openai.chat":
            # 179 + 1024 cached in, 187 out: 179 × $1 + 1024 × $0.10 + 187 × $10 per million
            assert (row["input_tokens"], row["cache_read_input_tokens"]) == (1203, 1024)
            assert (row["output_tokens"], row["reasoning_output_tokens"]) == (187, 64)
            assert row["cost_usd"] == "0.0021514"
        else:
            # 1500 + 500 cached in, 100 out
            assert (row["input_tokens"], row["cache_read_input_tokens"]) == (2000, 500)
            assert row["cost_usd"] == "0.00255"
    assert next(request.path for request in upstream.requests) == "/v1/chat/completions"
    assert not [
        name for request in upstream.requests for name, _ in request.headers if b"farebox" in name.lower()
    ]


def test_the_anthropic_client_sync_async_and_streaming(shell: Shell) -> None:
    rows = calls(shell, "anthropic_client.py")
    assert [row["streamed"] for row in rows] == [False, True, False, True]
    for row in rows:
        assert row["input_tokens"] == 1400  # 100 uncached, 1000 read, 300 written
        assert row["cache_read_input_tokens"] == 1000
        assert row["cache_creation_input_tokens"] == 300
        assert row["output_tokens"] == 50
        # 100 × 1 + 1000 × 0.10 + 200 × 1.25 + 100 × 2 + 50 × 10 = 1150 per million
        assert row["cost_usd"] == "0.00115"
        assert row["response_model"] == "claude-sonnet-4-5-20250929"


def test_the_google_client_sync_async_and_streaming(shell: Shell) -> None:
    rows = calls(shell, "google_client.py")
    assert [row["streamed"] for row in rows] == [False, True, False, True]
    for row in rows:
        assert (row["input_tokens"], row["cache_read_input_tokens"]) == (1000, 400)
        assert (row["output_tokens"], row["reasoning_output_tokens"]) == (90, 30)
        # 600 × 1 + 400 × 0.10 + 90 × 10 = 1540 per million
        assert row["cost_usd"] == "0.00154"


def test_a_base_url_of_the_users_own_is_forwarded_to_and_metered(
    tmp_path: Path, upstream: MockUpstream
) -> None:
    shell = Shell(tmp_path, f"pricing:\n  gpt-4o: {RATES}\n")
    done = shell.farebox(
        "run", "--", sys.executable, CLIENTS / "openai_client.py", OPENAI_BASE_URL=f"{upstream.url}/v1"
    )
    host = upstream.url.removeprefix("http://")
    assert f"OPENAI_BASE_URL names {host}" in done.stderr
    assert {row["provider"] for row in shell.rows()} == {host.replace(":", "-")}
    assert upstream.count == 5
