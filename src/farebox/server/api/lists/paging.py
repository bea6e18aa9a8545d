"""Pages of a list. A cursor says where the next one begins, and which request it belongs to."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from starlette.requests import Request

from farebox.server.api.errors import ApiError, invalid_parameter
from farebox.server.api.lists.rows import CURSOR, FORMAT, Rows

Position = TypeVar("Position")

_NOT_OF_THE_QUESTION = (CURSOR.name, FORMAT.name, "limit")
_DIGEST_BYTES = 6


class Asked(NamedTuple):
    """Which page a handler is to make."""

    limit: int
    cursor: str | None


def page_asked(request: Request, type: type[Position]) -> tuple[int, Position | None]:
    """Return how many rows a handler's page has, and the position that it begins after; None: the first."""
    asked: Asked = request.state.page
    return asked.limit, None if asked.cursor is None else position_of(request, asked.cursor, type)


def cursor_of(request: Request, position: Sequence[int | str | None]) -> str:
    """Return the cursor of a position in the list that a request asks for."""
    packed = msgspec.msgpack.encode((_digest(request), position))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def position_of(request: Request, cursor: str, type: type[Position]) -> Position:
    """Return the position of a cursor; raise for one of another request."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        digest, raw = msgspec.msgpack.decode(packed, type=tuple[bytes, msgspec.Raw])
        found = msgspec.msgpack.decode(raw, type=type)
    except (ValueError, msgspec.MsgspecError):
        raise _not_ours(cursor) from None
    if digest != _digest(request):
        raise _not_ours(cursor)
    return found


def page_of(
    request: Request, rows: Sequence[Any], said: Rows, asked: Asked
) -> tuple[Sequence[Any], tuple[int | str | None, ...] | None]:
    """Return the rows of a page out of all, and the position of its end; None where it is the last one.

    A row that was added or removed meanwhile moves nothing: the page begins after the row that the one before
    ended with, wherever that is by now. Where that is gone, no page could be right, and it says so.
    """
    start = 0
    if asked.cursor is not None:
        place, *key = position_of(request, asked.cursor, tuple[int | str | None, ...])
        if not isinstance(place, int) or place < 1 or len(key) != len(said.key):
            raise _not_ours(asked.cursor)
        start = _after(rows, said, place, tuple(key))
    end = start + asked.limit
    page = rows[start:end]
    return page, (end, *_key(page[-1], said)) if end < len(rows) else None


def _after(rows: Sequence[Any], said: Rows, place: int, key: tuple[int | str | None, ...]) -> int:
    if place <= len(rows) and _key(rows[place - 1], said) == key:
        return place
    found = next((at for at, row in enumerate(rows) if _key(row, said) == key), None)
    if found is None:
        gone = "a new start without cursor: the row that the page before ended with is gone"
        raise invalid_parameter("cursor", "", [gone])
    return found + 1


def _key(row: Any, said: Rows) -> tuple[int | str | None, ...]:
    return tuple(getattr(row, name) for name in said.key)


def _digest(request: Request) -> bytes:
    """Identify the request apart from which part of it is asked for."""
    asked = sorted(pair for pair in request.query_params.multi_items() if pair[0] not in _NOT_OF_THE_QUESTION)
    plain = msgspec.msgpack.encode((request.url.path, asked))
    return hashlib.blake2b(plain, digest_size=_DIGEST_BYTES).digest()


def _not_ours(cursor: str) -> ApiError:
    return invalid_parameter("cursor", cursor, ["the next_cursor of a response to the same request"])
