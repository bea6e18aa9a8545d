"""What a channel makes of a message, and what it makes of the response."""

from __future__ import annotations

import re
from typing import NamedTuple

from farebox import __version__
from farebox.channels.settings import Form
from farebox.outbound.destination import Destination
from farebox.outbound.http_post import Response

GONE = 410
_REFUSED = (400, 413, 422)
"""The message itself is refused: it would be, again."""

JSON_HEADERS = {
    "content-type": "application/json; charset=utf-8",
    "user-agent": f"farebox/{__version__}",
    "accept": "*/*",
}


class Sending(NamedTuple):
    """What a module is given to make its requests of."""

    message: str
    """The message's id, the same at each attempt."""
    payload: str
    to: Destination
    secret: str = ""
    """The routing key, where it is one; a secret URL is in `to`."""
    token: str = ""


class Post(NamedTuple):
    """One POST."""

    to: Destination
    headers: dict[str, str]
    body: bytes


class Verdict(NamedTuple):
    """What a response means."""

    delivered: bool
    words: str = ""
    is_permanent: bool = False
    """It would be refused again: nothing more is tried with this message."""
    is_gone: bool = False
    """Nothing is wanted there any more."""
    retry_after: str | None = None


def verdict(form: Form, response: Response) -> Verdict:
    """Return what a response means.

    400, 413 and 422 refuse the message; 410 says that nothing is wanted any more, as Discord says with 404
    (https://discord.com/developers/docs/topics/rate-limits: do not go on sending to a webhook that is gone).
    Anything else may be put right, by the vendor or by the owner, and is tried again.
    """
    if 200 <= response.status < 300:
        return Verdict(True)
    words = f"status {response.status}"
    if 300 <= response.status < 400:
        words += ", and redirects are not followed: write the new URL"
    if response.excerpt:
        words += f": {response.excerpt}"
    is_gone = response.status == GONE or (form == "discord" and response.status == 404)
    return Verdict(
        False,
        words,
        is_permanent=form != "webhook" and response.status in _REFUSED,
        is_gone=is_gone,
        retry_after=response.retry_after or _seconds_in(response.excerpt),
    )


def _seconds_in(excerpt: str) -> str | None:
    """Return the whole seconds of `"retry_after": 1.5` in a body, rounded up, as `Retry-After` has them."""
    found = re.search(r'"retry_after"\s*:\s*(\d{1,6})(\.\d+)?', excerpt)
    if found is None:
        return None
    return str(int(found[1]) + (1 if found[2] and found[2].strip(".0") else 0))
