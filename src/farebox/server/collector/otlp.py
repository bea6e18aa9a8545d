"""OTLP over HTTP: requests are read by `farebox.telemetry`, and their calls taken in as events."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from farebox.errors import FareboxError
from farebox.ingest.limits import TELEMETRY_BYTES_MAX
from farebox.ingest.refused_body import BodyRefusedError
from farebox.server.access.guard import Receive, Scope, Send
from farebox.server.api.errors import ApiError, from_farebox
from farebox.server.collector.request_body import body_of, length_of
from farebox.telemetry.otlp_in.reception import JSON, PROTOBUF, OtlpReader, Read, content_type
from farebox.telemetry.otlp_in.records import Signal
from farebox.telemetry.otlp_in.responses import refusal, success

if TYPE_CHECKING:
    from farebox.ingest.bodies import Items
    from farebox.ingest.intake import Intake
    from farebox.ingest.trust import Sender

_SIGNALS: dict[str, Signal] = {"/v1/traces": "traces", "/v1/logs": "logs", "/v1/metrics": "metrics"}
_CODES = {400: 3, 401: 16, 403: 7, 413: 8, 429: 8, 503: 14}
"""Of `google.rpc.Code`, which a refusal names beside its HTTP status."""

_log = logging.getLogger("farebox.server")


class OtlpRoutes:
    """Takes requests in for one home."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._reader = OtlpReader(intake.catalog)

    async def take(self, scope: Scope, receive: Receive, send: Send, sender: Sender) -> None:
        """Handle a request that the guard let through."""
        as_json = _is_json(scope)
        try:
            with self._intake.room(length_of(scope)):
                body = await body_of(receive, TELEMETRY_BYTES_MAX)
                if body is None:
                    return
                content = await self._taken(scope, body, sender)
            await _send(send, 200, content, as_json=as_json)
            return
        except BodyRefusedError as error:
            status, why = error.status, str(error)
        except FareboxError as error:
            found = from_farebox(error)
            status, why = found.status, found.body.message
        except ApiError as error:
            status, why = error.status, error.body.message
        except Exception:  # a bug of ours: the log has the traceback, the sender a sentence
            _log.exception("unexpected failure at %s", scope["path"])
            status, why = 500, "Something went wrong here. The server's log says what."
        await _send(send, status, refusal(_CODES.get(status, 2), why, as_json=as_json), as_json=as_json)

    async def _taken(self, scope: Scope, body: bytes, sender: Sender) -> bytes:
        signal = _SIGNALS[scope["path"]]
        read: list[Read] = []
        whose = repr(sorted(sender.binding.items())) if sender.binding else ""

        def items() -> Items:
            read.append(self._reader.read(signal, scope["headers"], body, whose))
            return read[0].items

        told = (await self._intake.take_items(items, sender)).receipt
        reasons = [
            *read[0].reasons,
            *(f"{each.field}: {each.reason}" for each in told.items if each.status == "invalid"),
        ]
        return success(signal, len(reasons), reasons, as_json=content_type(scope["headers"]) == JSON)


def _is_json(scope: Scope) -> bool:
    return any(
        name == b"content-type" and value.startswith(JSON.encode()) for name, value in scope["headers"]
    )


async def _send(send: Send, status: int, content: bytes, *, as_json: bool) -> None:
    headers = [
        (b"content-type", (JSON if as_json else PROTOBUF).encode()),
        (b"content-length", b"%d" % len(content)),
        (b"cache-control", b"no-store"),
    ]
    if status == 503:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
