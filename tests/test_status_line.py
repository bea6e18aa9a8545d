"""`farebox statusline`: true whatever runs and however old the file is, and as quick as an interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from farebox import status_line
from farebox.home import locate
from farebox.status_line import Figures, decode, encode, words

NOW = 1_780_000_000
MAIN = "import sys; from farebox.cli.main import main; sys.exit(main())"


def figures(**more: object) -> Figures:
    said: dict[str, object] = {
        "pid": os.getpid(),
        "written_s": NOW,
        "day_ends_s": NOW + 3_600,
        "clock": "14:02",
        "stamp": "Nov 28 14:02",
        "amount": "$1.23",
        "per_hour": "$0.12",
        "sessions": {"s-1": "≥ $0.2345"},
    }
    return Figures(**(said | more))  # type: ignore[arg-type]


def test_a_file_says_what_was_written() -> None:
    found = decode(encode(figures(sessions={"a b\tc": "$1", "": "$2"})))
    assert found is not None
    assert (found.amount, found.per_hour, found.pid) == ("$1.23", "$0.12", os.getpid())
    assert found.sessions == {"a b c": "$1", "": "$2"}


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"2\t1\t2\t3\ta\tb\nc\td\n", b"\xff\xfe", encode(figures())[:30]],
    ids=["empty", "short", "another version", "no text", "cut"],
)
def test_a_damaged_file_or_one_of_another_version_says_nothing(content: bytes) -> None:
    assert decode(content) is None


def test_fresh_figures_are_of_today() -> None:
    assert words(figures(), None, NOW, server_runs=True) == "$1.23 today · $0.12/h"
    assert words(figures(), "s-1", NOW, server_runs=True) == "≥ $0.2345 session · $1.23 today · $0.12/h"
    assert words(figures(per_hour=""), "other", NOW, server_runs=True) == "$1.23 today"


def test_old_figures_say_of_when_they_are() -> None:
    old = NOW + status_line.OLD_S + 1
    assert words(figures(), None, old, server_runs=True) == "$1.23 by 14:02"
    assert words(figures(), None, NOW + 4_000, server_runs=True) == "$1.23 by Nov 28 14:02"
    assert words(figures(), None, NOW - 4_000, server_runs=True) == "$1.23 by 14:02", "the clock was put back"
    soon = figures(day_ends_s=NOW + 5)
    assert words(soon, None, NOW + 5, server_runs=True) == "$1.23 by Nov 28 14:02", "another day has begun"


def test_where_nothing_runs_the_line_says_so() -> None:
    assert words(None, None, NOW, server_runs=False) == "farebox: not running"
    assert words(None, None, NOW, server_runs=True) == "farebox: no figures yet"
    assert words(figures(), "s-1", NOW, server_runs=False) == (
        "≥ $0.2345 session · $1.23 by 14:02 · farebox: not running"
    )


def test_the_home_is_the_one_that_every_command_uses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAREBOX_HOME", "~/somewhere")
    assert status_line.default_home() == str(locate().path)
    monkeypatch.delenv("FAREBOX_HOME")
    assert status_line.default_home() == str(locate().path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert status_line.default_home() == str(locate().path)


def test_only_a_home_is_understood_before_anything_is_loaded(tmp_path: Path) -> None:
    assert status_line.home_of(["--home", str(tmp_path)]) == str(tmp_path)
    assert status_line.home_of([]) == status_line.default_home()
    for more in (["--json"], ["--help"], ["--setup", "tmux"], ["--home"]):
        assert status_line.home_of(more) is None


def printed(home: Path, said: str = "", *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-c", MAIN, "statusline", "--home", str(home)]
    return subprocess.run(command, input=said, capture_output=True, text=True, check=True)


def test_the_session_is_taken_from_what_claude_code_says(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    import time

    now = int(time.time())
    (run / "status.line").write_bytes(encode(figures(written_s=now, day_ends_s=now + 3_600)))
    said = json.dumps({"hook_event_name": "Status", "session_id": "s-1", "model": {"id": "claude"}}, indent=1)
    assert printed(tmp_path, said).stdout == "≥ $0.2345 session · $1.23 today · $0.12/h\n"
    assert printed(tmp_path, "no JSON").stdout == "$1.23 today · $0.12/h\n"
    assert (run / "status.asked").exists()


def test_nothing_is_made_where_there_is_no_home(tmp_path: Path) -> None:
    assert printed(tmp_path / "none").stdout == "farebox: not running\n"
    assert not (tmp_path / "none").exists()


def test_next_to_nothing_is_loaded_for_it(tmp_path: Path) -> None:
    def loaded(text: str) -> set[str]:
        return {
            line.rpartition("|")[2].strip() for line in text.splitlines() if line.startswith("import time:")
        }

    bare = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "pass"], capture_output=True, text=True, check=True
    )
    more = loaded(printed(tmp_path, "", "-X", "importtime").stderr) - loaded(bare.stderr)
    assert more <= {
        "farebox",
        "farebox.cli",
        "farebox.cli.main",
        "farebox.status_line",
        "__future__",
        "select",
    }
