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


REFUSALS: Mapping[str, tuple[int, str]] = {
    "malformed": (400, "The request is not valid HTTP/1.1."),
    "host_missing": (400, "A request names exactly one host."),
    "unauthenticated": (401, "There is no token or session, or none that is in force."),
    "role_not_allowed": (403, "The token's scope is for something else."),
    "foreign_origin": (403, "Another site's page caused the request."),
    "route_not_found": (404, "There is nothing at this address."),
    "method_not_allowed": (405, "This address allows other methods: `allowed`."),
    "length_required": (411, "A body needs a Content-Length."),
    "body_too_large": (413, "The body is over the limit."),
    "line_too_long": (414, "The address is over the limit."),
    "content_type_unknown": (415, "The body says another `Content-Type` than the `allowed` ones, or none."),
    "host_not_allowed": (421, "This server does not serve that host name."),
    "unknown_parameter": (422, "There is no such parameter; `allowed` are those that there are."),
    "invalid_parameter": (422, "`parameter` has a value that is not allowed; `allowed` says what is."),
    "usage_error": (422, "What is asked for makes no sense, as the message says."),
    "too_many_buckets": (422, "The span has too many buckets of this length; `allowed` fit."),
    "too_many_groups": (422, "There are too many values to compare; `allowed` says what to narrow."),
    "body_invalid": (422, "The body is no JSON object, or `field` of it is wrong."),
    "config_invalid": (422, "The definition has mistakes: `findings` lists all of them."),
    "no_channel": (422, "The alert names nobody who could be told."),
    "bookkeeping_refused": (422, "The journal of money does not take it, as the message says."),
    "headers_too_large": (431, "The headers are over the limit."),
    "rate_limited": (429, "Too many requests; `Retry-After` says when to come again."),
    "alert_not_found": (404, "There is no such alert."),
    "budget_not_found": (404, "There is no such budget."),
    "call_not_found": (404, "No call, or more than one, has an id that begins so."),
    "customer_not_found": (404, "There is no such customer."),
    "export_not_found": (404, "There is no such export."),
    "invoice_not_found": (404, "There is no such invoice, draft or line."),
    "payee_not_found": (404, "There is no such payee."),
    "plan_not_found": (404, "There is no such plan."),
    "session_not_found": (404, "No call has this session."),
    "snooze_not_found": (404, "The alert is not snoozed."),
    "key_not_found": (404, "The key has no name that a command or the API gave it."),
    "token_not_found": (404, "There is no token with this id."),
    "stop_not_found": (404, "Nothing is stopped there."),
    "view_not_found": (404, "There is no view of this name."),
    "wallet_not_found": (404, "The customer has no wallet."),
    "views_damaged": (409, "`views.json` in the state directory is not what Farebox has written."),
    "views_full": (409, "There are as many views as there may be."),
    "price_file_invalid": (422, "The price has mistakes: `findings` lists all of them."),
    "portal_off": (409, "There is no portal: `portal:` in farebox.yaml says where customers find it."),
    "rerating_runs": (409, "Calls are being rated again already."),
    "doctor_failed": (503, "`farebox doctor` did not finish."),
    "invoice_refused": (409, "The invoice cannot be issued or changed, as the message says."),
    "not_installed": (501, "A part of Farebox that this needs is not installed; the message says which."),
    "internal_error": (500, "A defect of Farebox; the server's log has it."),
    "ledger_unavailable": (503, "The record cannot be read now."),
    "control_unavailable": (503, "`control.db` cannot be read now."),
    "question_failed": (503, "The question cannot be answered now; the message says what to do."),
    "replica_busy": (503, "Another process answers questions; try again."),
    "replica_building": (503, "Figures are being prepared; try again in a moment."),
}
"""Every slug of the API with its status and when it comes; the reference lists them."""


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
