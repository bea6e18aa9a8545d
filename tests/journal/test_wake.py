from __future__ import annotations

import threading
import time
from pathlib import Path

from farebox.home import Home
from farebox.journal.wake import Sleeper, Waker, wake_path
from farebox.journal.writer import JournalWriter


def test_whoever_stores_a_record_wakes_the_ledger(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    sleeper = Sleeper(home.journal)
    writer = JournalWriter(home.journal)
    woken = threading.Event()
    thread = threading.Thread(target=lambda: (sleeper.sleep(600), woken.set()))
    thread.start()
    writer.append(1, b"record")
    assert woken.wait(120)
    thread.join()
    writer.close()
    sleeper.close()
    assert not wake_path(home.journal).exists()


def test_waking_nobody_changes_nothing(tmp_path: Path) -> None:
    waker = Waker(tmp_path / "journal")
    waker.wake()
    waker.close()
    waker.wake()
    waker.close()


def test_a_home_too_deep_for_a_socket_is_only_looked_at_more_often(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    sleeper = Sleeper(deep / "journal")
    assert not sleeper.is_listening
    began = time.monotonic()
    sleeper.sleep(0.01)
    assert time.monotonic() - began >= 0.009
    sleeper.wake()
    sleeper.close()


def test_a_socket_left_behind_by_a_dead_ledger_is_taken_over(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    wake_path(home.journal).write_bytes(b"")
    sleeper = Sleeper(home.journal)
    assert sleeper.is_listening
    sleeper.wake()
    sleeper.sleep(600)
    sleeper.close()
