"""Values that many rows share, stored once: writers, classes of calls, attributions, personal values.

A row refers to them by number. The chain covers their digests, so that none can be changed unnoticed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from farebox.ledger.append.insertion import Insert
from farebox.ledger.database import Connection

CALL_CLASS = (
    "provider",
    "surface",
    "host",
    "model",
    "request_model",
    "key_fingerprint",
    "status",
    "outcome",
    "error_class",
    "streamed",
    "completeness",
    "billable",
    "cost_state",
)
"""The columns of `call_class` but its id and digest."""

CLASS_AT = {name: index for index, name in enumerate(CALL_CLASS)}

PER_CALL = frozenset({"trace", "request_id", "step", "parent_step", "step_path"})
"""Attribution that two calls hardly ever share; it is stored with the call."""

PERSONAL = frozenset({"user", "customer", "session", "session_name", "session_path", "task", "organization"})
_PERSONAL_PREFIXES = ("tag.", "process.", "container.")

ERASED = "erased"
"""The kind of incident that names erased values, by their numbers."""

_ERASED_NAME = re.compile(r"\(erased \d+\)")
_KEPT = 20_000
_SALT_BYTES = 16
_BOUND_EVENT = "bound:"
_VERIFIED_BY = ("key:", "token:", _BOUND_EVENT)

CallClass = tuple[Any, ...]
"""Values of `CALL_CLASS`."""

_canonical = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder(order="sorted").encode


class Numbered(NamedTuple):
    """The number that stands for something in the file, and its digest."""

    number: int
    digest: bytes


class PersonalRow(NamedTuple):
    """One personal value, and the number that stands for it."""

    number: int
    field: str
    value: str


class Whose(NamedTuple):
    """Whose call it is, as found out: names to values, and to their sources."""

    values: tuple[tuple[str, str], ...]
    sources: tuple[tuple[str, str], ...]


def is_personal(name: str) -> bool:
    """Tell whether an attribution may name a person."""
    return name in PERSONAL or name.startswith(_PERSONAL_PREFIXES)


def is_verified_by(source: str | None) -> bool:
    """Tell whether a source of an attribution proves it: a bound key or a client token."""
    return source is not None and source.startswith(_VERIFIED_BY)


def is_bound_event(source: str | None) -> bool:
    """Tell whether the source of an attribution is a collector's token that can speak of nobody else."""
    return source is not None and source.startswith(_BOUND_EVENT)


def erased_name(number: int) -> str:
    """Return what stands for an erased value: still one value, told apart from others."""
    return f"(erased {number:d})"


def is_erased_name(value: str | None) -> bool:
    """Tell whether a value stands for an erased one."""
    return value is not None and _ERASED_NAME.fullmatch(value) is not None


def class_digest(values: Sequence[Any]) -> bytes:
    """Return SHA-256 over the values of a class of calls."""
    return hashlib.sha256(_canonical(values)).digest()


def attribution_digest(verified: int, fields: str) -> bytes:
    """Return SHA-256 over an attribution as it is stored."""
    return hashlib.sha256(_canonical((verified, fields))).digest()


def commitment_of(salt: bytes, field: str, value: str) -> bytes:
    """Return what the chain covers in place of a personal value."""
    return hashlib.sha256(salt + field.encode() + b"\0" + value.encode()).digest()


class Dictionaries:
    """Numbers of what rows refer to; looked up, or given when first met, in the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._classes = _Numbers(self._class_of)
        self._attributions = _Numbers(self._attribution_of)
        self._sources: dict[str, int] = {}
        self._personal: dict[tuple[str, str], int] = {}
        self._last_class = self._last_attribution = 0
        self.last_personal = 0
        self._commitments: list[bytes] = []

    def load(self) -> None:
        """Start again from the file: at the start, and after a transaction that failed."""
        for known in (self._classes, self._attributions, self._sources, self._personal):
            known.clear()
        execute = self._connection.execute
        self._last_class = execute("SELECT coalesce(max(id), 0) FROM call_class").fetchone()[0]
        self._last_attribution = execute("SELECT coalesce(max(id), 0) FROM attribution").fetchone()[0]
        self.last_personal = execute("SELECT coalesce(max(id), 0) FROM personal").fetchone()[0]
        # Those that came with an outcome or a score are covered by what is chained next: a block, a witness.
        self._commitments = [commitment for (commitment,) in execute(_NOT_COVERED)]

    def classes(self, wanted: Iterable[CallClass]) -> list[Numbered]:
        """Return the numbers of classes of calls."""
        return list(map(self._classes.__getitem__, wanted))

    def attributions(self, wanted: Iterable[Whose | int]) -> list[Numbered]:
        """Return the numbers of attributions; one that is there already may be given by its number."""
        return list(map(self._attributions.__getitem__, wanted))

    def sources(self, names: Iterable[str]) -> list[int]:
        """Return the numbers of writers."""
        known = self._sources
        return [known.get(name) or self._source_of(name) for name in names]

    def personal_values(self, numbers: Sequence[int]) -> list[PersonalRow]:
        """Return which of these personal values are still there."""
        rows = self._connection.execute(
            "SELECT id, field, value FROM personal WHERE value IS NOT NULL "
            "AND id IN (SELECT value FROM json_each(?))",
            (_json(list(numbers)).decode(),),
        ).fetchall()
        return [PersonalRow(*row) for row in rows]

    def erase(self, numbers: Sequence[int]) -> list[int]:
        """Erase personal values and return the numbers of those that were still there.

        Number and commitment stay, so rows, sums and the chain are as they were. The same value is a new
        one if it comes again.
        """
        erased = self._connection.execute(
            "UPDATE personal SET value = NULL, salt = NULL WHERE value IS NOT NULL "
            "AND id IN (SELECT value FROM json_each(?)) RETURNING id",
            (_json(list(numbers)).decode(),),
        ).fetchall()
        self._personal.clear()
        self._attributions.clear()
        return sorted(number for (number,) in erased)

    def personal(self, field: str, value: str) -> int:
        """Return the number of a personal value."""
        return self._personal_of(field, value)

    def take_commitments(self) -> bytes:
        """Return the commitments of the personal values that came since this was asked last."""
        found = b"".join(self._commitments)
        self._commitments.clear()
        return found

    def _source_of(self, name: str) -> int:
        execute = self._connection.execute
        row = execute("SELECT id FROM source WHERE name = ?", (name,)).fetchone()
        if row is None:
            row = execute("INSERT INTO source (name) VALUES (?) RETURNING id", (name,)).fetchone()
        if len(self._sources) >= _KEPT:
            self._sources.clear()
        number = self._sources[name] = int(row[0])
        return number

    def _class_of(self, values: CallClass) -> Numbered:
        digest = class_digest(values)
        row = self._connection.execute("SELECT id FROM call_class WHERE digest = ?", (digest,)).fetchone()
        if row is not None:
            return Numbered(row[0], digest)
        _ADD_CLASS.run(self._connection, [(self._last_class + 1, digest, *values)])
        self._last_class += 1
        return Numbered(self._last_class, digest)

    def _attribution_of(self, whose: Whose | int) -> Numbered:
        if isinstance(whose, int):
            statement = "SELECT digest FROM attribution WHERE id = ?"
            return Numbered(whose, self._connection.execute(statement, (whose,)).fetchone()[0])
        sources = dict(whose.sources)
        said = {
            name: [self._personal_of(name, value) if is_personal(name) else value, sources.get(name)]
            for name, value in whose.values
        }
        verified = int(is_verified_by(sources.get("customer")))
        fields = _json(said).decode()
        digest = attribution_digest(verified, fields)
        number = self._last_attribution + 1
        execute = self._connection.execute
        if execute(_ADD_ATTRIBUTION, (number, digest, verified, fields)).fetchone() is None:
            (number,) = execute("SELECT id FROM attribution WHERE digest = ?", (digest,)).fetchone()
            return Numbered(number, digest)
        self._last_attribution = number
        return Numbered(number, digest)

    def _personal_of(self, field: str, value: str) -> int:
        if is_erased_name(value):  # of an attribution that is written again with something else in it
            return int(value[len("(erased ") : -1])
        known = self._personal.get((field, value))
        if known is not None:
            return known
        salt, number = os.urandom(_SALT_BYTES), self.last_personal + 1
        commitment = commitment_of(salt, field, value)
        execute = self._connection.execute
        if execute(_ADD_PERSONAL, (number, field, value, salt, commitment)).fetchone() is not None:
            self.last_personal = number
            self._commitments.append(commitment)
        else:
            statement = "SELECT id FROM personal WHERE field = ? AND value = ?"
            (number,) = execute(statement, (field, value)).fetchone()
        if len(self._personal) >= _KEPT:
            self._personal.clear()
        self._personal[field, value] = number
        return number


class _Numbers(dict[Any, Numbered]):
    """Numbers by what they stand for, found when first asked for."""

    def __init__(self, find: Callable[[Any], Numbered]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, key: Any) -> Numbered:
        if len(self) >= _KEPT:
            self.clear()
        found = self[key] = self._find(key)
        return found


# What is not remembered is most probably new: one statement then.
_ADD_ATTRIBUTION = "INSERT OR IGNORE INTO attribution VALUES (?, ?, ?, ?) RETURNING id"
_ADD_PERSONAL = "INSERT OR IGNORE INTO personal VALUES (?, ?, ?, ?, ?) RETURNING id"
_NOT_COVERED = (
    "SELECT commitment FROM personal WHERE id > max("
    "coalesce((SELECT last_personal FROM block ORDER BY first_seq DESC LIMIT 1), 0), "
    "coalesce((SELECT last_personal FROM witness ORDER BY id DESC LIMIT 1), 0)) ORDER BY id"
)
_ADD_CLASS = Insert("call_class", len(CALL_CLASS) + 2)
