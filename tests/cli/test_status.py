"""What `farebox status` says is amiss."""

from __future__ import annotations

from farebox.cli.answers import StatusAnswer
from farebox.cli.status import render
from farebox.ledger.rows import Measures
from farebox.server.recording import Recording


def shown(recording: Recording) -> str:
    answer = StatusAnswer(
        version="1",
        home="/h",
        config=None,
        processes=[],
        calls=0,
        last_call_at=None,
        health={},
        recording=recording,
    )
    return render(answer, Measures())


def test_a_proxy_that_does_not_record_is_told() -> None:
    told = shown(Recording(state="lost", reason="no space left", lost_exchanges=2))
    assert "! the proxy does not record: no space left (2 calls lost since it started)" in told
    assert "record:" not in shown(Recording(state="ok"))
