"""A call of the record as a span with GenAI names.

https://github.com/open-telemetry/semantic-conventions-genai, and beside them: `gen_ai.usage.cost` as OpenLIT
names it, and `farebox.cost_usd`, which is exact.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from farebox.clock import uuid_bytes
from farebox.ledger.call_row import CallRow
from farebox.money import INT64_MAX
from farebox.telemetry.otlp_out.messages import Attribute, attributes
from farebox.telemetry.protobuf_message import fixed64, integer, message, raw, text

_CLIENT, _ERROR = 3, 2
_TRACE = re.compile(r"[0-9a-f]{32}")
_OPERATIONS = {"embeddings": "embeddings", "completions": "text_completion", "fim": "text_completion"}
"""By the last word of a surface; anything else is `chat`."""
_NAMES = {
    "session": "gen_ai.conversation.id",
    "agent": "gen_ai.agent.name",
    "user": "user.id",
    "customer": "farebox.customer",
    "project": "farebox.project",
    "app": "farebox.app",
    "task": "farebox.task",
    "step": "farebox.step",
}


def span_of(call: CallRow) -> bytes:
    """Return the span of a call, as a message of OTLP."""
    event_id = uuid_bytes(call.event_id)
    trace = call.attribution.get("trace", "")
    start = nanoseconds(call.occurred_at)
    failed = call.status >= 400 or call.outcome not in ("completed", "client_disconnected")
    said = b"".join(
        (
            raw(1, bytes.fromhex(trace) if _TRACE.fullmatch(trace) else event_id),
            raw(2, hashlib.sha256(event_id).digest()[:8]),
            text(5, f"{operation_of(call)} {model_of(call)}".strip()),
            integer(6, _CLIENT),
            fixed64(7, start),
            fixed64(8, min(start + call.total_us * 1000, INT64_MAX)),
            attributes(9, _attributes(call, failed=failed)),
            message(15, integer(3, _ERROR if failed else 0)),
        )
    )
    return message(2, said)


def _attributes(call: CallRow, *, failed: bool) -> dict[str, Attribute | None]:
    known = call.completeness != "none"
    found: dict[str, Attribute | None] = {
        "gen_ai.operation.name": operation_of(call),
        "gen_ai.provider.name": call.provider,
        "gen_ai.request.model": call.request_model,
        "gen_ai.response.model": call.response_model,
        "gen_ai.response.id": call.response_id,
        "gen_ai.request.max_tokens": call.max_tokens,
        "gen_ai.usage.input_tokens": call.input_tokens if known else None,
        "gen_ai.usage.output_tokens": call.output_tokens if known else None,
        "gen_ai.usage.cache_read.input_tokens": call.cache_read_input_tokens or None,
        "gen_ai.usage.cache_creation.input_tokens": call.cache_creation_input_tokens or None,
        "gen_ai.usage.reasoning.output_tokens": call.reasoning_output_tokens or None,
        "gen_ai.usage.cost": float(call.cost_usd) if call.cost_usd is not None else None,
        "gen_ai.response.time_to_first_chunk": call.first_byte_us / 1e6 if call.first_byte_us else None,
        "server.address": call.host,
        "http.response.status_code": call.status or None,
        "error.type": (call.error_class or call.error_code or call.outcome) if failed else None,
        "farebox.call_id": call.event_id,
        "farebox.cost_usd": call.cost_usd,
        "farebox.cost_state": call.cost_state,
        "farebox.completeness": call.completeness,
    }
    for name, value in call.attribution.items():
        if name in _NAMES:
            found[_NAMES[name]] = value
        elif name.startswith("tag."):
            found[f"farebox.{name}"] = value
    return found


def model_of(call: CallRow) -> str:
    """Return the model that responded, else the one that was asked for."""
    return call.response_model or call.request_model or ""


def operation_of(call: CallRow) -> str:
    """Return the operation's name in the conventions."""
    return _OPERATIONS.get(call.surface.rpartition(".")[2], "chat")


def nanoseconds(moment: str) -> int:
    """Return a moment of the record, RFC 3339 in UTC, as nanoseconds since 1970."""
    found = datetime.fromisoformat(moment)
    return int(found.timestamp()) * 10**9 + found.microsecond * 1000
