"""A record's figures at one row, to compare a copy with what it was taken of."""

from __future__ import annotations

import msgspec

from farebox.home import Home
from farebox.ledger.database import Connection, open_reader

_SUMMED = ("cost_pico", "charge_pico", "input_tokens", "output_tokens")


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Exact totals of all rows up to `seq`, corrections included."""

    seq: int = 0
    """The newest row."""
    checkpoint: str = ""
    """The chain's head there; `farebox verify --checkpoint` takes it."""
    calls: int = 0
    unpriced_calls: int = 0
    """Whose cost is not known, and not in the total."""
    cost_pico: str = "0"
    """Pico-dollars, as decimal text: a sum may have more than 64 bits."""
    charge_pico: str = "0"
    input_tokens: str = "0"
    output_tokens: str = "0"
    marks: int = 0


def figures_of(home: Home) -> Figures:
    """Return the figures of a home's record; zeros where it has none.

    Raises:
        LedgerError: It cannot be read.
    """
    connection = open_reader(home)
    if connection is None:
        return Figures()
    try:
        with connection:
            return read_figures(connection)
    finally:
        connection.close()


def read_figures(connection: Connection) -> Figures:
    """Return the figures of the state that a connection's transaction sees."""
    # SQLite adds up in 64 bits and refuses to overflow: high and low halves are added apart.
    halves = ", ".join(
        f"coalesce(sum({name} >> 32), 0), coalesce(sum({name} & 4294967295), 0)" for name in _SUMMED
    )
    seq, calls, unpriced, *parts = connection.execute(
        "SELECT coalesce(max(seq), 0), coalesce(sum(sign), 0), "  # noqa: S608 - constants
        f"coalesce(sum(CASE WHEN cost_pico IS NULL THEN sign END), 0), {halves} FROM call"
    ).fetchone()
    sums = [str((high << 32) + low) for high, low in zip(parts[::2], parts[1::2], strict=True)]
    head = connection.execute("SELECT last_seq, hash FROM block ORDER BY first_seq DESC LIMIT 1").fetchone()
    (marks,) = connection.execute("SELECT count(*) FROM mark").fetchone()
    return Figures(
        seq=seq,
        checkpoint=f"{head[0]}:{head[1].hex()}" if head else "",
        calls=calls,
        unpriced_calls=unpriced,
        marks=marks,
        **dict(zip(_SUMMED, sums, strict=True)),
    )
