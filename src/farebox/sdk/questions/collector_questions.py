"""Ask the collector something, as a reader."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from farebox.errors import QuestionError, ServerNotRunningError
from farebox.sdk.settings import reader_token
from farebox.sdk.shipping.collector_client import CollectorClient, CollectorError, Response


class _Failure(msgspec.Struct):
    code: str = ""
    message: str = ""


_decode_failure = msgspec.json.Decoder(_Failure).decode


def ask(collector: str, target: str, headers: Mapping[str, str] | None = None, *, seconds: float) -> Response:
    """Return the collector's response, 200 or 304.

    Raises:
        ServerNotRunningError: It cannot be reached; the message says what to start.
        QuestionError: It refused; the message says why, or what to type.
    """
    client = CollectorClient(collector, reader_token())
    client.response_s = seconds
    try:
        response = client.request("GET", target, headers=headers)
    except CollectorError as error:
        raise ServerNotRunningError(f"{error}; start a collector there with: farebox up") from None
    finally:
        client.close()
    if response.status in (401, 403):
        raise QuestionError(
            f"{collector} does not let this token read (status {response.status}); make one there with: "
            "farebox tokens create reports --scope read, and give it as read_token= or FAREBOX_READ_TOKEN"
        )
    if response.status not in (200, 304):
        try:
            message = _decode_failure(response.body).message
        except (msgspec.MsgspecError, UnicodeDecodeError):
            message = ""
        raise QuestionError(message or f"{collector} responded with HTTP status {response.status}")
    return response
