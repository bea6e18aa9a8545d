"""Feed recordings to the meter itself, without a proxy: for quick looks."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from farebox.catalog import Catalog, Provider
from farebox.wire.facts import Extraction
from farebox.wire.meter import Meter
from farebox.wire.session import SessionMeter
from replaying.recordings import Recording

SPEAKERS = ("openai", "anthropic", "google", "cohere", "ollama", "huggingface")
"""Catalog providers whose formats a host outside the catalog may speak, tried in this order."""


def speaker(catalog: Catalog, method: str, path: str) -> str:
    """Return the provider whose formats a path looks like, for hosts the catalog does not know."""
    bare = path.partition("?")[0]
    stated = [
        (name, endpoint)
        for name in SPEAKERS
        if (provider := catalog.provider(name)) is not None
        and (endpoint := provider.endpoint(method, bare)).unlisted is None
    ]
    metered = [name for name, endpoint in stated if endpoint.metered]
    return (metered or [name for name, _ in stated] or SPEAKERS)[0]


def provider_of(catalog: Catalog, recording: Recording) -> Provider | None:
    """Return the provider at the recording's host, or the provider whose formats its path speaks."""
    known = catalog.by_host(recording.host)
    return known or catalog.provider(speaker(catalog, recording.method, recording.path))


def pieces(body: bytes, rng: random.Random) -> Iterator[bytes]:
    """Yield a body in pieces of random sizes, tiny ones among them."""
    position = 0
    while position < len(body):
        size = rng.choice((1, 2, 7, 64, 300, 1500, 8000, 65000))
        yield body[position : position + size]
        position += size


def extract(catalog: Catalog, recording: Recording, seed: int) -> Extraction:
    """Return what the meter makes of a recording, split at random."""
    provider = provider_of(catalog, recording)
    assert provider is not None
    path, _, query = recording.path.partition("?")
    if recording.transport == "websocket":
        endpoint = provider.endpoint("GET", path)
        return _session(SessionMeter(endpoint, path, query, _raw(recording.request_headers)), recording)
    meter = Meter(provider.endpoint(recording.method, path), path, query, _raw(recording.request_headers))
    rng = random.Random(f"{seed}:{recording.id}")
    for piece in pieces(recording.request_body, rng):
        meter.request_body(piece)
    meter.request_end()
    meter.response_head(recording.status, _raw(recording.response_headers))
    for piece in pieces(recording.response_body, rng):
        meter.response_body(piece)
    return meter.finish("completed")


def _session(meter: SessionMeter, recording: Recording) -> Extraction:
    """Return what a session meter makes of a recorded socket: one message a line, both directions."""
    for line in recording.response_body.splitlines():
        entry = json.loads(line)
        if entry.get("kind") == "message":
            data = entry["data"]
            text = data if isinstance(data, str) else json.dumps(data)
            meter.message(text.encode(), sent=entry["dir"] == "out")
    return meter.finish("completed")


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), str(value).encode()) for name, value in headers.items()]
