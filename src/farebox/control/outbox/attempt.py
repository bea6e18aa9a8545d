"""One attempt to deliver one message: its secret, its signature, the POST, and what the response means."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from farebox.control.outbox import webhooks
from farebox.control.outbox.delivery_state import Head, Outcome
from farebox.errors import FareboxError
from farebox.outbound.destination import destination
from farebox.outbound.http_post import LIMITS, Limits, RequestFailedError, post

GONE = 410

Secret = Callable[[Mapping[str, str]], str]
"""Return the text of a secret by its reference."""


async def attempt(
    head: Head,
    secret: Secret,
    now_ns: int,
    *,
    own_ports: frozenset[int] = frozenset(),
    limits: Limits = LIMITS,
) -> Outcome:
    """Send a message to its receiver and return how that ended. Never raises for what others did."""
    try:
        to = destination(head.settings.url, head.settings.address)
        keys = webhooks.signing_keys(secret(head.settings.secret))
    except (ValueError, FareboxError) as error:
        return Outcome(False, f"it cannot be sent: {error}")
    body = head.payload.encode()
    headers = webhooks.headers(keys, head.message, now_ns // 10**9, body)
    try:
        response = await post(to, headers, body, own_ports=own_ports, limits=limits)
    except RequestFailedError as error:
        return Outcome(False, str(error))
    if 200 <= response.status < 300:
        return Outcome(True)
    words = f"status {response.status}"
    if 300 <= response.status < 400:
        words += ", and redirects are not followed: write the new URL"
    if response.excerpt:
        words += f": {response.excerpt}"
    return Outcome(False, words, response.status == GONE, response.retry_after)
