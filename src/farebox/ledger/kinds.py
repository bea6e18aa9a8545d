"""What many calls have in common, stored once: everything of a call that has few values, together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from farebox.ledger.database import Connection
from farebox.ledger.inserting import Insert

KIND = (
    "provider",
    "surface",
    "model",
    "request_model",
    "key_fingerprint",
    "app",
    "status",
    "outcome",
    "completeness",
    "billable",
    "cost_state",
)
"""The columns of `kind` but its id and digest."""

Kind = tuple[Any, ...]
"""Values of `KIND`."""

AT = {name: index for index, name in enumerate(KIND)}

_KEPT = 10_000
_SOURCES_KEPT = 1_000
_DIGEST_BYTES = 16

_FIND = "SELECT id FROM kind WHERE digest = ?"
_ADD = Insert("kind", len(KIND) + 2)
_canonical = msgspec.msgpack.Encoder().encode


class Kinds(dict[Kind, int]):
    """Counts the kinds of calls as they are met; `listed` has them in that order."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: list[Kind] = []
        self._values: dict[Any, Any] = {}

    def __missing__(self, kind: Kind) -> int:
        share = self._values.setdefault
        kind = tuple([share(value, value) for value in kind])  # they differ in few values: it saves memory
        number = self[kind] = len(self.listed)
        self.listed.append(kind)
        return number


def digest_of(kind: Kind) -> bytes:
    """Return what finds a kind among the stored ones."""
    return hashlib.sha256(_canonical(kind)).digest()[:_DIGEST_BYTES]


class _Sources(dict[str, int]):
    """The numbers of writers, looked up or given when first asked for."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def __missing__(self, name: str) -> int:
        find = "SELECT id FROM source WHERE name = ?"
        add = "INSERT INTO source (name) VALUES (?) RETURNING id"
        if len(self) >= _SOURCES_KEPT:
            self.clear()
        row = self._connection.execute(find, (name,)).fetchone()
        if row is None:
            row = self._connection.execute(add, (name,)).fetchone()
        number = self[name] = int(row[0])
        return number


class Numbers:
    """The numbers that stand for kinds and sources in the file."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[bytes, int] = {}
        """By digest: kinds themselves take much more memory."""
        self._sources = _Sources(connection)

    def of_kinds(self, kinds: Sequence[Kind]) -> list[int]:
        """Return the numbers of kinds, new ones where they have none."""
        known, execute = self._known, self._connection.execute
        if len(known) >= _KEPT:
            known.clear()
        added: list[tuple[Any, ...]] = []
        numbers: list[int] = []
        last = 0
        for kind in kinds:
            digest = digest_of(kind)
            number = known.get(digest)
            if number is None:
                row = execute(_FIND, (digest,)).fetchone()
                if row is not None:
                    number = int(row[0])
                else:
                    last = (last or execute("SELECT coalesce(max(id), 0) FROM kind").fetchone()[0]) + 1
                    number = last
                    added.append((number, digest, *kind))
                known[digest] = number
            numbers.append(number)
        _ADD.run(self._connection, added)
        return numbers

    def of_sources(self, names: Iterable[str]) -> list[int]:
        """Return the numbers of sources, new ones where they have none."""
        return list(map(self._sources.__getitem__, names))

    def forget(self) -> None:
        """Drop everything, after a transaction was rolled back."""
        self._known.clear()
        self._sources.clear()
