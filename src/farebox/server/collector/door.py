"""The collector's routes: what is sent is handed to `farebox.ingest`, what comes of it is put into HTTP."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from farebox.access.roles import Allowed, allowed
from farebox.access.tokens import PublishedTokens
from farebox.errors import FareboxError
from farebox.ingest.intake import Acknowledged, Intake
from farebox.ingest.refused_body import BodyRefusedError
from farebox.ingest.trust import Sender
from farebox.server.access.guard import Kind, Receive, Scope, Send, unauthenticated
from farebox.server.api.errors import ApiError, from_farebox
from farebox.server.collector.event_stream import EventStream
from farebox.server.collector.request_body import body_of, length_of

if TYPE_CHECKING:
    from farebox.server.collector.otlp import OtlpRoutes

EVENTS = "/v1/events"
DOCUMENT = "/v1/openapi.json"
OTLP = ("/v1/traces", "/v1/logs", "/v1/metrics")
_METHODS: Mapping[str, tuple[str, ...]] = {
    EVENTS: ("GET", "POST"),
    DOCUMENT: ("GET", "HEAD"),
    **dict.fromkeys(OTLP, ("POST",)),
}
_STATUS_OF_ONE = {"accepted": 202, "duplicate": 200, "conflict": 409, "invalid": 422}
"""The response to one event sent by itself. Lists get 202, and a status for each."""

_log = logging.getLogger("farebox.server")


class CollectorDoor:
    """Where events come in."""

    def __init__(self, intake: Intake, tokens: PublishedTokens | None) -> None:
        self._intake = intake
        self._tokens = tokens
        self._otlp: OtlpRoutes | None = None

    def route_of(self, path: str) -> tuple[Kind, dict[str, Allowed]] | None:
        """Return the kind of a known path and the roles that may use each of its methods."""
        if path not in _METHODS:
            return None
        return Kind.EVENTS, dict.fromkeys(_METHODS[path], allowed("collector", path))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that the guard let through."""
        try:
            if scope["path"] == DOCUMENT:
                from farebox.ingest.openapi import openapi_document

                await respond(send, 200, openapi_document(), head=scope["method"] == "HEAD")
                return
            sender = self._sender(scope)
            if scope["path"] in OTLP:
                await self._telemetry().take(scope, receive, send, sender)
                return
            if scope["type"] == "websocket":
                await EventStream(self._intake, scope, sender).serve(receive, send)
                return
            if scope["method"] == "GET":
                message = "GET opens a WebSocket here; events are sent with POST."
                raise ApiError(426, "upgrade_required", message)
            with self._intake.room(length_of(scope)):
                body = await body_of(receive, self._intake.limits.body_bytes_max)
                if body is None:
                    return
                found = await self._intake.take(scope["headers"], body, sender)
            await respond(send, _status(found), msgspec.json.encode(found.receipt))
        except BodyRefusedError as refusal:
            await self._refuse(send, ApiError(refusal.status, refusal.code, str(refusal)))
        except ApiError as error:
            await self._refuse(send, error)
        except FareboxError as error:
            await self._refuse(send, from_farebox(error))
        except Exception:  # a bug of ours: the log has the traceback, the sender a sentence
            _log.exception("unexpected failure at %s", scope["path"])
            message = "Something went wrong here. The server's log says what."
            await self._refuse(send, ApiError(500, "internal_error", message))

    def _telemetry(self) -> OtlpRoutes:
        """Return the routes for OTLP, loaded with the first request: most servers are never sent any."""
        if self._otlp is None:
            from farebox.server.collector.otlp import OtlpRoutes

            self._otlp = OtlpRoutes(self._intake)
        return self._otlp

    def _sender(self, scope: Scope) -> Sender:
        """Return who sent a request, by the token that it came in with."""
        digest: str = scope["state"].get("token_digest", "")
        if not digest:
            return Sender("owner")
        token = self._tokens.by_hash(digest) if self._tokens is not None else None
        if token is None:  # revoked since
            raise unauthenticated("", scope["headers"], Kind.EVENTS)
        return Sender(token.id, token.binding)

    async def _refuse(self, send: Send, error: ApiError) -> None:
        limits = msgspec.structs.asdict(self._intake.limits)
        error.body.details |= {name: value for name, value in limits.items() if value is not None}
        headers: list[tuple[bytes, bytes]] = [(b"upgrade", b"websocket")] if error.status == 426 else []
        if error.status == 401:
            headers.append((b"www-authenticate", b'Bearer realm="farebox"'))
        if error.status == 503:
            headers.append((b"retry-after", b"5"))
        await respond(send, error.status, msgspec.json.encode(error.body), headers)


def _status(found: Acknowledged) -> int:
    return _STATUS_OF_ONE[found.receipt.items[0].status] if found.is_single else 202


async def respond(
    send: Send,
    status: int,
    content: bytes,
    headers: list[tuple[bytes, bytes]] | None = None,
    *,
    head: bool = False,
) -> None:
    """Send a JSON response."""
    sent = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        (b"cache-control", b"no-store"),
        *(headers or ()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": b"" if head else content})
