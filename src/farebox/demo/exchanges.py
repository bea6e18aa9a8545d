"""One made-up call as the records that a proxy writes of it: a beginning and an end."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import msgspec

from farebox.clock import uuid_text
from farebox.demo.company import Model, Program
from farebox.journal.records import Done, Intent, Outcome, Partial, Result
from farebox.recording.error_class import error_class_of
from farebox.recording.logical_calls import SOURCE as RETRY_SOURCE
from farebox.wire.facts import Extraction, Part, Quantity

SOURCE = "proxy:demo"
MS = 1_000_000


class Tokens(msgspec.Struct, frozen=True):
    """What a call uses."""

    uncached: int = 0
    cached: int = 0
    written_5m: int = 0
    written_1h: int = 0
    output: int = 0
    """Reasoning left out."""
    reasoning: int = 0
    searches: int = 0

    @property
    def input(self) -> int:
        return self.uncached + self.cached + self.written_5m + self.written_1h


class Call(msgspec.Struct):
    """One attempt."""

    id: bytes
    began_ns: int
    took_ns: int
    program: Program
    model: Model
    tokens: Tokens
    whose: Mapping[str, str]
    sources: Mapping[str, str]
    key: str
    first_byte_ns: int = 0
    status: int = 200
    error_code: str | None = None
    is_cut: bool = False
    """The client left in the middle of the response."""
    streamed: bool = True
    max_tokens: int | None = None
    attempt: int = 0
    first_id: bytes = b""
    """Of a retry: which attempt began it."""

    @property
    def ended_ns(self) -> int:
        return self.began_ns + self.took_ns


class Said(msgspec.Struct):
    """What came of the work (an outcome), or how good it was (a score)."""

    id: bytes
    ended_ns: int
    name: str
    value: str | None
    whose: Mapping[str, str]
    is_score: bool = False


Work = Call | Said


def event_id(moment_ns: int, rng: random.Random) -> bytes:
    """Return a UUIDv7 for a moment, whose random part a seed decides."""
    tail = bytearray(rng.randbytes(10))
    tail[0] = 0x70 | tail[0] & 0x0F
    tail[2] = 0x80 | tail[2] & 0x3F
    return (moment_ns // MS).to_bytes(6, "big") + bytes(tail)


def intent_of(call: Call) -> Intent:
    """Return what is written before the upstream is contacted."""
    return Intent(**_origin(call))


def partial_of(call: Call) -> Partial:
    """Return what is written when a stream has begun: its input is known, and a token of its output."""
    tokens = msgspec.structs.replace(call.tokens, output=1, reasoning=0)
    found = _extraction(msgspec.structs.replace(call, tokens=tokens, is_cut=True))
    return Partial(event_id=call.id, at_ns=call.began_ns + call.first_byte_ns, extraction=found)


def done_of(call: Call) -> Done:
    """Return what is written when a call is over."""
    outcome: Outcome = "client_disconnected" if call.is_cut else "completed"
    failed = call.status >= 400
    return Done(
        **_origin(call),
        ended_at_ns=call.ended_ns,
        outcome=outcome,
        status=call.status,
        error_class=error_class_of(call.status),
        request_bytes=620 + 4 * call.tokens.input,
        response_bytes=180 if failed else 420 + _bytes_per_token(call) * call.tokens.output,
        first_byte_us=call.first_byte_ns // 1000,
        total_us=call.took_ns // 1000,
        added_us=95 + call.id[9],
        extraction=_extraction(call),
        max_tokens=call.max_tokens,
    )


def result_of(said: Said) -> Result:
    """Return the record of an outcome or a score."""
    return Result(
        event_id=said.id,
        source=SOURCE,
        occurred_at_ns=said.ended_ns,
        name=said.name,
        value=said.value,
        attribution=dict(said.whose),
        attribution_from=dict.fromkeys(said.whose, "sdk:attribute"),
    )


def _bytes_per_token(call: Call) -> int:
    """Return how long a token's piece of the response is: an event of its own in a stream."""
    return 120 if call.streamed else 5


def _origin(call: Call) -> dict[str, Any]:
    whose, sources = dict(call.whose), dict(call.sources)
    if call.first_id:
        whose["call"] = call.first_id.hex()
        sources["call"] = RETRY_SOURCE
    return {
        "event_id": call.id,
        "source": SOURCE,
        "occurred_at_ns": call.began_ns,
        "provider": call.model.provider,
        "surface": call.model.surface,
        "path": call.model.path,
        "host": call.model.host,
        "key_fingerprint": call.key,
        "attribution": whose,
        "attribution_from": sources,
        "attempt": call.attempt,
    }


def _extraction(call: Call) -> Extraction:
    model = call.model
    if call.status >= 400:
        return Extraction(
            billable=False,
            not_billable_because="error_response",
            request_model=model.name,
            error_code=call.error_code,
        )
    usage = usage_of(model, call.tokens)
    part = Part(
        provider=model.provider,
        request_model=model.name,
        response_model=model.name,
        quantities=quantities_of(model, call.tokens),
    )
    return Extraction(
        parts=(part,),
        completeness="partial" if call.is_cut else "final",
        reason="client_disconnected" if call.is_cut else None,
        lacks=("more_output",) if call.is_cut else (),
        response_id=_RESPONSE_IDS[model.usage] + uuid_text(call.id).replace("-", "")[8:],
        request_model=model.name,
        response_model=model.name,
        streamed=call.streamed,
        raw_usage=msgspec.json.encode(usage).decode(),
    )


_RESPONSE_IDS = {"anthropic": "msg_", "openai": "chatcmpl-", "embeddings": "embd-", "google": "gen-"}


def quantities_of(model: Model, tokens: Tokens) -> dict[str, Quantity]:
    """Return quantities as the extractor reads them out of `usage_of`."""
    found: dict[str, Quantity] = {"input_uncached": tokens.uncached}
    if model.usage == "embeddings":
        return found
    found |= {"cache_read": tokens.cached, "output_text": tokens.output}
    if model.usage == "anthropic":
        found |= {"cache_write_5m": tokens.written_5m, "cache_write_1h": tokens.written_1h}
        if tokens.searches:
            found["calls_web_search"] = tokens.searches
    else:
        found["output_reasoning"] = tokens.reasoning
    return found


def usage_of(model: Model, tokens: Tokens) -> dict[str, object]:
    """Return the usage object of a response, as its provider spells it."""
    if model.usage == "anthropic":
        found: dict[str, object] = {
            "input_tokens": tokens.uncached,
            "cache_creation_input_tokens": tokens.written_5m + tokens.written_1h,
            "cache_read_input_tokens": tokens.cached,
            "cache_creation": {
                "ephemeral_5m_input_tokens": tokens.written_5m,
                "ephemeral_1h_input_tokens": tokens.written_1h,
            },
            "output_tokens": tokens.output,
        }
        if tokens.searches:
            found["server_tool_use"] = {"web_search_requests": tokens.searches}
        return found
    if model.usage == "google":
        return {
            "promptTokenCount": tokens.uncached + tokens.cached,
            "cachedContentTokenCount": tokens.cached,
            "candidatesTokenCount": tokens.output,
            "thoughtsTokenCount": tokens.reasoning,
            "totalTokenCount": tokens.input + tokens.output + tokens.reasoning,
        }
    whole = tokens.uncached + tokens.cached
    if model.usage == "embeddings":
        return {"prompt_tokens": whole, "total_tokens": whole}
    return {
        "prompt_tokens": whole,
        "completion_tokens": tokens.output + tokens.reasoning,
        "total_tokens": whole + tokens.output + tokens.reasoning,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }
