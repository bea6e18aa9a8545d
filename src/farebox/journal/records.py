"""What writers put into a journal: MessagePack arrays, one struct a record type.

Fields are identified by position: a new one goes to the end of `Intent`, `Done` …, never into `Origin`,
and has a default.

An exchange is an `Intent` (before the first upstream byte), any number of `Partial`s and one
`Done`. `Done` repeats what identifies the exchange, so a row can be made of it alone. Requests to the
ledger and later findings are records, too: `Rerate` and `Erase` from the command line.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from farebox.wire.facts import Extraction

INTENT, PARTIAL, DONE, MARK, RERATE, ESTIMATE, ERASE, OUTCOME, SCORE = 1, 2, 3, 4, 5, 6, 7, 8, 9
"""Record types as stored in a record's header."""

IMPORTED = "imported"
"""The attribution of a call that was read from a history: which one, as `claude-code` or `csv`.

Such a call uses up no budget and fires no alert, unless a witness that is no history saw it as well.
"""
HISTORIES = frozenset(("agent_log", "import"))
"""Kinds of witness that may say so: of others it is ignored, whoever sent a header of that name."""

Outcome = Literal[
    "completed",  # the response reached its end and was passed on
    "client_disconnected",  # the client left first
    "upstream_failed",  # connect, TLS, reset, malformed or premature end upstream
    "timed_out",  # one of our own limits, after the upstream was contacted
    "refused",  # the proxy responded itself; the upstream received nothing
    "unknown",  # the writer died before it could record the outcome
]


class Origin(msgspec.Struct, kw_only=True, array_like=True):
    """What identifies an exchange, known before the upstream is contacted."""

    event_id: bytes
    """16 bytes, UUIDv7, made at the source."""
    source: str
    """The writer that saw the exchange: `proxy:<writer id>`."""
    witness: str = "proxy"
    occurred_at_ns: int
    provider: str
    surface: str
    """`<family>.<endpoint>`: `openai.chat`, `anthropic.messages`, `my-llm.other` …"""
    method: str = "POST"
    path: str = ""
    """The upstream path without its query: a query can hold a key."""
    host: str = ""
    key_fingerprint: str | None = None
    """Keyed hash of the API key (16 hex digits); None when the request carried none."""
    attribution: dict[str, str] = {}
    """`customer`, `user`, `agent`, `session`, `task`, `app`, `project`, `tag.<name>` …"""
    attribution_from: dict[str, str] = {}
    """For each attribution key, which source won: `header:x-farebox-user`, `body:user` …"""
    attempt: int = 0
    """The SDK's own retry count, 0 for a first try."""


class Held(msgspec.Struct, array_like=True, frozen=True):
    """What budgets hold for a call."""

    cost_pico: int
    """In INTENT the worst case that was reserved; in DONE what counted when the call ended."""
    charge_pico: int
    """The same of what its customer is charged."""
    holder: int
    """The number of the participant that holds it: made of its journal's writer id."""
    accounts: tuple[int, ...]
    """The keys of the budgets' accounts it is held in."""


class Intent(Origin, kw_only=True, array_like=True):
    """Written before the first upstream byte."""

    held: Held | None = None
    """None where no budget covers the call."""


class Partial(msgspec.Struct, kw_only=True, array_like=True):
    """What is known so far of a long stream, at most every 5 s."""

    event_id: bytes
    at_ns: int
    extraction: Extraction


class Done(Origin, kw_only=True, array_like=True):
    """Written before the last byte is released to the client."""

    ended_at_ns: int
    outcome: Outcome
    status: int = 0
    """The HTTP status the client was sent; 0 when none was."""
    error_class: str | None = None
    """`rate_limited`, `upstream_5xx`, `connect_failed`, `tls_failed`, `policy:<rule>` …"""
    request_bytes: int = 0
    response_bytes: int = 0
    first_byte_us: int = 0
    """Request received to first response byte, microseconds."""
    total_us: int = 0
    added_us: int = 0
    """Time spent inside the proxy itself, waiting excluded, microseconds, where known."""
    extraction: Extraction = Extraction()
    max_tokens: int | None = None
    """How many output tokens the request allowed the response to have, where it said so."""
    event_id_text: str | None = None
    """The id that somebody else gave the event, where it is no UUID: `event_id` is made of it."""
    payload_sha256: bytes | None = None
    """What somebody else said of the event, for an event with an id of theirs: the same id with other
    content is a conflict."""
    request_id: str | None = None
    """The provider's id of the request, where it is not the response's id as well."""
    passed_on: bool = False
    """The event id went with the request: the SDK sent it to a Farebox, or the proxy took it over."""
    held: Held | None = None
    """None where no budget covered the call."""


class Result(msgspec.Struct, kw_only=True, array_like=True):
    """What came of the work (OUTCOME), or how good it was (SCORE): no cost of its own."""

    event_id: bytes
    source: str
    occurred_at_ns: int
    name: str
    value: str | None = None
    """Decimal text."""
    attribution: dict[str, str] = {}
    attribution_from: dict[str, str] = {}
    event_id_text: str | None = None
    payload_sha256: bytes | None = None


class Mark(msgspec.Struct, kw_only=True, array_like=True):
    """Something the writer wants on record: a clock jump, a gap, lost records."""

    at_ns: int
    kind: str
    """`clock_jump`, `gap`, `lost`."""
    detail: dict[str, str | int] = {}


class Rerate(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A request to rate calls of the ledger anew, by the prices in force when it is applied."""

    at_ns: int
    seqs: list[int]
    """The calls, by their number in the ledger: those whose difference was shown."""
    snapshot: str
    """The digest of the prices the difference was shown with; by others nothing is done."""
    priced_too: bool = False
    """Also calls that have a price already; else only those that are unpriced when it is applied."""


class Erase(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A request to erase personal values of the ledger."""

    at_ns: int
    personal: list[int]
    """Their numbers: so no journal holds the values again."""


class Estimate(msgspec.Struct, kw_only=True, array_like=True):
    """What an exchange without usage may have used: by the estimator, after its end.

    Ranges are lower bound, best guess and upper bound in tokens (None: no upper bound); None for a side
    that was not estimated.
    """

    event_id: bytes
    source: str
    """The writer that saw the exchange."""
    at_ns: int
    method: str
    """`tokenizer:<vocabulary>` or `text:<family>`."""
    input: tuple[int, int, int | None] | None = None
    output: tuple[int, int, int | None] | None = None


encode = msgspec.msgpack.Encoder().encode
_MARK_ID = bytes(range(0xF0, 0x100))
_NOTHING = encode(None)


def spelled(intent: Intent) -> tuple[bytes, bytes, bytes]:
    """Return what of an encoded origin is the same for many exchanges, so that it is encoded once.

    Between the three pieces stand, after an `event_id`: `occurred_at_ns` in 8 bytes, and the two dicts of the
    attribution.
    """
    values = [encode(getattr(intent, name)) for name in Origin.__struct_fields__]
    before, between = values[1:_OCCURRED], values[_OCCURRED + 1 : _ATTRIBUTION]
    return b"".join((*before, _UINT64)), b"".join(between), b"".join(values[_ATTRIBUTION + 2 :])


_UINT64 = b"\xcf"
"""What MessagePack puts before an integer of 8 bytes."""
_OCCURRED = Origin.__struct_fields__.index("occurred_at_ns")
_ATTRIBUTION = Origin.__struct_fields__.index("attribution")


def _head(record: Intent | Done) -> bytes:
    """Return what stands before a record's `event_id`."""
    return encode(msgspec.structs.replace(record, event_id=_MARK_ID)).partition(_MARK_ID)[0]


_nobody: dict[str, Any] = {"event_id": b"", "source": "", "occurred_at_ns": 0, "provider": "", "surface": ""}
_INTENT_HEAD = _head(Intent(**_nobody))
_DONE_HEAD = _head(Done(**_nobody, ended_at_ns=0, outcome="unknown"))


def intent_record(origin: bytes, held: Held | None = None) -> bytes:
    """Return an encoded `Intent` of encoded origin fields."""
    return b"".join((_INTENT_HEAD, origin, _NOTHING if held is None else encode(held)))


def done_record(origin: bytes, rest: tuple[Any, ...]) -> bytes:
    """Return an encoded `Done` of encoded origin fields and the values of `DONE_FIELDS`."""
    return b"".join((_DONE_HEAD, origin, encode(rest)[_REST_HEAD_BYTES:]))


DONE_FIELDS = Done.__struct_fields__[len(Origin.__struct_fields__) :]
"""What a `Done` has beyond its origin."""
_REST_HEAD_BYTES = 1 if len(DONE_FIELDS) < 16 else 3
"""How long MessagePack's head of an array of so many values is."""

decode_intent = msgspec.msgpack.Decoder(Intent).decode
decode_partial = msgspec.msgpack.Decoder(Partial).decode
decode_done = msgspec.msgpack.Decoder(Done).decode
decode_result = msgspec.msgpack.Decoder(Result).decode
decode_mark = msgspec.msgpack.Decoder(Mark).decode
decode_estimate = msgspec.msgpack.Decoder(Estimate).decode
decode_rerate = msgspec.msgpack.Decoder(Rerate).decode
decode_erase = msgspec.msgpack.Decoder(Erase).decode
