"""What an OTLP client is told, in the encoding that it sent.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

import msgspec

from farebox.telemetry.otlp_in.records import Signal
from farebox.telemetry.protobuf_message import integer, message, text

_REJECTED: dict[Signal, str] = {
    "traces": "rejectedSpans",
    "logs": "rejectedLogRecords",
    "metrics": "rejectedDataPoints",
}
_MESSAGE_MAX = 1024


def success(signal: Signal, rejected: int, reasons: list[str], *, as_json: bool) -> bytes:
    """Return the response to a request that was taken; what was rejected is not to be sent again."""
    if not rejected:
        return b"{}" if as_json else b""
    why = "; ".join(dict.fromkeys(reasons))[:_MESSAGE_MAX]
    if as_json:
        return msgspec.json.encode(
            {"partialSuccess": {_REJECTED[signal]: str(rejected), "errorMessage": why}}
        )
    return message(1, integer(1, rejected) + text(2, why))


def refusal(code: int, why: str, *, as_json: bool) -> bytes:
    """Return `google.rpc.Status` for a request none of which was taken."""
    if as_json:
        return msgspec.json.encode({"code": code, "message": why})
    return integer(1, code) + text(2, why)
