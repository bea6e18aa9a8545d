"""Routes with several methods each: read by who may read, changed by who administers.

A path and a method together are a route of `farebox.access.roles`. Changes are made as commands make them,
and say in the audit whose token made them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from farebox.access.roles import Allowed, Door, allowed
from farebox.nearest import did_you_mean
from farebox.server.api.errors import ApiError
from farebox.server.api.filters import Selection, read_selection
from farebox.server.api.lists.listing import list_response, table_response
from farebox.server.api.lists.rows import FILE
from farebox.server.api.operations import Operation
from farebox.server.api.operations import route as route
from farebox.server.api.parameters import SELECTION, is_known
from farebox.server.api.responses import json_response
from farebox.snapshot import read_snapshot

if TYPE_CHECKING:
    from farebox.server.api.services import Services

API = "/api/v1/"
BODY_BYTES_MAX = 1 << 20
"""Plans, customers and subscriptions of a company, in one text."""
_SELECTION = {each.name: each for each in SELECTION}

Struct = TypeVar("Struct", bound=msgspec.Struct)


class MethodRoutes:
    """A group of handlers, each marked with `@route`."""

    routes: ClassVar[Mapping[str, Mapping[str, Operation]]]
    """By path and method."""

    door: ClassVar[Door] = "api"
    """Whose part of the table of roles the routes are in."""

    def __init_subclass__(cls) -> None:
        found: dict[str, dict[str, Operation]] = {}
        for each in vars(cls).values():
            for operation in cast("list[Operation]", getattr(each, "operations", [])):
                found.setdefault(operation.path, {})[operation.method] = operation
        cls.routes = found

    def __init__(self, services: Services) -> None:
        self._services = services
        self._home = services.home
        self._ledger = services.ledger
        self._clock = services.clock
        self._control = services.control

    def name_of(self, path: str) -> str | None:
        """Return the route that a path is one of."""
        if path in self.routes and "{" not in path:
            return path
        folder, _, last = path.rpartition("/")
        name = next((each for each in self.routes if each.rpartition("/")[0] == folder and "{" in each), None)
        return name if last else None

    def methods_of(self, name: str) -> dict[str, Allowed]:
        """Return the roles that may use each method of a route."""
        found = {method: allowed(self.door, route_of(method, name)) for method in self.routes[name]}
        return found | {"HEAD": found["GET"]} if "GET" in found else found

    async def handle(self, request: Request, name: str) -> Response:
        """Return the response of a route's method."""
        operation = self.routes[name]["GET" if request.method == "HEAD" else request.method]
        if name.startswith(API):
            operation.check(request)
        if operation.rows is not None:
            return await list_response(
                request, operation.rows, lambda: operation.handler(self, request), self._clock()
            )
        found = await operation.handler(self, request)
        if operation.table is not None and FILE.name in request.query_params:
            return await table_response(
                request, operation.table, cast("msgspec.Struct", found), self._clock()
            )
        return json_response(found) if isinstance(found, msgspec.Struct) else cast("Response", found)

    def close(self) -> None:
        """Let go of what the handlers hold."""

    def _actor(self, request: Request) -> str:
        """Return who acts, for the audit: the owner, or a token."""
        digest: str = getattr(request.state, "token_digest", "")
        token = read_snapshot(self._home).tokens.get(digest) if digest else None
        return "owner" if token is None else f"token:{token.id}"

    def _select(self, request: Request) -> tuple[Selection, int]:
        """Return which calls a request is about, and the moment."""
        now = self._clock()
        # Up to and including now: a call of this very microsecond belongs to what is asked for.
        moment = datetime.fromtimestamp(now // 10**9, UTC) + timedelta(microseconds=now % 10**9 // 1000 + 1)
        given = [pair for pair in request.query_params.multi_items() if is_known(pair[0], _SELECTION)]
        return read_selection(given, now=moment), now


def route_of(method: str, name: str) -> str:
    """Return what `farebox.access.roles` calls a method of a path."""
    return name if method == "GET" else f"{method} {name}"


async def read_body(request: Request) -> bytes:
    """Return the body; raise where it is larger than `BODY_BYTES_MAX`."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size > BODY_BYTES_MAX:
            raise ApiError(413, "body_too_large", f"A body is at most {BODY_BYTES_MAX} bytes.")
    return b"".join(pieces)


_decode = msgspec.json.Decoder(float_hook=str).decode
"""Numbers with a fraction stay the text that they are written as."""


def object_of(body: bytes) -> dict[str, Any]:
    """Return a JSON object."""
    try:
        found = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(422, "body_invalid", f"The body is no JSON: {error}.") from None
    if not isinstance(found, dict):
        raise ApiError(422, "body_invalid", "The body is no JSON object.")
    return cast("dict[str, Any]", found)


async def read_struct(request: Request, type: type[Struct], *decimals: str) -> Struct:
    """Return the body as a struct; fields of these names may be numbers, too, and become their text."""
    said = object_of(await read_body(request))
    for name in decimals:
        value = said.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            said[name] = str(value)
    try:
        return msgspec.convert(said, type)
    except msgspec.ValidationError as error:
        raise _invalid_body(str(error), type) from None


def _invalid_body(found: str, type: type[msgspec.Struct]) -> ApiError:
    """Return the 422 for a body: which field it is, what was expected, which fields there are."""
    words, _, place = found.partition(" - at `$")
    named = re.search(r" field `(.*)`$", words)
    field = ".".join(filter(None, (place.strip(".`"), named[1] if named else ""))) or "the body"
    fields = list(type.__struct_fields__)
    hint = did_you_mean(named[1], fields) if named else ""
    details = {"field": field[:200], "allowed": fields}
    return ApiError(422, "body_invalid", f"{field[:200]}: {words[:500]}{hint}", details)
