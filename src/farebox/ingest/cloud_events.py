"""CloudEvents 1.0 as the flat form: `subject` is the customer, everything else of ours is in `data`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from farebox.recording.invalid_event import EventInvalidError

TYPE_PREFIX = "farebox."
"""`farebox.call`, `farebox.outcome`, `farebox.score`."""
_IN_THE_ENVELOPE = ("id", "source", "type", "time")


class CloudEvent(msgspec.Struct, kw_only=True):
    """The attributes that mean something here; extensions are passed over."""

    id: str
    source: str
    specversion: str
    type: str
    subject: str | None = None
    time: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")
    data_base64: str | None = None


_decode = msgspec.json.Decoder(CloudEvent).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.encode


def flat_text(text: bytes) -> bytes:
    """Return the flat JSON of a structured CloudEvent.

    Raises:
        EventInvalidError, msgspec.MsgspecError: It is none of ours.
    """
    return _flat(_decode(text))


def flat_text_of_binary(headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bytes:
    """Return the flat JSON of a CloudEvent whose attributes are `ce-` headers and whose body is its data.

    Raises:
        EventInvalidError, msgspec.MsgspecError: It is none of ours.
    """
    attributes: dict[str, Any] = {}
    for name, value in headers:
        if name.startswith(b"ce-"):
            attributes[name[3:].decode("latin-1")] = unquote(value.decode("latin-1"))
    event = msgspec.convert(attributes, CloudEvent)
    return _flat(msgspec.structs.replace(event, data=msgspec.Raw(body or b"{}")))


def _flat(event: CloudEvent) -> bytes:
    if event.specversion != "1.0":
        raise EventInvalidError("specversion", f"expected 1.0, got {event.specversion[:16]!r}")
    if event.data_base64 is not None:
        raise EventInvalidError("data_base64", "the data of an event is JSON")
    if not event.source:
        raise EventInvalidError("source", "a CloudEvent has a source")
    if not event.type.startswith(TYPE_PREFIX):
        raise EventInvalidError(
            "type", f"expected {TYPE_PREFIX}call, {TYPE_PREFIX}outcome or {TYPE_PREFIX}score"
        )
    fields: dict[str, Any] = dict(_decode_fields(event.data))
    for name in _IN_THE_ENVELOPE:
        if name in fields:
            raise EventInvalidError(f"data.{name}", "this belongs into the event's attributes")
    if event.subject is not None:
        fields.setdefault("customer", event.subject)
    fields |= {"id": event.id, "source": event.source, "type": event.type.removeprefix(TYPE_PREFIX)}
    if event.time is not None:
        fields["time"] = event.time
    return _encode(fields)
