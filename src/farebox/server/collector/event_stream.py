"""Events over a WebSocket: every message is a body, every response the receipt of one, in their order.

A message is JSON, one event or an array; a `Content-Type` or `Content-Encoding` of the handshake applies to
all messages. A message that is refused gets the error as its response, and the next one may be sent.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from farebox.errors import FareboxError
from farebox.ingest.intake import Intake
from farebox.ingest.refused_body import BodyRefusedError
from farebox.ingest.trust import Sender
from farebox.server.access.guard import Receive, Scope, Send, too_many
from farebox.server.api.errors import ApiError, from_farebox

_NO_LONGER = 1008
"""The close code for a token that is not in force any more."""
_OF_MESSAGES = (b"content-type", b"content-encoding")

_log = logging.getLogger("farebox.server")


class EventStream:
    """One WebSocket that the guard let through."""

    def __init__(self, intake: Intake, scope: Scope, sender: Sender) -> None:
        self._intake = intake
        self._state: dict[str, Any] = scope["state"]
        self._sender = sender
        self._headers: list[tuple[bytes, bytes]] = [
            pair for pair in scope["headers"] if pair[0] in _OF_MESSAGES
        ]
        if not any(name == b"content-type" for name, _ in self._headers):
            self._headers = [*self._headers, (b"content-type", b"application/json")]

    async def serve(self, receive: Receive, send: Send) -> None:
        """Take messages in until the client leaves, or its token is good for nothing more."""
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            if not self._state["may_stay"]():
                await send({"type": "websocket.close", "code": _NO_LONGER})
                return
            answer = await self._take(message["bytes"])
            await send({"type": "websocket.send", "text": msgspec.json.encode(answer).decode()})

    async def _take(self, body: bytes) -> msgspec.Struct:
        try:
            wait_s: float = self._state["wait_s"]()
            if wait_s:
                raise too_many(wait_s)
            with self._intake.room(len(body)):
                return (await self._intake.take(self._headers, body, self._sender)).receipt
        except BodyRefusedError as refusal:
            error = ApiError(refusal.status, refusal.code, str(refusal))
        except ApiError as found:
            error = found
        except FareboxError as found:
            error = from_farebox(found)
        except Exception:  # a bug of ours: the log has the traceback, the sender a sentence
            _log.exception("unexpected failure of a message to the collector")
            message = "Something went wrong here. The server's log says what."
            error = ApiError(500, "internal_error", message)
        return error.body
