"""The examples of the guide."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from taken_in import Door, statuses

from farebox.clock import now_ns
from farebox.ingest.limits import IngestLimits
from farebox.recording.events import moment_text

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "collector.md").read_text(encoding="utf-8")


def test_every_event_of_the_guide_is_accepted(door: Door) -> None:
    texts = re.findall(r"```json event\n(.*?)```", GUIDE, re.DOTALL)
    texts += re.findall(r"-d '\n(.*?)'\n", GUIDE, re.DOTALL)
    assert len(texts) == 5
    for text in texts:
        event = {**msgspec.json.decode(text), "time": moment_text(now_ns())}
        assert statuses(door.send(event)) == ["accepted"], text


def test_the_limits_of_the_guide_are_those_in_force() -> None:
    (shown,) = re.findall(r'"limits": (\{.*?\})', GUIDE, re.DOTALL)
    assert msgspec.json.decode(shown, type=IngestLimits) == IngestLimits()
