"""Read the hand-written fixtures of the catalog and feed them to the meter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import yaml
from tests.pricing.price_books import ns
from tests.wire import frames

from farebox import catalog
from farebox.catalog import Catalog
from farebox.pricing.book import PriceBook
from farebox.pricing.facts import RatedPart
from farebox.wire.facts import Extraction
from farebox.wire.meter import Meter
from farebox.wire.session import SessionMeter

FOLDER = Path(catalog.__file__).parent
FILES = sorted(FOLDER.glob("*/fixtures/*.yaml"))
NAMES = [f"{file.parent.parent.name}/{file.stem}" for file in FILES]
_CATALOG = catalog.load()
_IMPORTED = "2026-11-28"
"""A day on which every price of the imported lists is in force."""


@dataclass(frozen=True)
class Fixture:
    """One exchange as its file describes it, and what must come of it."""

    provider: str
    method: str
    path: str
    request: bytes
    request_type: str
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    expect: dict[str, Any]
    messages: tuple[tuple[bool, bytes], ...] = ()
    """A session's messages instead of a body: whether the client sent it, and its text."""
    cost: dict[str, str | None] | None = None
    """What all parts cost together: `usd`, null where there is no price, by the prices `at` a day."""


def read(file: Path) -> Fixture:
    raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    body = _body(raw)
    if raw.get("line_ends") == "crlf":
        body = body.replace(b"\n", b"\r\n")
    request = (raw.get("request") or "").encode()
    request_type = raw.get("request_type", "application/json")
    if request_type.startswith("multipart"):
        request = request.replace(b"\n", b"\r\n")
    return Fixture(
        provider=file.parent.parent.name,
        method=raw["method"],
        path=raw["path"],
        request=request,
        request_type=request_type,
        status=raw.get("status", 101),
        headers=tuple((name.encode(), value.encode()) for name, value in raw.get("headers", {}).items()),
        body=body,
        expect=raw["expect"],
        cost=raw.get("cost"),
        messages=tuple(
            ("sent" in entry, (entry.get("sent") or entry["received"]).encode())
            for entry in raw.get("messages", ())
        ),
    )


def _body(raw: dict[str, Any]) -> bytes:
    """Return a body as it is written, or made of the events or messages that are listed."""
    if "events" in raw:
        return b"".join(
            frames.event(entry["name"], entry["payload"].encode(), kind=entry.get("kind", "event"))
            for entry in raw["events"]
        )
    if "protobuf" in raw:
        return b"".join(frames.grpc(frames.protobuf(message)) for message in raw["protobuf"])
    return raw.get("body", "").encode()


def meter(
    fixture: Fixture, pieces: Iterable[bytes], outcome: str = "completed", *, loaded: Catalog = _CATALOG
) -> Extraction:
    """Return the extraction of a fixture whose body arrives in `pieces`."""
    provider = loaded.provider(fixture.provider)
    assert provider is not None
    path, _, query = fixture.path.partition("?")
    endpoint = provider.endpoint(fixture.method, path)
    if fixture.messages:
        session = SessionMeter(endpoint, path, query, [])
        for sent, text in fixture.messages:
            session.message(text, sent=sent)
        return session.finish(outcome)
    metered = Meter(endpoint, path, query, [(b"content-type", fixture.request_type.encode())])
    metered.request_body(fixture.request)
    metered.request_end()
    metered.response_head(fixture.status, fixture.headers)
    for piece in pieces:
        metered.response_body(piece)
    return metered.finish(outcome)


def rated(extraction: Extraction, book: PriceBook, at: str = _IMPORTED) -> list[RatedPart]:
    """Return an extraction's parts in money, by the prices at the beginning of a day."""
    return [
        book.rate(
            part,
            occurred_at_ns=ns(at),
            completeness=extraction.completeness,
            billable=extraction.billable,
        )
        for part in extraction.parts
    ]


def surface(fixture: Fixture) -> str:
    provider = _CATALOG.provider(fixture.provider)
    assert provider is not None
    return provider.endpoint(fixture.method, fixture.path).surface


def told(extraction: Extraction, expect: dict[str, Any]) -> dict[str, Any]:
    """Return what the extraction says about everything `expect` mentions, in its words."""
    found: dict[str, Any] = {}
    for name, wanted in expect.items():
        if name == "surface":
            continue
        if name == "parts":
            found[name] = [
                {key: _plain(getattr(part, key)) for key in shape}
                for part, shape in zip(extraction.parts, wanted, strict=False)
            ]
            if len(extraction.parts) != len(wanted):
                found[name] = [msgspec.structs.asdict(part) for part in extraction.parts]
        else:
            found[name] = _plain(getattr(extraction, name))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value
