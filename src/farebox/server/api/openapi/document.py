"""The OpenAPI 3.1 document of `/api/v1`, made of what routes declare, of their structs and of the roles.

`make docs` writes it to docs/reference/openapi.json; the server responds with the same under
`/api/v1/openapi.json`. The portal's routes, which are on a listener of their own, are in portal-openapi.json.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from farebox.access.roles import Door, allowed
from farebox.ingest.bodies import JSON
from farebox.server.api.errors import REFUSALS, ErrorBody
from farebox.server.api.lists.rows import FORMATS
from farebox.server.api.method_routes import API, route_of
from farebox.server.api.openapi.signatures import body_of, responses_of
from farebox.server.api.operations import Body, Operation
from farebox.server.api.parameters import SELECTION, Parameter, Tags
from farebox.server.api.route_groups import GROUPS

_REF = "#/components/schemas/{name}"
_ALWAYS = (
    "malformed",
    "host_missing",
    "unauthenticated",
    "role_not_allowed",
    "foreign_origin",
    "line_too_long",
    "host_not_allowed",
    "headers_too_large",
    "rate_limited",
    "internal_error",
    "ledger_unavailable",
    "control_unavailable",
    "question_failed",
    "replica_busy",
    "replica_building",
    "unknown_parameter",
    "usage_error",
)
_WITH_PARAMETERS = ("invalid_parameter", "too_many_buckets")
_WITH_BODY = ("length_required", "body_too_large", "content_type_unknown", "body_invalid")
_WITH_SEGMENT = ("route_not_found",)
_SHARED = {each.name: each for each in SELECTION}
_FILES = {
    "text/csv": {"schema": {"type": "string"}},
    "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
}


@functools.cache
def openapi_document() -> bytes:
    """Return the document as JSON text."""
    return written(
        document_of(
            operations(),
            "api",
            "Farebox",
            "Spend, budgets, alerts and bills, as the dashboard asks for them. Amounts are "
            "text: pico-dollars as a whole number, others as decimals. Within a version fields and routes "
            "are only ever added.",
            "`farebox tokens create NAME --scope read`, or `--scope admin`",
        )
    )


def written(document: dict[str, Any]) -> bytes:
    """Return a document as JSON text."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def operations() -> list[Operation]:
    """Return everything that the API can be asked for, in the order in which it is declared."""
    return [
        operation
        for group in GROUPS
        for path, methods in group.routes.items()
        if path.startswith(API)
        for operation in methods.values()
    ]


def operation_id(operation: Operation) -> str:
    """Return the name of an operation: `getBudgetsNameSimulation`."""
    words = re.findall(r"[a-z0-9]+", operation.path.removeprefix(API).removesuffix(".json"))
    return operation.method.lower() + "".join(word.capitalize() for word in words)


def structs_of(found: Operation) -> Iterator[type[msgspec.Struct]]:
    """Yield the structs of an operation's body and responses."""
    body = body_of(found)
    if body is not None:
        yield body
    yield from responses_of(found)


def document_of(
    found: list[Operation], door: Door, title: str, description: str, token: str
) -> dict[str, Any]:
    """Return the document of some operations; `token` says where the one that they need is from."""
    structs = {ErrorBody, *(each for one in found for each in structs_of(one))}
    _, schemas = msgspec.json.schema_components(
        sorted(structs, key=lambda each: each.__qualname__), ref_template=_REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for each in found:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, door)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": "1",
            "description": description,
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": _shared_refusals(found),
            "parameters": {name: _parameter(each) for name, each in _SHARED.items()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": token,
                }
            },
        },
    }


def _operation(said: Operation, door: Door) -> dict[str, Any]:
    words = inspect.getdoc(said.handler) or ""
    summary, _, rest = words.partition("\n")
    found: dict[str, Any] = {
        "operationId": operation_id(said),
        "tags": [said.path.removeprefix(API).partition("/")[0].removesuffix(".json")],
        "summary": summary,
    }
    if rest.strip():
        found["description"] = rest.strip()
    may = allowed(door, route_of(said.method, said.path))
    scopes = sorted(may & {"read", "admin", "portal"})
    found["security"] = [] if "nobody" in may else [{"token": [scope]} for scope in scopes]
    in_path: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", said.path)
    ]
    in_query = [
        {"$ref": f"#/components/parameters/{each.name}"}
        if _SHARED.get(each.name) is each
        else _parameter(each)
        for each in said.parameters.values()
    ]
    if in_path or in_query:
        found["parameters"] = [*in_path, *in_query]
    body = _body(said)
    if body is not None:
        found["requestBody"] = body
    found["responses"] = _responses(said)
    return found


def _parameter(said: Parameter) -> dict[str, Any]:
    schema = said.schema()
    found: dict[str, Any] = {"name": said.name, "in": "query", "description": said.about}
    if said.required:
        found["required"] = True
    if isinstance(said, Tags):
        return {**found, "style": "form", "explode": True, "schema": schema}
    if said.repeated:
        schema = {"type": "array", "items": schema}
    return {**found, "schema": schema}


def _body(said: Operation) -> dict[str, Any] | None:
    struct = body_of(said)
    if struct is not None:
        return {"required": True, "content": {JSON: {"schema": _reference(struct)}}}
    if isinstance(said.body, Body):
        schema: dict[str, Any] = {"type": "object", "description": said.body.about}
        if said.body.examples:
            schema["examples"] = list(said.body.examples)
        text = {"schema": {"type": "string"}}
        others = {media: text for media in said.body.media if media != JSON}
        return {"required": True, "content": {JSON: {"schema": schema}, **others}}
    return None


def _responses(said: Operation) -> dict[str, Any]:
    shown = [_reference(each) for each in responses_of(said)]
    schema: dict[str, Any] = {"type": "object"} if said.media == JSON else {"type": "string"}
    if shown:
        schema = shown[0] if len(shown) == 1 else {"anyOf": shown}
    content: dict[str, Any] = {said.media: {"schema": schema}}
    content |= {media: {"schema": {"type": "string"}} for media in said.files}
    description = "What is asked for."
    if said.rows is not None:
        page = {
            "type": ["string", "null"],
            "description": "The `cursor` of the next page; null: this is the last.",
        }
        paged = {"type": "object", "required": ["next_cursor"], "properties": {"next_cursor": page}}
        whole = {
            "type": "array",
            "items": {"type": "object"},
            "description": "With `format=json`: every row.",
        }
        content = {JSON: {"schema": {"anyOf": [{"allOf": [schema, paged]}, whole]}}, **_FILES}
        description = (
            f"A page of `{said.rows.field}`; with `format` ({', '.join(FORMATS)}) a file of all of them."
        )
    if said.table is not None:
        whole = {
            "type": "array",
            "items": {"type": "object"},
            "description": "With `format=json`: its figures.",
        }
        content = {JSON: {"schema": {"anyOf": [schema, whole]}}, **_FILES}
        description = f"What is asked for; with `format` ({', '.join(FORMATS)}) a file of its figures."
    found: dict[str, Any] = {"200": {"description": description, "content": content}}
    for status, codes in _refusals(said).items():
        found[str(status)] = {"$ref": f"#/components/responses/{_refusal_name(status, codes)}"}
    return dict(sorted(found.items()))


def _shared_refusals(found: list[Operation]) -> dict[str, Any]:
    """Return the responses of refused requests: many routes have the same."""
    shared: dict[str, Any] = {}
    for said in found:
        for status, codes in _refusals(said).items():
            shared[_refusal_name(status, codes)] = {
                "description": "\n".join(f"`{code}`: {REFUSALS[code][1]}" for code in codes),
                "content": {JSON: {"schema": _reference(ErrorBody)}},
            }
    return dict(sorted(shared.items()))


def _refusal_name(status: int, codes: list[str]) -> str:
    own = [code for code in codes if code not in (*_ALWAYS, *_WITH_PARAMETERS, *_WITH_BODY, *_WITH_SEGMENT)]
    kinds = [
        word
        for word, some in (("parameters", _WITH_PARAMETERS), ("body", _WITH_BODY))
        if any(code in some for code in codes)
    ]
    return "_".join((f"refused_{status}", *kinds, *own))


def _refusals(said: Operation) -> dict[int, list[str]]:
    """Return the slugs of an operation's refusals, by status."""
    codes = [*_ALWAYS]
    if said.parameters:
        codes += _WITH_PARAMETERS
    if said.body is not None:
        codes += _WITH_BODY
    if "{" in said.path:
        codes += _WITH_SEGMENT
    found: dict[int, list[str]] = {}
    for code in (*codes, *said.refusals):
        found.setdefault(REFUSALS[code][0], []).append(code)
    return found


def _reference(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {"$ref": _REF.format(name=struct.__name__)}
