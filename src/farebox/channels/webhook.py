"""Signatures and headers of webhooks, as https://www.standardwebhooks.com specifies them.

What is signed is `id.timestamp.body` with HMAC-SHA-256; the header has one signature a secret, so that a
receiver can change from one to the next. The timestamp is the attempt's, the id is the message's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence

from farebox import __version__

PREFIX = "whsec_"
SECRET_BYTES = 32
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
"""What the specification allows for a symmetric secret."""
SECRETS_MAX = 4


def new_secret() -> str:
    """Return a secret as receivers are given it: `whsec_` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signing_keys(text: str) -> list[bytes]:
    """Return the keys of one or more secrets with white space between them, the newest first.

    Raises:
        ValueError: Something else; the text repeats nothing of it.
    """
    keys: list[bytes] = []
    for word in text.split():
        try:
            key = base64.b64decode(word.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not word.startswith(PREFIX) or not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
            raise ValueError(
                f"a signing secret is {PREFIX} and {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes in base64"
            )
        keys.append(key)
    if not 1 <= len(keys) <= SECRETS_MAX:
        raise ValueError(f"1 to {SECRETS_MAX} signing secrets are used at once")
    return keys


def signature(keys: Sequence[bytes], id: str, timestamp_s: int, body: bytes) -> str:
    """Return the `webhook-signature` header."""
    signed = f"{id}.{timestamp_s}.".encode() + body
    digests = (hmac.digest(key, signed, "sha256") for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def headers(keys: Sequence[bytes], id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Return the headers of one attempt."""
    return {
        "content-type": "application/json",
        "user-agent": f"farebox/{__version__}",
        "accept": "*/*",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": signature(keys, id, timestamp_s, body),
    }
