"""The collector's routes: what is sent is handed to `farebox.ingest`, what comes of it is put into HTTP."""

from __future__ import annotations

import logging
from collections.abc import Mapping

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

EVENTS = "/v1/events"
DOCUMENT = "/v1/openapi.json"
_METHODS: Mapping[str, tuple[str, ...]] = {EVENTS: ("GET", "POST"), DOCUMENT: ("GET", "HEAD")}
_STATUS_OF_ONE = {"accepted": 202, "duplicate": 200, "conflict": 409, "invalid": 422}
"""The response to one event sent by itself. Lists get 202, and a status for each."""

_log = logging.getLogger("farebox.server")


class CollectorDoor:
    """Where events come in."""

    def __init__(self, intake: Intake, tokens: PublishedTokens | None) -> None:
        self._intake = intake
        self._tokens = tokens

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
            if scope["type"] == "websocket":
                await EventStream(self._intake, scope, sender).serve(receive, send)
                return
            if scope["method"] == "GET":
                message = "GET opens a WebSocket here; events are sent with POST."
                raise ApiError(426, "upgrade_required", message)
            length = _length(scope)
            with self._intake.room(length):
                body = await _body(receive, self._intake.limits.body_bytes_max)
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


def _length(scope: Scope) -> int:
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(values[0]) if len(values) == 1 and values[0].isdigit() and len(values[0]) < 19 else 0


async def _body(receive: Receive, bytes_max: int) -> bytes | None:
    """Return a request's body; None where its sender has gone."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > bytes_max:
            raise BodyRefusedError(413, "body_too_large", f"A body is at most {bytes_max} bytes.")
        if not message.get("more_body", False):
            return b"".join(pieces)


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
