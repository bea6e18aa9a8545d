"""What the proxy says itself: errors in the provider's own shape, health, unknown routes.

An error's body follows the provider's shape (a word of the catalog), so that a client's SDK
raises what its user expects; the header `x-farebox-error` says that it was us.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from farebox.wire.http.request_policy import Refusal

MARKER = "x-farebox-error"

OUT_OF_MONEY = frozenset(("budget_exceeded", "budget_unbounded", "stopped"))
"""Slugs of refusals that are no matter of waiting: OpenAI's clients know that as `insufficient_quota`, not as
`rate_limit_exceeded` (https://platform.openai.com/docs/guides/error-codes)."""

_encode = msgspec.json.Encoder().encode


def json_response(
    status: int,
    body: Any,
    *,
    close: bool,
    slug: str | None = None,
    headers: tuple[str, ...] = (),
    to_head: bool = False,
) -> bytes:
    """Return a whole response with `body` as JSON."""
    content = _encode(body) + b"\n"
    lines = [
        f"HTTP/1.1 {status} {_reason(status)}",
        "content-type: application/json",
        f"content-length: {len(content)}",
        "cache-control: no-store",
        *headers,
    ]
    if slug is not None:
        lines.append(f"{MARKER}: {slug}")
    if close:
        lines.append("connection: close")
    head = "\r\n".join((*lines, "", "")).encode("ascii", "replace")
    return head if to_head else head + content


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _openai(status: int, slug: str, message: str) -> Any:
    kind, code = _kind(status), slug
    if slug in OUT_OF_MONEY:
        kind = code = "insufficient_quota"
        message = f"{message} ({slug})"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _anthropic(status: int, slug: str, message: str) -> Any:
    return {"type": "error", "error": {"type": _kind(status), "message": f"{message} ({slug})"}}


_GOOGLE_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _google(status: int, slug: str, message: str) -> Any:
    word = _GOOGLE_STATUS.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    return {"error": {"code": status, "message": f"{message} ({slug})", "status": word}}


_AWS_TYPES = {
    400: "ValidationException",
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def _aws_type(status: int) -> str:
    """Return the header by which an AWS SDK tells which exception to raise
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html)."""
    kind = _AWS_TYPES.get(status, "ValidationException" if status < 500 else "InternalServerException")
    return f"x-amzn-errortype: {kind}"


def _message(status: int, slug: str, message: str) -> Any:
    return {"message": f"{message} ({slug})"}


def _text(status: int, slug: str, message: str) -> Any:
    return {"error": f"{message} ({slug})"}


def _ours(status: int, slug: str, message: str) -> Any:
    return {"code": slug, "message": message, "details": {}}


SHAPES: dict[str, Callable[[int, str, str], Any]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "message": _message,
    "cohere": _message,
    "aws": _message,
    "error_text": _text,
    "ollama": _text,
    "farebox": _ours,
}
"""Shape, as `error_shape` in a provider.yaml names it, to the body it means."""


def _kind(status: int) -> str:
    if status == 408 or status == 504:
        return "timeout_error"
    if status == 401 or status == 429:
        return "authentication_error" if status == 401 else "rate_limit_error"
    return "invalid_request_error" if status < 500 else "api_error"


def error(
    shape: str,
    status: int,
    slug: str,
    message: str,
    *,
    close: bool,
    headers: tuple[str, ...] = (),
    to_head: bool = False,
) -> bytes:
    """Return an error response in the named shape; an unknown one gets the most usual."""
    body = SHAPES.get(shape, _openai)(status, slug, f"Farebox: {message}")
    if shape == "aws":
        headers = (*headers, _aws_type(status))
    return json_response(status, body, close=close, slug=slug, headers=headers, to_head=to_head)


def error_body(shape: str, status: int, slug: str, message: str) -> bytes:
    """Return an error's body alone, as a stream carries it."""
    return _encode(SHAPES.get(shape, _openai)(status, slug, f"Farebox: {message}"))


def error_event(
    shape: str, status: int, slug: str, message: str, more: Mapping[str, Any] | None = None
) -> bytes:
    """Return an error as an event of a stream or a message of a socket that names its `type`."""
    body = SHAPES.get(shape, _openai)(status, slug, f"Farebox: {message}")
    return _encode({"type": "error", **(more or {}), **body})


def refused(refusal: Refusal) -> bytes:
    """Return the response to a request that the policy refuses; the connection ends with it."""
    return error("farebox", refusal.status, f"policy:{refusal.rule}", refusal.message, close=True)


def unknown_route(names: list[str], *, close: bool, to_head: bool) -> bytes:
    """Return the 404 that says which routes exist."""
    return json_response(
        404,
        {
            "code": "route_not_found",
            "message": "Farebox: the path's first segment names no provider. "
            "Use one of these, as in /openai/v1/chat/completions, or add one to farebox.yaml.",
            "details": {"routes": [f"/{name}/" for name in names]},
        },
        close=close,
        slug="route_not_found",
        to_head=to_head,
    )
