"""From the text of one event to the record that says it, or to what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from farebox.catalog import Catalog, Endpoint
from farebox.ingest.limits import IngestLimits
from farebox.ingest.trust import Sender
from farebox.journal.format import PAYLOAD_BYTES_MAX
from farebox.journal.records import DONE, MARK, OUTCOME, SCORE, encode
from farebox.recording.event_schema import Event, Excerpt
from farebox.recording.events import (
    content_digest,
    decode_event,
    done_of,
    event_key,
    loss_of,
    result_of,
)
from farebox.recording.excerpted import Excerpted, read_excerpt
from farebox.recording.invalid_event import EventInvalidError
from farebox.recording.stated_usage import endpoint_of, stated_usage
from farebox.wire.facts import Extraction
from farebox.wire.keys import without_keys

_WIRE = frozenset(("proxy", "mitm", "ebpf"))
"""Kinds of witness whose word stands above that of others: none of them sends events."""
_AT = re.compile(r" - at `(?:key in )?\$?\.?(.*)`$")
_NAMED = re.compile(r"field `([^`]*)`")
_ENDPOINTS_MAX = 256


class ReadEvent(NamedTuple):
    """An event that makes sense."""

    id: str
    key: tuple[bytes, str]
    """Its id in 16 bytes, and its source."""
    digest: bytes
    """Of its content."""
    record_type: int
    record: bytes


class EventReader:
    """Reads events by one catalog and one set of limits."""

    def __init__(self, catalog: Catalog, limits: IngestLimits, secret: bytes) -> None:
        """`secret` is the installation's."""
        self._secret = secret
        self._catalog = catalog
        self._limits = limits
        self._endpoints: dict[str, Endpoint] = {}

    def read(
        self, text: bytes, sender: Sender, now_ns: int, flat: Callable[[bytes], bytes] | None = None
    ) -> ReadEvent:
        """Return an event as a record; `flat` makes its flat form where it has another one.

        Raises:
            EventInvalidError: It makes no sense, or is over a limit.
        """
        if len(text) > self._limits.item_bytes_max:
            raise EventInvalidError("", f"an event has at most {self._limits.item_bytes_max} bytes")
        try:
            event = decode_event(text if flat is None else flat(text))
            return self._record(event, sender, now_ns)
        except EventInvalidError as error:
            raise EventInvalidError(without_keys(error.field), without_keys(error.reason)) from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _explained(str(error)) from None
        except RecursionError:
            raise EventInvalidError("", "it is nested too deep") from None

    def _record(self, event: Event, sender: Sender, now_ns: int) -> ReadEvent:
        if event.witness in _WIRE:
            raise EventInvalidError("witness", f"{event.witness} is a witness that sends no events")
        source = sender.recorded_source(event.source, self._secret)
        digest = content_digest(event)
        if sender.binding:
            digest = sha256(digest + msgspec.json.encode(sorted(sender.binding.items()))).digest()
        if event.type == "loss":
            record: Any = loss_of(event, source=source, received_ns=now_ns)
            record.detail["payload_sha256"] = digest.hex()
            kind, key = MARK, event_key(source, event.id)[0]
        elif event.type == "call":
            record = done_of(
                event,
                source=source,
                received_ns=now_ns,
                read_usage=self._usage,
                read_excerpt=self._excerpt,
            )
            kind, key = DONE, record.event_id
            self._check_age(record.occurred_at_ns, now_ns)
            self._check_age(record.ended_at_ns, now_ns, "total_us" if event.ended_at is None else "ended_at")
        else:
            record = result_of(event, source=source, received_ns=now_ns)
            kind, key = OUTCOME if event.type == "outcome" else SCORE, record.event_id
            self._check_age(record.occurred_at_ns, now_ns)
        if kind != MARK:
            record.attribution, record.attribution_from = sender.prove(
                record.attribution, record.attribution_from
            )
            record.payload_sha256 = digest
            if len(record.attribution) > self._limits.dimensions_max:
                raise EventInvalidError(
                    "tags", f"an event has at most {self._limits.dimensions_max} dimensions"
                )
        payload = encode(record)
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise EventInvalidError("", f"its record would have {len(payload)} bytes of {PAYLOAD_BYTES_MAX}")
        return ReadEvent(event.id, (key, source), digest, kind, payload)

    def _check_age(self, moment_ns: int, now_ns: int, field: str = "time") -> None:
        ago_s = (now_ns - moment_ns) // 1_000_000_000
        if ago_s > self._limits.age_s_max:
            raise EventInvalidError(field, f"more than {self._limits.age_s_max} s ago")
        if -ago_s > self._limits.ahead_s_max:
            raise EventInvalidError(field, f"more than {self._limits.ahead_s_max} s ahead")

    def _usage(self, provider: str, model: str, usage: Mapping[str, Any]) -> tuple[str, Extraction]:
        endpoint = self._endpoints.get(provider)
        if endpoint is None:
            if len(self._endpoints) >= _ENDPOINTS_MAX:
                self._endpoints.clear()
            endpoint = self._endpoints[provider] = endpoint_of(self._catalog, provider)
        return endpoint.surface, stated_usage(endpoint, model, usage) if usage else Extraction()

    def _excerpt(self, event: Event, excerpt: Excerpt) -> Excerpted:
        provider = event.provider or ""
        known = self._catalog.provider(provider)
        if known is None:
            endpoint = endpoint_of(self._catalog, provider)
        else:
            host = event.host.partition(":")[0]
            endpoint = known.endpoint(event.method.upper(), event.path, host, remember=False)
        return read_excerpt(endpoint, event, excerpt)


def id_of(text: bytes) -> str | None:
    """Return the id of an event that is invalid, where it can be read."""
    try:
        found = _decode_id(text).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return None if found is None else without_keys(found[:256])


class _Id(msgspec.Struct):
    id: str | None = None


_decode_id = msgspec.json.Decoder(_Id).decode


def _explained(message: str) -> EventInvalidError:
    """Return what a parser says as a field and a reason."""
    at = _AT.search(message)
    field, reason = (at[1], message[: at.start()]) if at else ("", message)
    named = _NAMED.search(reason)
    if named is not None:
        field = f"{field}.{named[1]}" if field else named[1]
    return EventInvalidError(without_keys(field[:128]), without_keys(reason[:256]))
