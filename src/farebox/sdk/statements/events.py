"""What a program states by itself, as records: an identity of its own or ours, a moment, whose it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from farebox.clock import now_ns, uuid7, uuid_text
from farebox.errors import UsageError
from farebox.money import INT64_MAX
from farebox.recording.attribution_merge import Attribution, merged
from farebox.sdk import attribution
from farebox.sdk.process_meter import ProcessMeter
from farebox.wire.keys import without_keys

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_ID_MAX = 256
_FIRST_NS = 946_684_800 * 1_000_000_000
"""The beginning of 2000: seconds or milliseconds that were taken for nanoseconds are before it."""
_canonical = msgspec.msgpack.Encoder(order="deterministic", enc_hook=str).encode


class Identity(NamedTuple):
    """Which event it is."""

    event_id: bytes
    text: str | None
    """The id as it was given, where it is no UUID."""
    payload_sha256: bytes | None
    """Of what was said, where the program gave the id: the same id with other content is a conflict."""
    shown: str


def identity(source: str, event_id: str | None, said: object) -> Identity:
    """Return an event's identity; `said` is what the same event would say again.

    Raises:
        UsageError: The id is empty, too long, or an API key, which would be written down.
    """
    if event_id is None:
        fresh = uuid7()
        return Identity(fresh, None, None, uuid_text(fresh))
    text = str(event_id).strip()
    if not 0 < len(text) <= _ID_MAX:
        raise UsageError(f"an event id has 1 to {_ID_MAX} characters")
    if without_keys(text) != text:
        raise UsageError("the event id looks like an API key")
    payload = hashlib.sha256(_canonical(said)).digest()
    if _UUID.fullmatch(text):
        return Identity(bytes.fromhex(text.replace("-", "")), None, payload, text)
    made = hashlib.sha256(source.encode() + b"\0" + text.encode()).digest()[:16]
    return Identity(made, text, payload, text)


def moment_ns(occurred_at: datetime | int | None) -> int:
    """Return when an event was, in nanoseconds; now where nobody says.

    Raises:
        UsageError: It has no time zone, or is no moment at which there were models to call.
    """
    if occurred_at is None:
        return now_ns()
    if isinstance(occurred_at, int):
        moment = occurred_at
    else:
        if occurred_at.tzinfo is None:
            raise UsageError("occurred_at needs a time zone: datetime.now(UTC)")
        moment = int(Decimal(str(occurred_at.timestamp())) * 1_000_000) * 1000
    if not _FIRST_NS <= moment <= INT64_MAX:
        raise UsageError(
            f"occurred_at is a time between 2000 and 2262, as a datetime or in nanoseconds since 1970, "
            f"not {occurred_at!r}"
        )
    return moment


def whose(meter: ProcessMeter, names: Mapping[str, object], tags: Mapping[str, object] | None) -> Attribution:
    """Return whose an event is: what is said with it, before what is said around it."""
    said = attribution.stated(names, tags, "sdk:event")
    around = attribution.current()
    return merged(meter.below, around, said) if said[0] else _around(meter.below, around)


_last: tuple[Attribution, Attribution, Attribution] | None = None


def _around(below: Attribution, around: Attribution) -> Attribution:
    global _last
    found = _last  # once: another thread may put its own there at any moment
    if found is None or found[0] is not below or found[1] is not around:
        found = _last = below, around, merged(below, around)
    return found[2]


def decimal_text(value: Any, what: str) -> str | None:
    """Return a number as the record has it: plain decimal text.

    Raises:
        UsageError: It is no number.
    """
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or abs(number.adjusted()) > 30:
        raise UsageError(f"{what} is a number, not {value!r}")
    return f"{number:f}"
