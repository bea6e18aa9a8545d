"""Read whole calls from the record: as they were seen, and as they count now."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from farebox.charges.identities import without_mapped
from farebox.journal import records
from farebox.journal.records import Done
from farebox.ledger.append.dictionaries import CALL_CLASS, erased_name, is_erased_name
from farebox.ledger.block_detail import Details
from farebox.ledger.corrections.correction import Correction, decode_correction
from farebox.ledger.database import Connection
from farebox.wire.facts import Extraction

MEASURED = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
)
"""Token totals of a row, in the order of its columns."""


class StoredCall(NamedTuple):
    """A call as it counts now: what its newest row says, and what was seen."""

    seq: int
    """The number of its first row: what a call is known by."""
    row: int
    """The number of the row that counts."""
    revision: int
    event_id: bytes
    source: str
    occurred_at: int
    recorded_at: int
    attribution: int
    step: str | None
    parent_step: str | None
    response_key: int | None
    max_tokens: int | None
    first_byte_us: int
    total_us: int
    provider: str
    surface: str
    host: str
    model: str | None
    request_model: str | None
    key_fingerprint: str | None
    status: int
    outcome: str
    error_class: str | None
    streamed: int
    completeness: str
    billable: int
    cost_state: str
    cost_pico: int | None
    charge_pico: int | None
    input_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int
    done: Done
    """The record of its end, whose calls it is included."""
    rating: bytes
    """What was decided about it, encoded (append/entry.py)."""
    correction: Correction | None
    """What made the row that counts, where that is not the first."""
    first: Done
    """The record of its end as the first witness of it said it, attribution included."""

    @property
    def extraction(self) -> Extraction:
        """The usage that counts."""
        if self.correction is not None and self.correction.usage is not None:
            return self.correction.usage
        return self.done.extraction

    @property
    def call_class(self) -> tuple[Any, ...]:
        """What many calls have in common, as `CALL_CLASS`."""
        return self[_CLASS]

    @property
    def tokens(self) -> tuple[int, ...]:
        """Token totals, as `MEASURED`."""
        return (
            self.input_tokens,
            self.cache_read_input_tokens,
            self.cache_creation_input_tokens,
            self.output_tokens,
            self.reasoning_output_tokens,
        )


_FIELDS = StoredCall._fields
_CLASS = slice(_FIELDS.index("provider"), _FIELDS.index("cost_state") + 1)

_OF_ROW = ("attribution", "step", "parent_step", "response_key", "max_tokens", "first_byte_us", "total_us")
_SELECT = (
    "SELECT o.seq, n.seq, n.revision, o.event_id, s.name, o.occurred_at, "  # noqa: S608 - names from constants
    "(SELECT recorded_at FROM block WHERE first_seq <= o.seq ORDER BY first_seq DESC LIMIT 1), "
    + ", ".join(
        [f"n.{name}" for name in _OF_ROW]
        + [f"k.{name}" for name in CALL_CLASS]
        + [f"n.{name}" for name in ("cost_pico", "charge_pico", *MEASURED)]
        + ["o.attribution"]
    )
    + " FROM call o "
)
_AS_SEEN = "CROSS JOIN call n ON n.seq = o.seq "
_AS_IT_COUNTS = (
    "CROSS JOIN call n ON n.event_id = o.event_id AND n.source = o.source AND n.revision = "
    "(SELECT max(revision) FROM call WHERE event_id = o.event_id AND source = o.source) AND n.sign = 1 "
)
_REST = "CROSS JOIN call_class k ON k.id = n.call_class CROSS JOIN source s ON s.id = o.source WHERE "


def is_corrected(connection: Connection) -> bool:
    """Tell whether anything was ever corrected: if not, calls are read as they were seen."""
    statement = "SELECT 1 FROM call WHERE reverses IS NOT NULL LIMIT 1"
    return connection.execute(statement).fetchone() is not None


def read_calls(
    connection: Connection, where: str, parameters: Sequence[Any], *, as_seen: bool = False
) -> list[StoredCall]:
    """Return calls; `where` is SQL about `o`, the first row of each, and ends with their order."""
    newest = _AS_SEEN if as_seen or not is_corrected(connection) else _AS_IT_COUNTS
    statement = f"{_SELECT}{newest}{_REST}o.revision = 0 AND {where}"
    return _whole(connection, connection.execute(statement, parameters).fetchall())


def current(connection: Connection, seqs: Iterable[int]) -> list[StoredCall]:
    """Return these calls as they count now, by their number."""
    listed = msgspec.json.encode(list(seqs)).decode()
    return read_calls(connection, "o.seq IN (SELECT value FROM json_each(?)) ORDER BY o.seq", (listed,))


def has_content(connection: Connection, seq: int, done: Done) -> bool:
    """Tell whether the call with this number has the content of `done`; erased values count as equal."""
    (stored,) = read_calls(connection, "o.seq = ?", (seq,), as_seen=True)
    return has_said(stored.done, done)


def has_said(stored: Done, done: Done) -> bool:
    """Tell whether a stored record has the content of `done`; erased values count as equal."""
    if done.payload_sha256 is not None:
        return stored.payload_sha256 == done.payload_sha256
    known, known_from = without_mapped(stored.attribution, stored.attribution_from)
    stored = msgspec.structs.replace(stored, attribution=known, attribution_from=known_from)
    erased = {name for name in done.attribution if is_erased_name(known.get(name))}
    said = {name: value for name, value in done.attribution.items() if name not in erased}
    kept = {name: value for name, value in known.items() if name not in erased}
    return msgspec.structs.replace(stored, attribution=kept, attribution_from={}) == msgspec.structs.replace(
        done, attribution=said, attribution_from={}
    )


def _whole(connection: Connection, rows: Iterable[tuple[Any, ...]]) -> list[StoredCall]:
    details, attributions = Details(connection), Attributions(connection)
    found: list[StoredCall] = []
    for values in rows:
        seq, row = values[0], values[1]
        record, rating = details.of(seq)
        correction = None
        if row != seq:
            change, rating = details.of(row)
            correction = decode_correction(change)
        *values, attribution = values
        first = done = records.decode_done(record)
        if values[_ATTRIBUTION] != attribution or correction is not None:
            done = msgspec.structs.replace(done)
            attributions.attach(first, attribution)
        attributions.attach(done, values[_ATTRIBUTION])
        if correction is not None:
            steps = {"step": values[_STEP], "parent_step": values[_STEP + 1]}
            done.attribution.update({name: value for name, value in steps.items() if value is not None})
        found.append(StoredCall._make((*values, done, rating, correction, first)))
    return found


_ATTRIBUTION, _STEP = _FIELDS.index("attribution"), _FIELDS.index("step")


class Attributions:
    """Whose calls are, by the number of the attribution; the last ones are remembered."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._of = functools.lru_cache(maxsize=2_000)(self._read)

    def of(self, number: int) -> tuple[dict[str, str], dict[str, str]]:
        """Return names to values and to their sources; of an erased value `erased_name`."""
        return self._of(number)

    def attach(self, done: Done, number: int) -> None:
        """Put the attribution back into a call's record."""
        values, sources = self._of(number)
        done.attribution = {**values, **done.attribution}
        done.attribution_from = {**sources, **done.attribution_from}

    def _read(self, number: int) -> tuple[dict[str, str], dict[str, str]]:
        row = self._connection.execute("SELECT fields FROM attribution WHERE id = ?", (number,)).fetchone()
        values: dict[str, str] = {}
        sources: dict[str, str] = {}
        fields: dict[str, list[Any]] = msgspec.json.decode(row[0]) if row else {}
        for name, (value, source) in fields.items():
            if isinstance(value, int):
                personal = self._connection.execute(
                    "SELECT value FROM personal WHERE id = ?", (value,)
                ).fetchone()
                value = erased_name(value) if personal is None or personal[0] is None else personal[0]
            values[name] = value
            if source is not None:
                sources[name] = source
        return values, sources
