"""The command line as a person meets it: real processes, a real ledger, a mock upstream."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answers import respond
from farebox_process import FAREBOX, Shell
from tools.upstream import MockUpstream

CALL = """
import json, os, urllib.request
for model in {models!r}:
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        json.dumps({{"model": model, "messages": []}}).encode(),
        {{"Authorization": "Bearer sk-secret-canary", "Content-Type": "application/json"}},
    )
    urllib.request.urlopen(request, timeout=30).read()
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[MockUpstream]:
    with MockUpstream(respond) as serving:
        yield serving


@pytest.fixture
def shell(tmp_path: Path, upstream: MockUpstream) -> Shell:
    return Shell(
        tmp_path,
        f"listen: 127.0.0.1:0\ndashboard: 127.0.0.1:0\nproviders:\n  openai: {{upstream: '{upstream.url}'}}\n"
        "pricing:\n  gpt-4o: {input: 1, cache_read: 1, output: 1, per: 1M, markup: 1.5}\n",
    )


def run_calls(shell: Shell, *models: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return shell.farebox("run", "--", sys.executable, "-c", CALL.format(models=models), **options)


class Daemon:
    """`farebox up` in the foreground."""

    def __init__(self, shell: Shell, *flags: str) -> None:
        self.process = subprocess.Popen(
            [FAREBOX, "up", *flags],
            cwd=shell.folder,
            env=shell.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.printed = ""
        assert self.process.stdout is not None
        while "Ctrl-C" not in self.printed:
            line = self.process.stdout.readline()
            assert line, self.printed
            self.printed += line

    @property
    def base_url(self) -> str:
        found = re.search(r"OPENAI_BASE_URL=(\S+)", self.printed)
        assert found is not None, self.printed
        return found[1]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.printed += self.process.stdout.read()
        self.process.stdout.close()
        return status


@pytest.fixture
def daemon(shell: Shell) -> Iterator[Daemon]:
    started = Daemon(shell)
    yield started
    if started.process.poll() is None:
        started.stop()


def ask(base_url: str) -> int:
    request = urllib.request.Request(  # noqa: S310
        f"{base_url}/chat/completions", b'{"model": "gpt-4o", "messages": []}', {"Authorization": "Bearer k"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return len(answer.read())


def until(shell: Shell, *command: str, calls: int) -> dict[str, Any]:
    """Repeat a `--json` summary until it counts `calls`."""
    deadline = time.monotonic() + 30
    while True:
        answer = json.loads(shell.farebox(*command).stdout)
        if answer["totals"]["calls"] >= calls or time.monotonic() > deadline:
            return answer


def test_without_calls_it_says_what_to_type(shell: Shell) -> None:
    shown = shell.farebox().stdout
    assert "No calls yet" in shown
    assert "-- python app.py" in shown


def test_a_run_needs_no_daemon_and_prints_what_it_spent(shell: Shell) -> None:
    done = run_calls(shell, "gpt-4o", "gpt-4o")
    assert "2 calls" in done.stderr
    assert "$0.00278" in done.stderr  # 2 × 1390 tokens at $1 per million
    assert done.stdout == ""


def test_a_run_without_a_daemon_holds_the_budgets_from_its_first_call_on(shell: Shell) -> None:
    budgets = "budgets:\n  - {name: machine, limit: '1', period: day, wait: 5s}\n"
    config = shell.home / "farebox.yaml"
    config.write_text(config.read_text() + budgets)
    assert run_calls(shell, "gpt-4o", "gpt-4o").returncode == 0
    (listed,) = json.loads(shell.farebox("budget", "list", "--json").stdout)["budgets"]
    spent = json.loads(shell.farebox("--json").stdout)["totals"]["cost_usd"]
    assert listed["figures"]["spent_usd"] == spent != "0"


def test_a_call_without_a_price_is_shown_as_unpriced_everywhere(shell: Shell) -> None:
    shell.farebox("run", "--", sys.executable, "-c", CALL.format(models=("gpt-4o",)), status=0)
    unpriced = shell.configuration
    unpriced.write_text(
        unpriced.read_text().replace("openai:", "my-llm:").replace("'}", "', speaks: openai}")
    )
    unpriced.write_text(unpriced.read_text().replace("gpt-4o:", "other-model:"))
    home = shell.environment["FAREBOX_HOME"]
    with_my_llm = (
        "import os\nos.environ['OPENAI_BASE_URL'] = os.environ['OPENAI_BASE_URL'].replace('openai','my-llm')"
    )
    done = shell.farebox("run", "--", sys.executable, "-c", with_my_llm + CALL.format(models=("gpt-4o",)))
    assert "1 call unpriced" in done.stderr
    shown = shell.farebox("today").stdout
    assert "≥ $0.00139 · 1 call unpriced" in shown
    assert shell.farebox("today", "--fail-over", "5", status=3).stderr.count("without a price") == 1
    assert home in shell.farebox("status").stdout


def test_the_exit_status_and_signals_of_the_command_are_passed_through(shell: Shell) -> None:
    assert shell.farebox("run", "--", "sh", "-c", "exit 7", status=7)
    assert shell.farebox("run", "--", "sh", "-c", "kill -9 $$", status=137)
    assert "not found" in shell.farebox("run", "--", "no-such-program", status=127).stderr
    (shell.folder / "plain").write_text("no program")
    assert "not executable" in shell.farebox("run", "--", "./plain", status=126).stderr


def test_a_command_that_never_started_gets_no_receipt(shell: Shell) -> None:
    done = shell.farebox("run", "--", "no-such-program", status=127)
    assert done.stderr == "farebox: no-such-program: command not found\n"
    assert "no calls seen" in shell.farebox("run", "--", "sh", "-c", "exit 127", status=127).stderr


def test_a_signal_reaches_the_command(shell: Shell) -> None:
    script = "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        [FAREBOX, "run", "--quiet", "--", "sh", "-c", script],
        cwd=shell.folder,
        env=shell.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == "caught\n"
    assert process.returncode == 3


def test_options_after_the_command_are_the_commands(shell: Shell) -> None:
    assert shell.farebox("run", "--quiet", "echo", "--json", "--home", "x").stdout == "--json --home x\n"


def test_only_the_child_sees_the_variables_and_the_users_headers_stay(shell: Shell) -> None:
    done = shell.farebox("run", "--quiet", "env", OPENAI_CUSTOM_HEADERS="X-Mine: 1", FAREBOX_CUSTOMER="acme")
    assert "OPENAI_BASE_URL=http://127.0.0.1:" in done.stdout
    assert "OPENAI_CUSTOM_HEADERS=X-Mine: 1\n" in done.stdout
    assert "x-farebox-customer: acme" in done.stdout


def test_no_key_of_the_child_reaches_an_http_proxy(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as corporate:
        address = f"http://127.0.0.1:{corporate.getsockname()[1]}"
        corporate.setblocking(False)
        proxied = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), address)
        # The private proxy itself keeps off it, too: its upstream here is on this machine.
        done = run_calls(shell, "gpt-4o", **proxied, NO_PROXY="corp.example", no_proxy="corp.example")
        assert "1 call" in done.stderr
        with pytest.raises(BlockingIOError):
            corporate.accept()


def test_tail_follows_calls_as_they_come(shell: Shell) -> None:
    run_calls(shell, "gpt-4o")
    following = subprocess.Popen(
        [FAREBOX, "tail", "-f", "--json"],
        cwd=shell.folder,
        env=shell.environment,
        stdout=subprocess.PIPE,
        text=True,
        # As at a terminal: a background job's children would ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert following.stdout is not None
    assert json.loads(following.stdout.readline())["seq"] == 1
    run_calls(shell, "gpt-4o")
    assert json.loads(following.stdout.readline())["seq"] == 2
    following.send_signal(signal.SIGINT)
    following.communicate(timeout=60)
    assert following.returncode == 130


def test_a_receipt_multiplies_out(shell: Shell) -> None:
    run_calls(shell, "gpt-4o")
    (row,) = shell.rows()
    shown = shell.farebox("explain", row["event_id"]).stdout
    assert "total $0.00139" in shown
    assert "customer's price $0.002085 (× 1.5)" in shown
    assert "user/gpt-4o/ever#input" in shown
    lines = [line for part in row["parts"] for line in part["lines"]]
    assert sum(line["amount_pico"] for line in lines) == row["cost_pico"] == 1_390_000_000


def test_a_wrong_id_gets_suggestions(shell: Shell) -> None:
    run_calls(shell, "gpt-4o")
    (row,) = shell.rows()
    wrong = row["event_id"][:-1] + ("0" if row["event_id"][-1] != "0" else "1")
    assert row["event_id"] in shell.farebox("explain", wrong, status=1).stderr


def test_the_key_is_nowhere_in_the_state_directory(shell: Shell) -> None:
    run_calls(shell, "gpt-4o")
    files = [path for path in shell.home.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"sk-secret-canary" in path.read_bytes()]


def test_every_listing_speaks_json(shell: Shell) -> None:
    run_calls(shell, "gpt-4o")
    today = json.loads(shell.farebox("today", "--json").stdout)
    assert (today["schema"], today["totals"]["cost_usd"], today["totals"]["complete"]) == (
        "farebox.summary/1", "0.00139", True,
    )  # fmt: skip
    by = json.loads(shell.farebox("by", "app,model", "--json").stdout)
    assert by["groups"][0]["keys"] == {"app": Path(sys.executable).name, "model": "gpt-4o-2024-08-06"}
    assert json.loads(shell.farebox("tail", "--json").stdout)["schema"] == "farebox.call/1"
    assert json.loads(shell.farebox("status", "--json").stdout)["calls"] == 1
    assert json.loads(shell.farebox("prices", "show", "gpt-4o", "--json").stdout)["prices"]
    assert shell.farebox("verify").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("tody",), 64, 'did you mean "today"'),
        (("by", "modl"), 64, 'did you mean "model"'),
        (("today", "--since", "soon"), 64, "not a moment"),
        (("today", "--tz", "Europe/Berln"), 64, "Europe/Berlin"),
        (("today", "--sinc", "7d"), 64, "--since"),
        (("prices", "show", "no-such-model"), 1, "unpriced"),
        (("up", "--config", "nowhere.yaml"), 78, "No such file"),
        (("open",), 69, "farebox up"),
        (("run",), 64, "farebox run --"),
    ],
)
def test_a_mistake_is_told_in_a_line_with_a_status(
    shell: Shell, arguments: tuple[str, ...], status: int, told: str
) -> None:
    done = shell.farebox(*arguments, status=status)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_configuration_is_refused_with_every_problem(shell: Shell) -> None:
    shell.configuration.write_text("listen: 0.0.0.0:80\npricing:\n  gpt-4o: {per_token: cheap}\n")
    told = shell.farebox("up", status=78).stderr
    assert "farebox.yaml:1: listen" in told
    assert "farebox.yaml:3: pricing.gpt-4o" in told


def test_completion_is_printed_and_installed(shell: Shell) -> None:
    assert "fail-over" in shell.farebox("completion", "zsh").stdout
    shell.farebox("completion", "fish", "--install", XDG_CONFIG_HOME=str(shell.folder))
    assert (shell.folder / "fish" / "completions" / "farebox.fish").is_file()


def test_up_prints_where_it_listens_and_what_passes_is_counted(shell: Shell, daemon: Daemon) -> None:
    assert "?link=" in daemon.printed
    ask(daemon.base_url)
    assert until(shell, "today", "--json", calls=1)["totals"]["cost_usd"] == "0.00139"
    assert "is already running" in shell.farebox("up", status=75).stderr
    assert daemon.stop() == 0
    processes = json.loads(shell.farebox("status", "--json").stdout)["processes"]
    assert not [process for process in processes if process["running"]]


def test_a_run_beside_a_daemon_is_seen_by_both(shell: Shell, daemon: Daemon) -> None:
    done = run_calls(shell, "gpt-4o")
    assert "1 call" in done.stderr
    ask(daemon.base_url)
    assert until(shell, "today", "--json", calls=2)["totals"]["calls"] == 2


def test_restart_fails_no_request(shell: Shell, daemon: Daemon) -> None:
    restarting = subprocess.Popen(
        [FAREBOX, "restart"], cwd=shell.folder, env=shell.environment, stdout=subprocess.PIPE, text=True
    )
    asked = 0
    while restarting.poll() is None:
        ask(daemon.base_url)
        asked += 1
    assert restarting.communicate()[0].startswith("A new proxy")
    ask(daemon.base_url)
    assert until(shell, "today", "--json", calls=asked + 1)["totals"]["calls"] == asked + 1


def test_a_proxy_that_is_killed_comes_back_on_the_same_port(shell: Shell, daemon: Daemon) -> None:
    ask(daemon.base_url)
    pid = json.loads((shell.home / "run" / "proxy.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    ask(daemon.base_url)
    assert until(shell, "today", "--json", calls=2)["totals"]["calls"] == 2


def test_a_busy_port_is_reported_with_who_holds_it_and_the_next_is_taken(
    shell: Shell, upstream: MockUpstream
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        file = shell.configuration
        file.write_text(file.read_text().replace("listen: 127.0.0.1:0", f"listen: 127.0.0.1:{port}"))
        daemon = Daemon(shell)
        assert f"port {port} is in use by" in daemon.printed
        if sys.platform == "linux":
            assert f"pid {os.getpid()}" in daemon.printed
        assert f":{port}/" not in daemon.base_url
        ask(daemon.base_url)
        assert daemon.stop() == 0


def test_settings_that_are_given_as_flags_reach_every_process(shell: Shell) -> None:
    assert "power" in shell.farebox("config", "show", FAREBOX_DURABILITY="power").stdout
    daemon = Daemon(shell, "--durability", "power")
    try:
        assert health(daemon)["durability"] == "power"
    finally:
        assert daemon.stop() == 0
    daemon = Daemon(shell)  # the negative control
    try:
        assert health(daemon)["durability"] == "process"
    finally:
        assert daemon.stop() == 0


def health(daemon: Daemon) -> dict[str, Any]:
    with urllib.request.urlopen(daemon.base_url.partition("/openai")[0] + "/health", timeout=30) as response:  # noqa: S310
        return json.loads(response.read())


def test_detached_it_stays_until_it_is_stopped(shell: Shell) -> None:
    shown = shell.farebox("up", "--detach").stdout
    try:
        found = re.search(r"OPENAI_BASE_URL=(\S+)", shown)
        assert found is not None
        ask(found[1])
        assert until(shell, "today", "--json", calls=1)["totals"]["calls"] == 1
    finally:
        with contextlib.suppress(AssertionError):
            shell.farebox("stop")
    assert "nothing is running" in shell.farebox("stop").stderr
