"""Clients that no base URL variable reaches run unchanged under `farebox run --`, each call a row.

The providers are mocks under their real names: where they are is in the test's own configuration,
and their certificates come from a CA of the test's.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answers import respond
from farebox_process import Shell
from proxy_harness import certificate, server_tls
from tools.upstream import MockUpstream

CLIENTS = Path(__file__).resolve().parent / "clients"
HOSTS = ("api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com")
RATES = "{input: 1, cache_read: 0.10, cache_write_5m: 1.25, cache_write_1h: 2, output: 10, per: 1M}"


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[MockUpstream]:
    folder = tmp_path / "certificates"
    folder.mkdir()
    _, cert, key = certificate(folder, *HOSTS)
    with MockUpstream(respond, tls=server_tls(cert, key)) as serving:
        yield serving


@pytest.fixture
def shell(tmp_path: Path, upstream: MockUpstream) -> Shell:
    places = "".join(f"    {host}: 127.0.0.1:{upstream.port}\n" for host in HOSTS)
    models = "".join(f"  {name}: {RATES}\n" for name in ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"))
    return Shell(
        tmp_path,
        f"interception:\n  ca_file: {tmp_path}/certificates/ca.pem\n  addresses:\n{places}pricing:\n{models}",
    )


def calls(shell: Shell, *command: str | Path) -> list[dict[str, Any]]:
    done = shell.farebox("run", "--session", "s1", "--", *command)
    assert "unpriced" not in done.stderr, done.stderr
    rows = shell.rows()
    assert {(row["status"], row["outcome"], row["completeness"]) for row in rows} == {
        (200, "completed", "final")
    }
    assert {row["attribution"]["session"] for row in rows} == {"s1"}
    left = [path.name for path in (shell.home / "cache").iterdir() if path.name.startswith("run-")]
    assert left == [], "a run leaves nothing to undo"
    return rows


def test_python_clients(shell: Shell, upstream: MockUpstream) -> None:
    rows = calls(shell, sys.executable, CLIENTS / "unaware_client.py")
    assert [row["provider"] for row in rows] == ["openai"] * 2 + ["anthropic"] * 2 + ["google"] * 2 + [
        "openai"
    ] * 2
    assert [row["streamed"] for row in rows] == [False, True] * 3 + [False] * 2
    costs = {row["provider"]: row["cost_usd"] for row in rows}
    assert costs == {"openai": "0.0021514", "anthropic": "0.00115", "google": "0.00154"}
    assert {request.header("host") for request in upstream.requests} == set(HOSTS)


def test_node(shell: Shell) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed here")
    rows = calls(shell, "node", CLIENTS / "unaware_client.mjs")
    assert [row["streamed"] for row in rows] == [False, True, False]
    assert {(row["input_tokens"], row["output_tokens"]) for row in rows} == {(1203, 187)}


def test_java(shell: Shell) -> None:
    if shutil.which("java") is None:
        pytest.skip("java is not installed here")
    (row,) = calls(shell, "java", CLIENTS / "Unaware.java")
    assert (row["input_tokens"], row["output_tokens"]) == (1203, 187)


def test_curl(shell: Shell) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed here")
    body = '{"model": "gpt-4o", "messages": []}'
    (row,) = calls(
        shell, "curl", "-sSf", "-H", "Content-Type: application/json", "-d", body,
        "https://api.openai.com/v1/chat/completions",
    )  # fmt: skip
    assert (row["input_tokens"], row["output_tokens"]) == (1203, 187)


def test_a_program_that_accepts_only_the_providers_certificate_is_named_in_the_receipt(shell: Shell) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed here")
    body = '{"model": "gpt-4o", "messages": []}'
    call = (
        f"curl -sS --cacert {shell.folder}/certificates/ca.pem -H 'Content-Type: application/json' "
        f"-d '{body}' https://api.openai.com/v1/chat/completions"
    )
    # The first call fails, as it does for every client that pins; the second one is tunnelled.
    done = shell.farebox("run", "--", "sh", "-c", f"{call}; {call}")
    assert "1203" in done.stdout
    assert shell.rows() == []
    assert "not metered: 1 connection of curl to api.openai.com: it does not accept our" in done.stderr
    assert "no calls seen" not in done.stderr
    assert "pinned client: curl" in shell.farebox("doctor", "--no-clients", status=None).stdout


def obtained(program: str) -> str:
    """Return a program, from the system's packages where they can be installed; skip elsewhere."""
    setup = Path(__file__).resolve().parents[2] / "tools" / "setup_package.sh"
    if shutil.which(program) is None:
        done = subprocess.run([setup, program], capture_output=True, text=True, check=False, timeout=240)
        if done.returncode != 0:
            pytest.skip(f"{program} is not installed here and cannot be: {done.stderr.strip()[-200:]}")
    return program


def test_php_finds_its_roots_and_each_call_is_a_row(shell: Shell) -> None:
    php = obtained("php")
    if "curl" not in subprocess.run([php, "-m"], capture_output=True, text=True, check=True).stdout.split():
        pytest.skip("PHP has no curl here")
    rows = calls(shell, php, CLIENTS / "unaware_client.php")
    assert [row["streamed"] for row in rows] == [False, True]
    assert {(row["input_tokens"], row["output_tokens"]) for row in rows} == {(1203, 187)}
    assert {row["attribution"]["app"] for row in rows} == {"unaware_client"}


def test_ruby(shell: Shell) -> None:
    (row,) = calls(shell, obtained("ruby"), CLIENTS / "unaware_client.rb")
    assert (row["input_tokens"], row["output_tokens"]) == (1203, 187)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_child_with_a_cleared_environment_that_goes_past_the_proxy_is_named_in_the_receipt(
    shell: Shell, upstream: MockUpstream
) -> None:
    call = f'exec env -i "$0" "$1" 127.0.0.1:{upstream.port} "$FAREBOX_PROXY"'
    done = shell.farebox("run", "--", "sh", "-c", call, sys.executable, str(CLIENTS / "direct_client.py"))
    named = f"1 connection of {Path(sys.executable).name} direct_client.py to "
    assert f"not metered: {named}" in done.stderr
    assert "it bypassed the proxy" in done.stderr
    assert "no calls seen" not in done.stderr


def test_without_interception_nothing_of_it_is_set(shell: Shell) -> None:
    program = "import os; print(dict(os.environ))"
    done = shell.farebox("run", "--no-intercept", "--", sys.executable, "-c", program)
    assert "FAREBOX_PROXY" not in done.stdout
    assert str(shell.home) not in done.stdout.replace(f"'FAREBOX_HOME': '{shell.home}'", "")
    assert not (shell.home / "ca").exists()
