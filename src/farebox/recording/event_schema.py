"""The public event's fields: one flat JSON object, documented for whoever writes it by hand.

The OpenAPI document is made of this. What an event means as a record is in `events.py`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from farebox.journal.records import Outcome
from farebox.recording.stated_usage import COUNT_MAX
from farebox.wire.facts import Completeness

EventType = Literal["call", "outcome", "score", "loss"]

ID_MAX = 256
VALUE_MAX = 256
NAME_MAX = 68
"""`tag.` and 64 characters."""

_Id = Annotated[str, Meta(min_length=1, max_length=ID_MAX)]
_Value = Annotated[str, Meta(max_length=VALUE_MAX)]
_Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
_Word = Annotated[str, Meta(max_length=256)]
_Count = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
_LossCount = Annotated[int, Meta(ge=0, le=10**12)]
"""Losses are added up in 64 bits: no report may fill them."""
_Provider = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$(?!\n)", examples=["openai", "anthropic"])
]
_Time = Annotated[str, Meta(max_length=40, examples=["2026-11-29T08:30:00.125Z"])]


class EventPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One priced piece of a call. Most calls have one; compaction and turns are pieces of their own."""

    provider: Annotated[str, Meta(description="Whose prices apply.", max_length=256)] = ""
    request_model: Annotated[_Word | None, Meta(description="The model that was asked for.")] = None
    response_model: Annotated[_Word | None, Meta(description="The model that responded.")] = None
    kind: Annotated[str, Meta(description="`main`, or the provider's own word.", max_length=256)] = "main"
    usage: Annotated[
        dict[_Name, int | Decimal],
        Meta(
            description="Leaf quantities: `input_uncached`, `cache_read`, `output_text` … Exclusive: "
            "adding them never counts a token twice. Fractions (seconds, pages) are decimal text."
        ),
    ] = {}
    facts: Annotated[
        dict[_Name, _Word],
        Meta(description="What else moves the price, in the provider's values: `service_tier`, `region` …"),
    ] = {}
    provider_cost_usd: Annotated[
        Decimal | None, Meta(description="Money the provider itself stated, USD, decimal text.")
    ] = None


class Excerpt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What request and response of a call say about its usage, and nothing of what was said in them.

    It is read as the proxy reads a call; whoever sends it only leaves out, and reads nothing.
    """

    request: Annotated[
        str,
        Meta(
            description="The request's JSON: model, streaming, limits. Text that is charged by its length is "
            '`{"@length": 120}`, in characters.'
        ),
    ] = ""
    headers: Annotated[
        dict[_Word, _Word],
        Meta(description="Headers of the response: `content-type`, request ids, counts of tokens."),
    ] = {}
    response: Annotated[
        str,
        Meta(description="The response's body in its own framing: JSON, server-sent events, or JSON lines."),
    ] = ""
    response_base64: Annotated[
        str, Meta(description="The same where it is binary, an AWS event stream, in base64.")
    ] = ""


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A call to a model, what came of the work, how good it was, or what a sender could not keep."""

    id: Annotated[
        _Id,
        Meta(
            description="Which event it is, for ever, among those of its `source`. A UUID, or any text. The "
            "same id with the same content is one event however often it is sent; with other content it "
            "is a conflict."
        ),
    ]
    source: Annotated[
        str,
        Meta(
            description="The program that wrote it first, one name per machine and program. Where it is not "
            "given, the token that sends it.",
            max_length=256,
        ),
    ] = ""
    type: Annotated[EventType, Meta(description="What it is.")] = "call"
    time: Annotated[
        _Time | None,
        Meta(
            description="When it happened, RFC 3339 with an offset, up to nine digits of a second. When it "
            "is received where it is not given."
        ),
    ] = None

    # Whose it is.
    customer: Annotated[_Value | None, Meta(description="Who pays for it.")] = None
    user: Annotated[_Value | None, Meta(description="Which of the customer's users.")] = None
    agent: Annotated[_Value | None, Meta(description="Which agent or program part.")] = None
    session: Annotated[_Value | None, Meta(description="Which conversation.")] = None
    task: Annotated[_Value | None, Meta(description="Which piece of work.")] = None
    project: Annotated[_Value | None, Meta(description="Which project.")] = None
    app: Annotated[_Value | None, Meta(description="Which application.")] = None
    step: Annotated[_Value | None, Meta(description="Which step of an agent.")] = None
    parent_step: Annotated[_Value | None, Meta(description="The step around it.")] = None
    tags: Annotated[
        dict[str, _Value], Meta(description="Your own dimensions. Names fold to lower case.")
    ] = {}
    attribution: Annotated[
        dict[str, _Value], Meta(description="Any other dimension: `process.pid`, `call`, `trace` …")
    ] = {}
    attribution_from: Annotated[
        dict[str, _Value],
        Meta(
            description="For a dimension (a tag as `tag.NAME`), what said so. A collector believes "
            "nothing here that its token does not prove."
        ),
    ] = {}

    # A call.
    provider: Annotated[_Provider | None, Meta(description="Who was called. Every call has one.")] = None
    model: Annotated[
        _Word | None,
        Meta(description="The model, where the one asked for is the one that responded."),
    ] = None
    request_model: Annotated[_Word | None, Meta(description="The model that was asked for.")] = None
    response_model: Annotated[_Word | None, Meta(description="The model that responded.")] = None
    usage: Annotated[
        dict[str, Any],
        Meta(
            description="What was used: quantities (`input_uncached`, `cache_read`, `output_text` …), or "
            "the provider's own usage object as its API returned it."
        ),
    ] = {}
    parts: Annotated[
        tuple[EventPart, ...], Meta(description="What was used, piece by piece; instead of `usage`.")
    ] = ()
    excerpt: Annotated[
        Excerpt | None,
        Meta(
            description="What request and response say about usage, for senders that do not read it "
            "themselves; instead of `usage` and `parts`."
        ),
    ] = None
    completeness: Annotated[
        Completeness | None,
        Meta(description="How much of the usage is known; `final` where usage is given, else `none`."),
    ] = None
    reason: Annotated[str | None, Meta(description="Why it is not `final`, as a slug.")] = None
    billable: Annotated[bool, Meta(description="Whether the provider charges for it.")] = True
    not_billable_because: Annotated[str | None, Meta(description="Why not, as a slug.")] = None
    response_id: Annotated[
        _Word | None, Meta(description="The provider's id of the response: joins what several witnesses saw.")
    ] = None
    request_id: Annotated[
        _Word | None, Meta(description="The provider's id of the request, where it is another one.")
    ] = None
    streamed: Annotated[bool, Meta(description="The response came as a stream.")] = False
    max_tokens: Annotated[_Count | None, Meta(description="How many output tokens the request allowed.")] = (
        None
    )
    outcome: Annotated[
        Outcome, Meta(description="How it ended; `unknown` where the writer died before it could say.")
    ] = "completed"
    status: Annotated[int, Meta(description="The HTTP status; 0 where none is known.", ge=0, le=999)] = 0
    error_class: Annotated[_Word | None, Meta(description="`rate_limited`, `upstream_5xx` …")] = None
    error_code: Annotated[
        _Word | None, Meta(description="The provider's error type or code. Never its message.")
    ] = None
    ended_at: Annotated[
        _Time | None, Meta(description="When it was over; `time` and `total_us` where it is not given.")
    ] = None
    total_us: Annotated[_Count, Meta(description="From start to end, microseconds.")] = 0
    first_byte_us: Annotated[_Count, Meta(description="From start to the first byte, microseconds.")] = 0
    added_us: Annotated[_Count, Meta(description="Time that metering itself took, microseconds.")] = 0
    request_bytes: Annotated[_Count, Meta(description="The request's body, bytes.")] = 0
    response_bytes: Annotated[_Count, Meta(description="The response's body, bytes.")] = 0
    surface: Annotated[
        _Word | None,
        Meta(description="`<family>.<endpoint>`: `openai.chat`; without it the provider's default."),
    ] = None
    method: Annotated[_Word, Meta(description="The HTTP method.")] = "POST"
    path: Annotated[str, Meta(description="The path without its query: a query can hold a key.")] = ""
    host: Annotated[_Word, Meta(description="Where the request went.")] = ""
    key_fingerprint: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$(?!\n)")] | None,
        Meta(description="A keyed hash of the API key, 16 hexadecimal digits. Never a key."),
    ] = None
    attempt: Annotated[_Count, Meta(description="Which retry it was, 0 for the first try.")] = 0
    raw_usage: Annotated[
        Annotated[str, Meta(max_length=65536)] | None,
        Meta(description="The provider's usage object verbatim, JSON text."),
    ] = None
    flags: Annotated[tuple[_Word, ...], Meta(description="Oddities worth showing.")] = ()
    lacks: Annotated[
        tuple[_Word, ...], Meta(description="Sides charged and not known: `input`, `output`, `more_output`.")
    ] = ()

    # An outcome, or a score.
    name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=128)] | None,
        Meta(description="What was achieved, or measured. Every outcome and score has one."),
    ] = None
    value: Annotated[
        int | Decimal | None, Meta(description="A number or decimal text, in whatever unit it has.")
    ] = None

    # A loss: what a sender's full spool refused, since its last report. Each has an id, and counts once.
    records: Annotated[_LossCount, Meta(description="Of a loss: records refused.")] = 0
    exchanges: Annotated[_LossCount, Meta(description="Of a loss: how many of them were ends of calls.")] = 0
    lost_bytes: Annotated[_Count, Meta(description="Of a loss: their size.")] = 0

    # About the event itself.
    witness: Annotated[
        str,
        Meta(
            description="What kind of witness saw it: `sdk`, `event`, `otlp`, `agent_log`, `import` …",
            pattern=r"^[a-z][a-z0-9_-]{0,31}$(?!\n)",
        ),
    ] = "event"
    passed_on: Annotated[
        bool,
        Meta(description="The id went with the request: a Farebox on the way records it, too."),
    ] = False
    payload_sha256: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")] | None,
        Meta(
            description="The digest of what the id's owner said, hexadecimal; made of the event without it."
        ),
    ] = None
