"""The OpenAPI 3.1 document of the collector, made of the structs that it reads and writes.

`make docs` writes it to docs/reference/ingest-openapi.json; the collector serves the same.
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from farebox.ingest.bodies import CLOUD_EVENT, CLOUD_EVENTS, JSON, NDJSON
from farebox.ingest.cloud_events import TYPE_PREFIX
from farebox.ingest.verdicts import Receipt
from farebox.recording.event_schema import Event

_REF = "#/components/schemas/{name}"
_REFUSALS = {
    "400": "The body cannot be read.",
    "401": "There is no token, or none that is in force.",
    "403": "The token is for something else.",
    "405": "This address allows other methods.",
    "411": "A body needs a Content-Length.",
    "413": "The body, or the number of events in it, is over a limit.",
    "415": "The content type, or the content encoding, is none of those listed.",
    "429": "Too many requests; `Retry-After` says when to come again.",
    "503": "Nothing can be made durable now; send the same again later.",
}


class Refusal(msgspec.Struct, kw_only=True):
    """The body of a response to a request that was refused. Nothing was recorded."""

    code: str
    message: str
    details: dict[str, Any] = {}
    """The limits among them."""


@functools.cache
def openapi_document() -> bytes:
    """Return the document as JSON text."""
    return msgspec.json.format(msgspec.json.encode(_document()), indent=2) + b"\n"


def _document() -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components((Event, Receipt, Refusal), ref_template=_REF)
    schemas["CloudEvent"] = _cloud_event()
    event, cloud = {"$ref": _REF.format(name="Event")}, {"$ref": _REF.format(name="CloudEvent")}
    receipt = {"$ref": _REF.format(name="Receipt")}
    told = {JSON: {"schema": receipt}}
    responses: dict[str, Any] = {
        "202": {"description": "The events were read; `items` says what became of each.", "content": told},
        "200": {"description": "One event by itself, which was there already.", "content": told},
        "409": {"description": "One event by itself, whose id was used for other content.", "content": told},
        "422": {"description": "One event by itself, which makes no sense.", "content": told},
    }
    refusal = {JSON: {"schema": {"$ref": _REF.format(name="Refusal")}}}
    for status, description in _REFUSALS.items():
        responses[status] = {"description": description, "content": refusal}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Farebox collector",
            "version": "1",
            "description": "Send what models were used for. A response says what became of each event; "
            "what it calls accepted survives a power cut. Send again whatever was not acknowledged: "
            "an event is recorded once.",
        },
        "security": [{"token": []}],
        "paths": {
            "/v1/events": {
                "post": {
                    "operationId": "sendEvents",
                    "summary": "Send events",
                    "requestBody": {
                        "required": True,
                        "content": {
                            JSON: {"schema": {"anyOf": [event, {"type": "array", "items": event}]}},
                            NDJSON[0]: {"schema": {"type": "string", "description": "One event a line."}},
                            CLOUD_EVENT: {"schema": cloud},
                            CLOUD_EVENTS: {"schema": {"type": "array", "items": cloud}},
                        },
                    },
                    "responses": dict(sorted(responses.items())),
                }
            }
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`farebox tokens create --scope ingest`",
                }
            },
        },
    }


def _cloud_event() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    return {
        "title": "CloudEvent",
        "description": "CloudEvents 1.0. `subject` is the customer; `data` has the event's other fields.",
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"enum": ["1.0"]},
            "id": {**text, "maxLength": 256},
            "source": {**text, "maxLength": 256},
            "type": {"enum": [f"{TYPE_PREFIX}{kind}" for kind in ("call", "outcome", "score", "loss")]},
            "subject": {"type": "string", "maxLength": 256},
            "time": {"type": "string", "format": "date-time"},
            "data": {"type": "object"},
        },
    }
