"""What commands publish at their start, where no server does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from farebox.cli.publication import publish_home
from farebox.config import KeyConfig
from farebox.control import keys, publish
from farebox.control.publish import change
from farebox.home import Home
from farebox.snapshot import read_snapshot

BUDGET = 'budgets:\n  - {name: daily, limit: "%s", period: day}\n'


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    found = Home(tmp_path_factory.mktemp("state") / "home")
    found.prepare()
    return found


def limits(home: Home) -> list[int]:
    return [each.limit_pico // 10**12 for each in read_snapshot(home).budgets]


def test_each_edit_of_the_file_is_published_at_the_next_start(home: Home) -> None:
    for limit in range(1, 30):
        home.config.write_text(BUDGET % limit)
        publish_home(home)
        assert limits(home) == [limit]
    home.config.unlink()
    publish_home(home)
    assert limits(home) == []


def test_an_older_file_that_is_moved_into_place_is_published(home: Home) -> None:
    home.config.write_text(BUDGET % 1)
    publish_home(home)
    other = home.path / "other.yaml"
    other.write_text(BUDGET % 2)
    os.utime(other, (1, 1))
    other.replace(home.config)
    publish_home(home)
    assert limits(home) == [2]


def test_what_is_published_already_is_not_read_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with change(home) as connection:
        keys.label(connection, "0" * 16, KeyConfig(label="backend"), 1)
    home.config.write_text(BUDGET % 1)
    publish_home(home)
    later = home.snapshot.stat().st_mtime_ns + 10**9
    monkeypatch.setattr(publish, "now_ns", lambda: later)
    publish_home(home)
    monkeypatch.setattr(publish, "publish", lambda *_: pytest.fail("it has been published"))
    publish_home(home)
    home.snapshot.write_bytes(home.snapshot.read_bytes()[:-5])
    with pytest.raises(pytest.fail.Exception):
        publish_home(home)


def test_where_there_is_nothing_to_publish_nothing_is_written(home: Home) -> None:
    publish_home(home)
    assert not home.snapshot.exists() and not home.control.exists()


def test_the_files_budgets_reach_a_run_that_no_server_stands_beside(home: Home) -> None:
    home.config.write_text(BUDGET % 7)
    command = [sys.executable, "-m", "farebox.cli", "run", "--no-intercept", "--", "true"]
    subprocess.run(command, check=True, env={**os.environ, "FAREBOX_HOME": str(home.path)}, timeout=60)
    assert limits(home) == [7]
