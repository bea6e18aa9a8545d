"""A request's body, as it arrives."""

from __future__ import annotations

from farebox.ingest.refused_body import BodyRefusedError
from farebox.server.access.guard import Receive, Scope


def length_of(scope: Scope) -> int:
    """Return how long a request's body is."""
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(values[0]) if len(values) == 1 and values[0].isdigit() and len(values[0]) < 19 else 0


async def body_of(receive: Receive, bytes_max: int) -> bytes | None:
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
