"""What others call things reaches the terminal as visible characters on one line, in every list and table.

Names hold control sequences, a change of the reading direction, line ends and invisible characters. They are
put where calls, customers and settings have names, and every command that lists these prints them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from calls import HOUR, TestLedger, done

from farebox.cli.main import main
from farebox.home import Home
from farebox.plain_text import visible

HOSTILE = "\x1b[31mred\x1b]0;title\x07\x9b2Jgnp\u202e.exe\u2066\u200b\u2028\r\nforged\x1b[1A"
MARK = "gnp"
"""What shows that such a name was printed at all."""
MONTH = time.strftime("%Y-%m-01", time.gmtime(time.time() - 40 * 86_400))

CLI = Callable[..., tuple[int, str]]
SETTINGS: tuple[tuple[str, ...], ...] = (
    ("budget", "set", "all", "--limit", "2", "--period", "day", "--user", HOSTILE, "--tag", f"x={HOSTILE}"),
    ("alerts", "set", "jump", "--anomaly", "cost", "--customer", HOSTILE),
    ("stop-session", HOSTILE, "--reason", HOSTILE),
    ("customers", "set", "acme", "--name", HOSTILE, "--tax-id", HOSTILE, "--address", HOSTILE),
    ("customers", "map", "acme", "--user", HOSTILE),
    ("subscriptions", "start", "acme", "pro", "--at", MONTH),
    ("wallets", "grant", "acme", "100", "--note", HOSTILE),
    ("coupons", "give", "acme", HOSTILE, "--percent", "10"),
    ("add-ons", "give", "acme", HOSTILE, "5.00"),
    ("payees", "set", "ada", "--name", HOSTILE),
    ("keys", "label", "0123456789abcdef", HOSTILE),
)  # fmt: skip
LISTS: tuple[tuple[str, ...], ...] = (
    ("month", "--since", "7d"),
    ("by", "model,session,key", "--since", "7d"),
    ("by", "provider,error_class,tag.feature", "--since", "7d"),
    ("tail",),
    ("session", HOSTILE),
    ("explain", "{call}"),
    ("explain", "{failed}"),
    ("budget", "list"),
    ("budget", "show", "all"),
    ("alerts", "list"),
    ("alerts", "show", "jump"),
    ("stops", "list"),
    ("customers", "list"),
    ("customers", "show", "acme"),
    ("invoices", "preview", "acme"),
    ("wallets", "show", "acme"),
    ("coupons", "list"),
    ("add-ons", "list"),
    ("payees", "list"),
    ("keys", "list"),
    ("prices", "show", HOSTILE),
    ("by", "user", "--since", "7d", "--json"),
)
PLANS = """\
plans:
  pro:
    base: "20.00"
    charges: [{name: Output, meter: cost, markup_percent: "20", shares: {ada: "30"}}]
"""


@pytest.fixture
def cli(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CLI:
    home = Home(tmp_path / "home")
    home.prepare()
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["farebox", *arguments, "--home", str(home.path)])
        status = main()
        captured = capfd.readouterr()
        return status, captured.out + captured.err

    return run


def test_no_name_reaches_the_terminal_as_it_is(cli: CLI, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    ledger = TestLedger(home)
    names = ["app", "user", "session", "customer", "agent", "task", "project", "branch", "step"]
    names += ["tag.feature", "process.command", "process.pid"]
    whose = dict.fromkeys(names, HOSTILE)
    now = time.time_ns()
    priced = done(
        now - HOUR, model=HOSTILE, provider=HOSTILE, surface=HOSTILE, key=HOSTILE, attribution=whose
    )
    failed = done(
        now - 2 * HOUR, model="unheard-of", status=500, outcome="upstream_failed", error_class=HOSTILE,
        attribution=whose | {HOSTILE: HOSTILE, f"tag.{HOSTILE}": HOSTILE},
    )  # fmt: skip
    ledger.append(priced, failed)
    ledger.connection.close()
    plans = tmp_path / "plans.yaml"
    plans.write_text(PLANS)

    leaks: list[str] = []
    silent: list[str] = []
    for words in (("plans", "apply", str(plans)), *SETTINGS, *LISTS):
        given = [
            {"{call}": priced.event_id.hex(), "{failed}": failed.event_id.hex()}.get(each, each)
            for each in words
        ]
        status, shown = cli(*given)
        command = " ".join(words[:3]).encode("unicode_escape").decode()
        assert status in (0, 1), (command, shown)
        leaks += [
            f"{command}: {line!r}"
            for line in shown.split("\n")
            if visible(line) != line or line.startswith("forged")
        ]
        if words in LISTS and MARK not in shown:
            silent.append(command)
    assert not leaks, "\n".join(leaks)
    assert silent == [], "\n".join(silent)
