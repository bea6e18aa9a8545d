"""The chain over the entries of the audit: each link covers the one before it.

What may name a person (subject, detail, before and after) is covered by a salted digest: it can be
erased, and the chain stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

GENESIS = "0" * 64
_VERSION = b"farebox audit 1\n"


def content_digest(salt: str, subject: str, detail: str, changes: str) -> str:
    """Return the digest of what an entry says, hexadecimal."""
    return hashlib.sha256(bytes.fromhex(salt) + _framed((subject, detail, changes))).hexdigest()


def link(previous: str, number: int, id: str, at: int, actor: str, action: str, digest: str) -> str:
    """Return an entry's link of the chain, hexadecimal."""
    said = _framed((previous, str(number), id, str(at), actor, action, digest))
    return hashlib.sha256(_VERSION + said).hexdigest()


def _framed(texts: Iterable[str]) -> bytes:
    """Return texts one after the other, each with its length before it."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return b"".join(len(each).to_bytes(8) + each for each in encoded)
