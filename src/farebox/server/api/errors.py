"""Errors as the API says them: `{"code", "message", "details"}`, and their HTTP statuses.

The only place that maps Farebox's slugs to HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from farebox.errors import FareboxError, FindingsError

Details = Mapping[str, "str | int | list[str]"]


class ErrorBody(msgspec.Struct, kw_only=True):
    """The body of every refused or failed request's response."""

    code: str
    message: str
    details: dict[str, str | int | list[str]] = {}


class ApiError(Exception):
    """A request this server refuses, with everything the response needs."""

    def __init__(self, status: int, code: str, message: str, details: Details | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = ErrorBody(code=code, message=message, details=dict(details or {}))


STATUS_OF = {
    "call_not_found": 404,
    "price_not_found": 404,
    "usage_error": 422,
    "config_invalid": 422,
    "price_file_invalid": 422,
    "bookkeeping_refused": 422,
    "invoice_refused": 409,
    "invoice_not_found": 404,
    "not_installed": 501,
    "ledger_unavailable": 503,
    "ledger_locked": 503,
    "ledger_schema_newer": 503,
    "ledger_schema_older": 503,
    "ledger_damaged": 503,
    "ledger_unwritable": 503,
    "control_unavailable": 503,
    "control_schema_newer": 503,
    "control_damaged": 503,
    "control_unwritable": 503,
    "journal_unavailable": 503,
    "question_failed": 503,
    "replica_busy": 503,
    "replica_building": 503,
}
"""Slugs of `farebox.errors` that have a status of their own; every other one is a 500."""


def from_farebox(error: FareboxError) -> ApiError:
    """Return the response for an error that the rest of Farebox raised."""
    details: dict[str, str | int | list[str]] = {}
    if isinstance(error, FindingsError):
        details["findings"] = [str(finding) for finding in error.findings]
        details["fields"] = [finding.key for finding in error.findings]
        details["lines"] = [str(finding.line or "") for finding in error.findings]
    return ApiError(STATUS_OF.get(error.code, 500), error.code, str(error) or error.code, details)


def invalid_parameter(name: str, found: str, allowed: list[str]) -> ApiError:
    """Return the 422 for a parameter, listing the allowed values."""
    expected = " or ".join(allowed) if len(allowed) < 3 else f"one of {', '.join(allowed)}"
    return ApiError(
        422,
        "invalid_parameter",
        f"{name}={found[:200]!r} is not allowed; expected {expected}",
        {"parameter": name, "found": found[:200], "allowed": allowed},
    )
