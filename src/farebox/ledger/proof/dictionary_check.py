"""Check what rows refer to against the digests that the chain covers."""

from __future__ import annotations

from typing import Protocol

from farebox.ledger.append.dictionaries import (
    CALL_CLASS,
    attribution_digest,
    class_digest,
    commitment_of,
)
from farebox.ledger.database import Connection

_ERASED = "SELECT value FROM mark, json_each(mark.detail, '$.personal') WHERE mark.kind = 'erased'"
_FIRST_OF_CLASS = "SELECT min(seq) FROM call WHERE call_class = ?"
_FIRST_OF_ATTRIBUTION = "SELECT min(seq) FROM call WHERE attribution = ?"
_FIRST_OF_PERSONAL = (
    "SELECT min(c.seq) FROM attribution a JOIN call c ON c.attribution = a.id WHERE EXISTS "
    "(SELECT 1 FROM json_each(a.fields) f WHERE f.value ->> '$[0]' = ? AND f.key = ?)"
)


class TellProblem(Protocol):
    """Report what is wrong, and with which row."""

    def __call__(self, what: str, detail: str, seq: int | None = None, /) -> None: ...


def check_dictionaries(connection: Connection, problem: TellProblem) -> None:
    """Recompute every digest; name the first row that refers to one that was changed."""
    execute = connection.execute
    for number, digest, *values in execute(
        f"SELECT id, digest, {', '.join(CALL_CLASS)} FROM call_class"  # noqa: S608 - names from constants
    ):
        if class_digest(tuple(values)) != digest:
            first = execute(_FIRST_OF_CLASS, (number,)).fetchone()[0]
            problem("dictionary", f"the class of row {first} is not as it was appended", first)
    for number, digest, verified, fields in execute("SELECT id, digest, verified, fields FROM attribution"):
        if attribution_digest(verified, fields) != digest:
            first = execute(_FIRST_OF_ATTRIBUTION, (number,)).fetchone()[0]
            problem("dictionary", f"the attribution of row {first} is not as it was appended", first)
    erased = {number for (number,) in execute(_ERASED)}
    for number, field, value, salt, commitment in execute(
        "SELECT id, field, value, salt, commitment FROM personal"
    ):
        if value is None and salt is None:
            if number not in erased:
                first = execute(_FIRST_OF_PERSONAL, (number, field)).fetchone()[0]
                problem("dictionary", f"the {field} of row {first} was erased without a mark of it", first)
        elif value is None or salt is None or commitment_of(salt, field, value) != commitment:
            first = execute(_FIRST_OF_PERSONAL, (number, field)).fetchone()[0]
            problem("dictionary", f"the {field} of row {first} is not as it was appended", first)
