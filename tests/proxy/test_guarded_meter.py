"""A meter that fails ends the metering of its exchange, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from farebox import catalog
from farebox.recording.guarded_meter import GuardedMeter
from farebox.wire.facts import Extraction
from farebox.wire.request import RequestFacts

STEPS = [
    "make",
    "request_body",
    "request_end",
    "response_head",
    "response_body",
    "snapshot",
    "said_all",
    "finish",
]


class FailingMeter:
    """Fails at one step and counts what it is told afterwards."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.told: list[str] = []

    def take(self, step: str) -> None:
        self.told.append(step)
        if step == self.step:
            raise ZeroDivisionError("what a user wrote")

    def request_body(self, data: bytes) -> None:
        self.take("request_body")

    def request_end(self) -> RequestFacts:
        self.take("request_end")
        return RequestFacts(stream=True)

    def response_head(self, status: int, headers: Any) -> None:
        self.take("response_head")

    def response_body(self, data: bytes) -> None:
        self.take("response_body")

    def snapshot(self) -> Extraction:
        self.take("snapshot")
        return Extraction(reason="so_far")

    def said_all(self) -> bool:
        self.take("said_all")
        return True

    def finish(self, outcome: str) -> Extraction:
        self.take("finish")
        return Extraction(reason="finished")


def run(step: str) -> tuple[FailingMeter, Extraction]:
    """Take a whole exchange past a meter that fails at `step`."""
    failing = FailingMeter(step)

    def make(*_: Any) -> FailingMeter:
        failing.take("make")
        return failing

    provider = catalog.load({}).provider("openai")
    assert provider is not None
    meter = GuardedMeter(make, provider.endpoint("POST", "/v1/x", "x"), "/v1/x", "", [])
    meter.request_body(b"{}")
    meter.request_end()
    meter.response_head(200, [])
    meter.response_body(b"{}")
    meter.snapshot()
    meter.said_all()
    return failing, meter.finish("completed")


@pytest.mark.parametrize("step", STEPS)
def test_a_meter_that_fails_anywhere_is_told_no_more_and_its_record_says_why(step: str) -> None:
    failing, found = run(step)
    assert failing.told == STEPS[: STEPS.index(step) + 1]
    assert found == Extraction(reason="meter_failed:ZeroDivisionError")  # and not what the user wrote


def test_a_meter_that_does_not_fail_is_told_everything() -> None:
    failing, found = run("none")
    assert failing.told == STEPS
    assert found.reason == "finished"
