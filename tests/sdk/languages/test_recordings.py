"""Every SDK finds in the same recordings what the proxy finds in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from sending import CATALOG, LANGUAGES, Call, calls_of, send, sender_of
from tests.catalog import fixtures

from farebox.journal.records import Done
from farebox.wire.facts import Extraction
from replaying.direct import extract
from replaying.recordings import load
from upstream import Reply


@pytest.fixture(params=LANGUAGES)
def sender(request: pytest.FixtureRequest) -> Sequence[str]:
    return sender_of(request)


def own_calls() -> tuple[list[str], list[Call]]:
    """The catalog's own fixtures that are a request and its response."""
    names: list[str] = []
    calls: list[Call] = []
    for name, file in zip(fixtures.NAMES, fixtures.FILES, strict=True):
        fixture = fixtures.read(file)
        if fixture.method != "POST" or fixture.messages or b"grpc" in dict(fixture.headers)[b"content-type"]:
            continue
        reply = Reply(fixture.status, fixture.headers, fixture.body)
        headers = {"content-type": fixture.request_type}
        names.append(name)
        calls.append(
            Call(fixture.provider, "POST", fixture.path, headers, fixture.request, reply, fixture.body)
        )
    return names, calls


def plain(found: Extraction) -> Extraction:
    """What has to be the same: all but the spelling of the provider's usage object."""
    return msgspec.structs.replace(found, raw_usage=None)


def test_what_the_catalogs_fixtures_use_is_found(sender: Sequence[str], tmp_path: Path) -> None:
    names, calls = own_calls()
    assert len(calls) > 100
    recorded = send(sender, tmp_path / "home", calls)
    different: dict[str, tuple[Extraction, Extraction]] = {}
    for number, name in enumerate(names):
        (done,) = recorded[number]
        fixture = fixtures.read(fixtures.FILES[fixtures.NAMES.index(name)])
        wanted = fixtures.meter(fixture, [fixture.body])
        if plain(done.extraction) != plain(wanted):
            different[name] = done.extraction, wanted
    assert different == {}


def test_what_the_recordings_use_is_found(sender: Sequence[str], recordings: Path, tmp_path: Path) -> None:
    chosen = [each for each in load(recordings) if each.plain_http and each.method == "POST"]
    recorded = send(sender, tmp_path / "home", calls_of(chosen))
    wrong: dict[str, object] = {}
    for number, recording in enumerate(chosen):
        (done,) = recorded[number]
        wanted = extract(CATALOG, recording, 1)
        if usage_of(done) != (wanted.parts, wanted.completeness, wanted.billable, wanted.streamed):
            wrong[recording.id] = done.extraction, wanted
    assert wrong == {}


def usage_of(done: Done) -> tuple[object, ...]:
    found = done.extraction
    return found.parts, found.completeness, found.billable, found.streamed
