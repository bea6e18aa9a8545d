"""How the record calls an upstream's own error, by its HTTP status."""

from __future__ import annotations


def error_class_of(status: int) -> str | None:
    """Return the class of a status; None for one that is no error."""
    if status < 400:
        return None
    if status >= 500:
        return "upstream_overloaded" if status in (503, 529) else "upstream_5xx"
    return _CLASSES.get(status, "invalid_request")


_CLASSES = {
    401: "auth_failed",
    402: "payment_required",
    403: "auth_failed",
    404: "not_found",
    408: "upstream_timeout",
    413: "request_too_large",
    429: "rate_limited",
}
