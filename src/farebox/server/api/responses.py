"""Structs and errors as HTTP responses."""

from __future__ import annotations

from typing import cast

import msgspec
from starlette.responses import Response

from farebox.server.api.errors import ApiError


def json_response(answer: msgspec.Struct, status_code: int = 200) -> Response:
    """Return a struct as JSON that nothing keeps."""
    return Response(
        msgspec.json.encode(answer),
        status_code,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


def error_response(error: ApiError) -> Response:
    """Return a refusal with the headers that its status asks for."""
    headers = {"cache-control": "no-store"}
    if error.status == 401:
        headers["www-authenticate"] = 'Bearer realm="farebox"'
    if error.status == 405:
        headers["allow"] = ", ".join(cast("list[str]", error.body.details["allowed"]))
    if error.status == 429:
        headers["retry-after"] = str(error.body.details["retry_after_s"])
    return Response(
        msgspec.json.encode(error.body), error.status, media_type="application/json", headers=headers
    )
