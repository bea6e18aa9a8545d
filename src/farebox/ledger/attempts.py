"""Which attempt of one logical call a recorded call was. What the record keeps of it is in its details."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from farebox.journal.records import Origin

_FIELDS = Origin.__struct_fields__
_Attempted = msgspec.defstruct(
    "_Attempted",
    [*((name, msgspec.Raw) for name in _FIELDS[: _FIELDS.index("attempt")]), ("attempt", int, 0)],
    array_like=True,
    gc=False,
)
"""The beginning of a record, up to its attempt: what comes before is passed over."""

_decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder(_Attempted).decode


def attempt_of(record: bytes) -> int:
    """Return the number of retries before this call; 0 for a first try, and for what is no call's record."""
    try:
        return _decode(record).attempt
    except msgspec.MsgspecError:
        return 0
