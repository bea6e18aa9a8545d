"""Events that programs in other languages left in the home's `spool/`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from farebox.cli.doctor.checks import check_spool
from farebox.clock import now_ns
from farebox.config import Config
from farebox.home import Home
from farebox.ingest import spool as spool_module
from farebox.ingest.spool import LocalSpool
from farebox.ledger import catch_up
from farebox.ledger.calls import LedgerReader
from farebox.recording.events import moment_text

USAGE = {"prompt_tokens": 900, "completion_tokens": 50}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    (home.path / "spool").mkdir(mode=0o700)
    return home


def event(number: int, **more: Any) -> str:
    return json.dumps(
        {
            "id": f"0199f0d2-7f0e-7000-8000-{number:012d}",
            "source": "node:test",
            "time": moment_text(now_ns()),
            "provider": "openai",
            "model": "gpt-4o",
            "usage": USAGE,
            "customer": "acme",
            "attribution_from": {"customer": "sdk:attribute"},
            **more,
        }
    )


def put(home: Home, name: str, *lines: str) -> Path:
    path = home.path / "spool" / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def ids(home: Home) -> list[int]:
    return sorted(int(call.event_id[-12:]) for call in LedgerReader(home).newest(100))


def names(home: Home) -> list[str]:
    return [path.name for path in (home.path / "spool").iterdir()]


def dead_pid() -> int:
    process = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], stdout=subprocess.PIPE, check=True
    )
    return int(process.stdout)


def test_the_next_command_records_what_the_spool_holds_and_empties_it(home: Home) -> None:
    put(home, "a-1.ndjson", event(1), event(2))
    put(home, "b-1.ndjson", event(3))
    assert catch_up(home, Config()) == 3
    assert ids(home) == [1, 2, 3]
    assert check_spool(home) == []
    assert names(home) == []
    assert LedgerReader(home).health().journal_bytes_pending == 0


def test_what_waits_in_the_spool_is_pending(home: Home) -> None:
    path = put(home, "a-1.ndjson", event(1))
    assert LedgerReader(home).health().journal_bytes_pending == path.stat().st_size


def test_what_a_program_says_of_its_calls_is_stated_and_not_verified(home: Home) -> None:
    put(home, "a-1.ndjson", event(1))
    catch_up(home, Config())
    (call,) = LedgerReader(home).newest(1)
    assert call.attribution["customer"] == "acme"
    assert call.attribution_from["customer"] == "sdk:attribute"


def test_a_file_that_is_read_twice_is_recorded_once(home: Home) -> None:
    text = event(1)
    put(home, "a-1.ndjson", text)
    catch_up(home, Config())
    put(home, "a-1.ndjson", text)  # as after a crash between the journal and the removal
    catch_up(home, Config())
    assert ids(home) == [1]


def test_a_crash_before_the_record_has_it_loses_nothing_and_doubles_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, "a-1.ndjson", event(1))
    first = LocalSpool(home, {}, LedgerReader(home))
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    first.take()
    first.close()
    monkeypatch.undo()
    assert catch_up(home, Config()) == 1
    assert ids(home) == [1]


def test_an_event_that_makes_no_sense_is_kept_apart_with_the_reason(home: Home) -> None:
    put(home, "a-1.ndjson", event(1), event(2, custmer="acme"), '{"id": "cut')
    catch_up(home, Config())
    assert ids(home) == [1]
    (kept,) = (home.path / "spool" / "refused").iterdir()
    reasons = [json.loads(line)["verdict"] for line in kept.read_text().splitlines()]
    assert [each["status"] for each in reasons] == ["invalid", "invalid"]
    assert reasons[0]["field"] == "custmer"
    (check,) = check_spool(home)
    assert not check.ok
    assert check.detail.startswith("2 events")
    assert LedgerReader(home).health().journal_bytes_pending == 0


def test_the_file_of_a_process_that_died_is_taken_and_that_of_a_living_one_is_not(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, f"a-{dead_pid()}.part", event(1))
    put(home, f"b-{os.getpid()}.part", event(2))
    catch_up(home, Config())
    assert ids(home) == []  # a minute has not passed
    monkeypatch.setattr(spool_module, "_DEAD_AFTER_S", 0.0)
    catch_up(home, Config())
    assert ids(home) == [1]
    assert names(home) == [f"b-{os.getpid()}.part"]


def test_a_link_in_the_spool_is_left_alone(home: Home, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.ndjson"
    elsewhere.write_text(event(1) + "\n")
    (home.path / "spool" / "a-1.ndjson").symlink_to(elsewhere)
    assert catch_up(home, Config()) == 0
    assert elsewhere.exists()
