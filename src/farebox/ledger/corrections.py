"""What is found out about a call later, appended behind it: re-rating, estimates, the real count.

A correction holds everything that counts of its call from then on; the newest one stands. It is a
link of the same chain as the calls, and the sums change in the same transaction by the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from farebox.clock import iso
from farebox.ledger.chain import link
from farebox.ledger.database import Connection
from farebox.ledger.entries import COLUMN, Values
from farebox.ledger.names import AdmittedValues
from farebox.ledger.rollup import RollUp
from farebox.ledger.rows import CorrectionRow, EstimateRow
from farebox.ledger.stored import SELECT_NOW, with_details
from farebox.ledger.totals import Totals

RERATE, ESTIMATE, MEASURED = "rerate", "estimate", "measured"

REPLACED = (
    "completeness",
    "cost_state",
    "cost_pico",
    "charge_pico",
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
)
"""The columns of a call that a correction has, too, in its order."""

STORED = (
    "id",
    "after_seq",
    "call_seq",
    "recorded_at",
    "kind",
    "request",
    *REPLACED,
    "usage",
    "rating",
    "detail",
)
"""The columns of `correction` but its hash, in the order the hash is made over."""

_INSERT = f"INSERT INTO correction VALUES ({', '.join('?' * (len(STORED) + 1))})"  # noqa: S608 - names from constants
_AT = tuple(COLUMN[name] for name in REPLACED)
_CALL_SEQ, USAGE = STORED.index("call_seq"), STORED.index("usage")


class Bounds(msgspec.Struct, frozen=True, array_like=True):
    """Between what an estimate can lie. New fields go to the end, with a default."""

    method: str
    """How it was made: `tokenizer:o200k_base`, `calibrated:42`, `default:openai` …"""
    input_tokens_low: int
    input_tokens_high: int | None
    output_tokens_low: int
    output_tokens_high: int | None
    cost_low_pico: int | None = None
    cost_high_pico: int | None = None


class Detail(msgspec.Struct, frozen=True, array_like=True):
    """Why a call was corrected. New fields go to the end, with a default."""

    because: str
    was_completeness: str
    was_cost_state: str
    was_cost_pico: int | None
    was_charge_pico: int | None
    bounds: Bounds | None = None


class Change(NamedTuple):
    """One call as it counts now, and what is to count from now on."""

    now: Values
    """`COLUMNS` and the usage that counts."""
    replaced: tuple[Any, ...]
    """`REPLACED` as they are to be."""
    usage: bytes | None
    rating: bytes
    kind: str
    because: str
    request: str | None = None
    bounds: Bounds | None = None


encode_detail = msgspec.msgpack.Encoder().encode
decode_detail = msgspec.msgpack.Decoder(Detail).decode


def current(connection: Connection, seqs: Sequence[int]) -> list[Values]:
    """Return these calls as they count now, by their number."""
    listed = msgspec.json.encode(seqs).decode()
    statement = (
        f"SELECT {SELECT_NOW} FROM call_now "  # noqa: S608 - names from constants
        "WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq"
    )
    return with_details(connection, connection.execute(statement, (listed,)))


def any_there(connection: Connection) -> bool:
    """Tell whether anything was ever corrected: without, calls are read as they are."""
    return connection.execute("SELECT 1 FROM correction LIMIT 1").fetchone() is not None


def last_hash(connection: Connection, seq: int) -> bytes | None:
    """Return the hash of the newest correction behind the call `seq`."""
    row = connection.execute(
        "SELECT hash FROM correction WHERE after_seq = ? ORDER BY id DESC LIMIT 1", (seq,)
    ).fetchone()
    return row[0] if row else None


def links(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return what a correction's hash is made over: never what a call's could be."""
    return ("correction", *values)


def source_of(connection: Connection) -> str:
    """Return what calls are read from: as they were appended as long as nothing was corrected."""
    return "call_now" if any_there(connection) else "call_whole"


def trail(connection: Connection, seqs: Sequence[int]) -> dict[int, list[Values]]:
    """Return the corrections of these calls, oldest first, as `STORED`."""
    listed = msgspec.json.encode(seqs).decode()
    statement = (
        f"SELECT {', '.join(STORED)} FROM correction "  # noqa: S608 - names from constants
        "WHERE call_seq IN (SELECT value FROM json_each(?)) ORDER BY id"
    )
    found: dict[int, list[Values]] = {}
    for row in connection.execute(statement, (listed,)):
        found.setdefault(row[_CALL_SEQ], []).append(row)
    return found


def rows_of(trail: Sequence[Values]) -> tuple[list[CorrectionRow], EstimateRow | None]:
    """Return a call's corrections as they are shown, and the bounds that hold now."""
    shown: list[CorrectionRow] = []
    bounds: Bounds | None = None
    for row in trail:
        values = dict(zip(STORED, row, strict=True))
        detail = decode_detail(values["detail"])
        bounds = detail.bounds
        shown.append(
            CorrectionRow(
                recorded_at=iso(values["recorded_at"]),
                kind=values["kind"],
                because=detail.because,
                request=values["request"],
                was_completeness=detail.was_completeness,
                was_cost_state=detail.was_cost_state,
                was_cost_pico=detail.was_cost_pico,
                was_charge_pico=detail.was_charge_pico,
                cost_state=values["cost_state"],
                cost_pico=values["cost_pico"],
                charge_pico=values["charge_pico"],
            )
        )
    if bounds is None:
        return shown, None
    return shown, EstimateRow(
        **dict(zip(Bounds.__struct_fields__, msgspec.structs.astuple(bounds), strict=True))
    )


class Corrections:
    """Appends corrections within the caller's transaction."""

    def __init__(self, connection: Connection, admitted: AdmittedValues) -> None:
        self._connection = connection
        self._totals = Totals(connection, admitted)
        self._last_id = 0

    def load(self) -> None:
        """Take from the file how many there are."""
        self._totals.forget()
        row = self._connection.execute("SELECT max(id) FROM correction").fetchone()
        self._last_id = (row[0] or 0) if row else 0

    def begin(self) -> RollUp:
        """Return what the sums of corrections are gathered in; `finish` writes them."""
        return RollUp()

    def finish(self, rollup: RollUp) -> None:
        """Change the sums by what was gathered."""
        self._totals.write(rollup)

    def append(
        self, changes: Sequence[Change], rollup: RollUp, *, after_seq: int, head: bytes, recorded_at: int
    ) -> bytes:
        """Append `changes`, in the order of their calls, and return the chain's new head."""
        if not changes:
            return head
        stored: list[Values] = []
        before: list[Values] = []
        after: list[Values] = []
        for number, change in enumerate(changes, self._last_id + 1):
            now = change.now
            was = Detail(
                change.because,
                now[_AT[0]],
                now[_AT[1]],
                now[_AT[2]],
                now[_AT[3]],
                change.bounds,
            )
            values = (
                number,
                after_seq,
                now[0],
                recorded_at,
                change.kind,
                change.request,
                *change.replaced,
                change.usage,
                change.rating,
                encode_detail(was),
            )
            head = link(head, links(values))
            stored.append((*values, head))
            before.append(now)
            after.append(corrected(now, change.replaced))
        self._connection.executemany(_INSERT, stored)
        self._last_id += len(stored)
        rollup.change(before, after)
        return head


def corrected(call: Values, replaced: Sequence[Any]) -> Values:
    """Return a call's values with those of a correction in their places."""
    values = list(call)
    for at, value in zip(_AT, replaced, strict=True):
        values[at] = value
    return tuple(values)
