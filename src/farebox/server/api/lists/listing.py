"""A list's response: a page of it as JSON, or all of it as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from operator import itemgetter
from typing import Any, cast

import msgspec
from msgspec import inspect as shapes
from starlette.requests import Request
from starlette.responses import Response

from farebox.server.api.errors import ApiError
from farebox.server.api.lists.columns import columns_of
from farebox.server.api.lists.paging import Asked, cursor_of, page_of
from farebox.server.api.lists.rows import CURSOR, FILE, FORMAT, Column, Paged, Rows, Table

Asker = Callable[[], Awaitable[Any]]


async def list_response(request: Request, rows: Rows, ask: Asker, now_ns: int) -> Response:
    """Return the response of a list's handler, which `ask` calls: the page that is asked for, or a file."""
    format, cursor = FORMAT.of(request), CURSOR.of(request)
    limit = rows.limit.of(request)
    if format is None:
        found, following = await _page(request, rows, ask, Asked(limit, cursor))
        plain = {**msgspec.structs.asdict(found), "next_cursor": following}
        return Response(
            msgspec.json.encode(plain), media_type="application/json", headers={"cache-control": "no-store"}
        )
    if cursor is not None:
        raise ApiError(
            422,
            "invalid_parameter",
            "cursor is for pages; a file has all rows: leave out cursor, or format",
            {"parameter": "cursor", "allowed": ["no cursor with format"]},
        )
    from farebox.server.api.lists.exports import Export, export_response

    at_most = limit if "limit" in request.query_params else None
    size = export_size(rows) if at_most is None else min(export_size(rows), at_most)
    first, following = await _page(request, rows, ask, Asked(size, None))

    async def pages() -> AsyncIterator[Sequence[Any]]:
        found, cursor, left = first, following, at_most
        while True:
            page: Sequence[Any] = getattr(found, rows.field)
            yield page[:left]
            left = None if left is None else left - len(page)
            if cursor is None or (left is not None and left <= 0):
                return
            if not request.state.may_stay():
                raise ApiError(401, "unauthenticated", "The token was revoked.")  # no file that is not whole
            found, cursor = await _page(request, rows, ask, Asked(size, cursor))

    columns = rows.columns(first) if rows.columns is not None else _columns(first, rows.field)
    name = request.url.path.rpartition("/")[2]
    return await export_response(Export(name, columns, pages()), format, now_ns)


async def table_response(request: Request, table: Table, found: msgspec.Struct, now_ns: int) -> Response:
    """Return the file that is asked for of a response without pages."""
    from farebox.server.api.lists.exports import Export, export_response

    async def pages() -> AsyncIterator[Sequence[Any]]:
        yield table.rows(found)

    columns = [Column(name, kind, itemgetter(name)) for name, kind in table.columns(found).items()]
    name = request.url.path.removeprefix("/api/v1/").replace("/", "-")
    return await export_response(Export(name, columns, pages()), FILE.of(request) or "csv", now_ns)


def export_size(rows: Rows) -> int:
    """Return how many rows an export asks a handler for at a time."""
    return rows.export_size


async def _page(request: Request, rows: Rows, ask: Asker, asked: Asked) -> tuple[msgspec.Struct, str | None]:
    """Return a response with the rows of one page, and the cursor of the next one."""
    request.state.page = asked
    found = await ask()
    if isinstance(found, Paged):
        paged = cast("Paged[msgspec.Struct]", found)
        shown, position = paged.shown, paged.next
    else:
        page, position = page_of(request, getattr(found, rows.field), rows, asked)
        shown = msgspec.structs.replace(found, **{rows.field: list(page)})
    return shown, None if position is None else cursor_of(request, position)


def _columns(found: msgspec.Struct, field: str) -> list[Column]:
    shape = cast("shapes.StructType", shapes.type_info(type(found)))
    listed = cast("shapes.ListType", next(each.type for each in shape.fields if each.name == field))
    return columns_of(cast("shapes.StructType", listed.item_type).cls)
