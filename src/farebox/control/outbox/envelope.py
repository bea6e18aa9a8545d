"""A message before it is stored, and what is known of a receiver: shared by both ways to enqueue.

No database is imported here: the ledger process enqueues without SQLAlchemy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from farebox.channels.news import PLAIN_TEST
from farebox.channels.settings import Form, MailSettings
from farebox.channels.usage.usage_settings import UsageSettings
from farebox.clock import iso, uuid7, uuid_text
from farebox.errors import MessageRefusedError

PAYLOAD_BYTES_MAX = 64 << 10
DEDUPE_CHARACTERS_MAX = 200
EVERYTHING = "*"
TEST_KIND = PLAIN_TEST
"""Goes to the receiver that is tested, whatever it subscribed to."""

USAGE_KIND = "usage.events"
"""Goes to an export of usage, and to nobody else."""

_KIND = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")


class ReceiverSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the owner said of a receiver, as it is stored. The secret is a reference."""

    url: str = ""
    """Empty where the form has none, or where it is the secret."""
    address: str | None = None
    """Where the URL's host really is, for one that has a private address."""
    kinds: tuple[str, ...] = (EVERYTHING,)
    secret: dict[str, str] = {}
    """`{"env": NAME}` or `{"file": PATH}`; `{"made": NAME}`: in the home's `webhooks/`; `{"config": NAME}`:
    as text in its `farebox.yaml`. Of a form whose URL is the secret, the URL."""
    form: Form = "webhook"
    token: dict[str, str] = {}
    """A second secret, of ntfy."""
    mail: MailSettings | None = None
    usage: UsageSettings | None = None
    """Of an export of usage: then it is told nothing else, and `form` does not count."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One message. Its payload is sent byte for byte at each attempt."""

    id: str
    kind: str
    dedupe_key: str | None
    payload: str
    created_at: int
    cause: str


def envelope(
    kind: str,
    data: Mapping[str, Any],
    now_ns: int,
    *,
    cause: str,
    dedupe_key: str | None = None,
    occurred_ns: int | None = None,
) -> Envelope:
    """Return a message of a kind such as `prices.updated`.

    Raises:
        MessageRefusedError: It is too large, or its kind or key is malformed.
    """
    if not _KIND.fullmatch(kind):
        raise MessageRefusedError(f"{kind!r} is no kind of message: words and dots, as prices.updated")
    if dedupe_key is not None and not 0 < len(dedupe_key) <= DEDUPE_CHARACTERS_MAX:
        raise MessageRefusedError(f"a dedupe key has 1 to {DEDUPE_CHARACTERS_MAX} characters")
    occurred = iso(now_ns if occurred_ns is None else occurred_ns)
    payload = msgspec.json.encode({"type": kind, "timestamp": occurred, "data": data})
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise MessageRefusedError(
            f"a message of {len(payload):,} bytes is too large: {PAYLOAD_BYTES_MAX:,} are sent at most"
        )
    return Envelope(
        id=uuid_text(uuid7(now_ns)),
        kind=kind,
        dedupe_key=dedupe_key,
        payload=payload.decode(),
        created_at=now_ns,
        cause=cause,
    )


def settings(configured: str | None, commanded: str | None) -> ReceiverSettings | None:
    """Return what is in force for a receiver: the file's word, then the command's; None for a removed one."""
    said = configured if configured is not None else commanded
    return None if said is None else msgspec.json.decode(said, type=ReceiverSettings)


def wants(kinds: Sequence[str], kind: str) -> bool:
    """Return whether a receiver of these kinds and groups of kinds gets a message."""
    return any(
        each in (EVERYTHING, kind) or (each.endswith(".*") and kind.startswith(each[:-1])) for each in kinds
    )
