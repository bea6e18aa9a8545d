"""What waits on the sending machine is shown there, program by program."""

from __future__ import annotations

from pathlib import Path

import pytest
from collectors import FakeCollector
from spooling import BEGAN_NS, SOURCE, URL, Spooling

from farebox.analytics.query import Measures
from farebox.cli.daemon.status import render, spool_line
from farebox.cli.reports.json_shapes import StatusAnswer
from farebox.journal.records import MARK, Mark, encode
from farebox.sdk.shipping import spool_status
from farebox.sdk.shipping.collector_client import Verdict
from farebox.sdk.shipping.spool_status import ProgramSpool, spools
from farebox.server.api.coverage.recording import Recording


def shown(found: list[ProgramSpool]) -> str:
    answer = StatusAnswer(
        version="1",
        home="/h",
        config=None,
        processes=[],
        calls=0,
        last_call_at=None,
        health={},
        recording=Recording(state="ok"),
        spools=found,
    )
    return render(answer, Measures())


def test_what_waits_for_a_collector_that_is_down_is_counted_exactly(spooling: Spooling) -> None:
    spooling.collector.down = True
    for _ in range(7):
        spooling.call()
    spooling.call(ends=False)
    spooling.outcome("lead.qualified")
    spooling.step()
    (found,) = spools(spooling.home)
    assert (found.program, found.collector) == (SOURCE, URL)
    assert (found.waiting, found.counted_all, found.acknowledged_at) == (8, True, None)
    assert found.waiting_bytes == spooling.spool.count() > 0
    assert found.trouble == "down"
    told = shown([found])
    assert f"spool of {SOURCE} for {URL}: 8 events waiting" in told
    assert "nothing acknowledged yet" in told
    assert f"! {SOURCE} cannot send: down" in told


def test_what_was_acknowledged_does_not_wait_and_its_moment_is_shown(spooling: Spooling) -> None:
    for _ in range(150):
        spooling.call()
    spooling.send_all()
    spooling.call()
    spooling.writer.store_waiting()
    (found,) = spools(spooling.home)
    assert (found.waiting, found.refused, found.trouble) == (1, 0, None)
    assert found.acknowledged_at is not None
    assert BEGAN_NS <= found.acknowledged_at <= spooling.clock.now_ns()
    assert "cannot send" not in shown([found])


class Refusing(FakeCollector):
    def send(self, events: object) -> list[Verdict]:
        return [Verdict("conflict", "id", "another content") for _ in events]  # type: ignore[attr-defined]


def test_what_the_collector_refused_is_counted_over_all_processes_of_a_program(spooling: Spooling) -> None:
    other = Spooling(spooling.home, Refusing())
    for each in (spooling, other):
        each.shipper._sender = Refusing()  # pyright: ignore[reportPrivateUsage]
        each.call()
        each.send_all()
    other.close()
    (found,) = spools(spooling.home)
    assert (found.refused, found.waiting) == (2, 0)
    assert "2 refused" in spool_line(found)


def test_programs_are_shown_apart_and_one_that_never_sent_by_its_folder(spooling: Spooling) -> None:
    spooling.call()
    spooling.send_all()
    other = Spooling(spooling.home, FakeCollector(), source="sdk:test:other")
    other.call()
    other.writer.store_waiting()
    found = {each.program: each.waiting for each in spools(spooling.home)}
    assert found == {SOURCE: 0, other.spool.program: 1}
    other.close()


def test_a_spool_that_is_too_long_to_count_says_so(
    spooling: Spooling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_status, "EVENTS_COUNTED_MAX", 3)
    spooling.collector.down = True
    for _ in range(4):
        spooling.call()
    spooling.step()
    (found,) = spools(spooling.home)
    assert (found.waiting, found.counted_all) == (3, False)
    assert "more than 3 events waiting" in spool_line(found)


def test_records_that_a_full_spool_refused_are_shown_until_the_collector_is_told(spooling: Spooling) -> None:
    lost: dict[str, str | int] = {"records": 7, "exchanges": 3, "bytes": 100}
    spooling.writer.append(MARK, encode(Mark(at_ns=spooling.clock.now_ns(), kind="lost", detail=lost)))
    found = spools(spooling.home)
    assert [each.lost for each in found] == [7]
    assert "refused 7 records" in shown(found)
    spooling.send_all()
    assert spooling.collector.of("loss")[0]["records"] == 7
    assert [each.lost for each in spools(spooling.home)] == [0]


def test_a_machine_without_remote_mode_has_no_spools(tmp_path: Path) -> None:
    assert spools(tmp_path) == []
