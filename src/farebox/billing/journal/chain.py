"""The hash of a transaction: of the one before it and of all that it says."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from farebox.billing.journal.entries import Entry

VERSION = 1
FIRST = "0" * 64
"""The hash before the first transaction."""


def hash_of(
    prev_hash: str,
    *,
    number: int,
    key: str,
    kind: str,
    reference: str,
    at: int,
    actor: str,
    detail: str,
    entries: Sequence[Entry],
) -> str:
    """Return SHA-256(previous hash ‖ canonical JSON), hexadecimal; `detail` is JSON as it is stored."""
    legs = [[each.account, each.party, each.grant, each.currency, each.amount_minor] for each in entries]
    said = [VERSION, number, key, kind, reference, at, actor, detail, legs]
    return sha256(bytes.fromhex(prev_hash) + msgspec.json.encode(said)).hexdigest()
