"""What a route declares beside its handler: parameters, body, refusals. Everything else is its signature.

`openapi/` makes the reference of it, the dashboard's client is generated from it, and a request is compared
with it before the handler is called.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from farebox.ingest.bodies import JSON, media_type
from farebox.nearest import did_you_mean
from farebox.server.api.errors import ApiError
from farebox.server.api.lists.rows import FILE, Paged, Rows, Table
from farebox.server.api.parameters import Parameter, is_known

YAML = ("application/yaml", "application/x-yaml", "text/yaml")

Shown = msgspec.Struct | Paged[Any] | Response
Handler = Callable[[Any, Request], Coroutine[Any, Any, Shown]]
Handled = TypeVar("Handled", bound=Handler)


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A body that is read by the reader of the home's `farebox.yaml`, so that no struct has its fields."""

    about: str
    examples: tuple[Any, ...] = ()
    media: tuple[str, ...] = (JSON,)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A method of a path, what handles it, and what it takes."""

    method: str
    path: str
    handler: Handler
    parameters: Mapping[str, Parameter] = {}
    body: Body | type[msgspec.Struct] | str | None = None
    """A struct may be named, as `farebox.billing.wallets.changes:GrantRequest`: it is loaded when needed."""
    rows: Rows | None = None
    """Of a list: which rows it pages and exports."""
    table: Table | None = None
    """Of another response that can be a file: what rows it has."""
    refusals: tuple[str, ...] = ()
    """Slugs of errors beside those that every route has."""
    response: type[msgspec.Struct] | None = None
    """What a response consists of whose handler makes it by itself."""
    media: str = JSON
    files: tuple[str, ...] = ()
    """Other media types of what it can respond with."""

    @property
    def body_media(self) -> tuple[str, ...]:
        """The media types that a body may have."""
        return self.body.media if isinstance(self.body, Body) else (JSON,)

    def check(self, request: Request) -> None:
        """Raise for a query parameter that is not declared, and for a body of another form.

        The media types of forms and of plain text, and none at all, are what another site's page may send
        without asking: a body has one that has to be asked for.
        """
        for name in request.query_params:
            if not is_known(name, self.parameters):
                raise unknown_parameter(name, list(self.parameters))
        has_body = self.body is not None or request.headers.get("content-length", "0").strip("0") != ""
        if self.method != "GET" and has_body and media_type(request.scope["headers"]) not in self.body_media:
            raise content_type_unknown(self.body_media)


def route(
    method: str,
    path: str,
    *parameters: Parameter,
    body: Body | type[msgspec.Struct] | str | None = None,
    rows: Rows | None = None,
    table: Table | None = None,
    refusals: tuple[str, ...] = (),
    response: type[msgspec.Struct] | None = None,
    media: str = JSON,
    files: tuple[str, ...] = (),
) -> Callable[[Handled], Handled]:
    """Mark what handles a method of a path; `{id}` at the path's end is any one segment.

    It returns the struct that is sent as JSON, whole; a list's machinery makes pages and exports of it where
    `rows` says which of its fields they are, and a file where `table` says its rows. One handler may be
    marked several times.
    """
    listed = rows.parameters() if rows is not None else (FILE,) if table is not None else ()
    declared = {each.name: each for each in (*parameters, *listed)}

    def mark(handler: Handled) -> Handled:
        marked = cast("list[Operation]", vars(handler).setdefault("operations", []))
        marked.append(
            Operation(
                method=method,
                path=path,
                handler=handler,
                parameters=declared,
                body=body,
                rows=rows,
                table=table,
                refusals=refusals,
                response=response,
                media=media,
                files=files,
            )
        )
        return handler

    return mark


def content_type_unknown(media: tuple[str, ...]) -> ApiError:
    """Return the 415 for a body that says another media type than a route takes, or none."""
    message = f"A body here says Content-Type: {' or '.join(media)}, in UTF-8."
    return ApiError(415, "content_type_unknown", message, {"allowed": list(media)})


def unknown_parameter(name: str, known: list[str]) -> ApiError:
    """Return the 422 for a parameter that is not there, with the nearest one that is."""
    shown = ["tag.NAME" if each == "tags" else each for each in known]
    expected = f"expected {', '.join(shown)}" if shown else "it takes none"
    return ApiError(
        422,
        "unknown_parameter",
        f"There is no parameter {name[:200]!r} here: {expected}{did_you_mean(name[:200], shown)}",
        {"parameter": name[:200], "allowed": shown},
    )
