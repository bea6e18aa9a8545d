"""Read the record in order, for the replica that answers questions, and for receipts. Values that calls
share are returned once, and rows refer to them by number.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import msgspec

from farebox.ledger.append.blocks import CALL
from farebox.ledger.append.dictionaries import CALL_CLASS, erased_name, is_verified_by
from farebox.ledger.cost_classes import CostClasses, Costs
from farebox.ledger.database import Connection

ROW_COLUMNS = ("seq", "call_seq", *(name for name in CALL if name != "response_key"))
"""A row of a `Batch`, in order. Money and tokens carry the row's sign; `call_seq` is the call's first row."""

CLASS_COLUMNS = CALL_CLASS
"""A class of calls in a `Batch`, in order."""

_REMEMBERED = 20_000

CALL_SEQ = (  # of a row of `call`, as SQL
    "CASE WHEN revision = 0 THEN seq ELSE (SELECT first.seq FROM call first "
    "WHERE first.event_id = call.event_id AND first.source = call.source AND first.revision = 0) END"
)
_SELECTED = ", ".join(CALL_SEQ if name == "call_seq" else name for name in ROW_COLUMNS)
_ROWS = f"SELECT {_SELECTED} FROM call WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 - constants
_CLASSES = (
    f"SELECT id, {', '.join(CLASS_COLUMNS)} FROM call_class "  # noqa: S608 - names from constants
    "WHERE id IN (SELECT value FROM json_each(?))"
)
_ATTRIBUTIONS = "SELECT id, verified, fields FROM attribution WHERE id IN (SELECT value FROM json_each(?))"
_PERSONAL = "SELECT id, value FROM personal WHERE id IN (SELECT value FROM json_each(?))"

_CLASS, _ATTRIBUTION, _SOURCE = (ROW_COLUMNS.index(name) for name in ("call_class", "attribution", "source"))
_COST_STATE = CLASS_COLUMNS.index("cost_state")
_detailed = itemgetter(*(ROW_COLUMNS.index(name) for name in ("seq", "call_seq", "reverses", "cost_pico")))
_decode_fields = msgspec.json.Decoder(dict[str, tuple[str | int, str | None]]).decode

T = TypeVar("T")


class Attribution(NamedTuple):
    """Whose a call is."""

    verified: bool
    """Bound by a key or a client token, not only stated."""
    fields: dict[str, str]
    """Name to value: `customer`, `session`, `tag.feature` …; of an erased value `erased_name`."""
    proven: dict[str, str]
    """Name to the key or client token that proves its value."""


class Batch(NamedTuple):
    """Consecutive rows of the record and everything they refer to."""

    rows: list[Sequence[Any]]
    """`ROW_COLUMNS` each, ascending by `seq`."""
    sources: dict[int, str]
    classes: dict[int, Sequence[Any]]
    """`CLASS_COLUMNS` each."""
    attributions: dict[int, Attribution]
    costs: Sequence[Costs] = ()
    """Of each row, as `cost_classes.COSTS`; empty where details were not asked for."""
    retries: Sequence[bool] = ()
    """Of each row, whether its call repeated one that had failed; empty like `costs`."""

    @property
    def last_seq(self) -> int:
        """The last row's number, 0 where there is none."""
        return self.rows[-1][0] if self.rows else 0


class Feed:
    """The rows of one open record, in order. For one thread."""

    def __init__(self, connection: Connection, remembered: int = _REMEMBERED) -> None:
        """`remembered`: of each kind of value that rows share, how many are kept in memory."""
        self._connection = connection
        self._kept = remembered
        self._sources: OrderedDict[int, str] = OrderedDict()
        self._classes: OrderedDict[int, Sequence[Any]] = OrderedDict()
        self._attributions: OrderedDict[int, Attribution] = OrderedDict()
        self._details = CostClasses(connection)

    def last_seq(self) -> int:
        """Return the newest row's number, 0 where there is none."""
        return self._connection.execute("SELECT coalesce(max(seq), 0) FROM call").fetchone()[0]

    def event_id(self, seq: int) -> bytes | None:
        """Return the id of the call that row `seq` is about, None where there is no such row."""
        row = self._connection.execute("SELECT event_id FROM call WHERE seq = ?", (seq,)).fetchone()
        return None if row is None else bytes(row[0])

    def last_erasure(self) -> int:
        """Return a number that grows whenever personal values are erased, 0 before the first time.

        What was read of the record before may hold values that it does not.
        """
        statement = "SELECT coalesce(max(id), 0) FROM mark WHERE kind = 'erased'"
        return self._connection.execute(statement).fetchone()[0]

    def after(self, seq: int, limit: int, *, with_details: bool = False) -> Batch:
        """Return at most `limit` rows after row `seq`.

        `with_details` reads what of each cost is for which tokens, and what was a retry. It takes longer.
        """
        with self._connection:
            rows: list[Sequence[Any]] = self._connection.execute(_ROWS, (seq, limit)).fetchall()
            classes = self.classes({row[_CLASS] for row in rows})
            costs: list[Costs] = []
            retries: list[bool] = []
            if with_details:
                details = self._details
                paid = {number for number, values in classes.items() if values[_COST_STATE] == "included"}
                for row in rows:
                    seq, call_seq, reverses, cost = _detailed(row)
                    costs.append(details.of_row(seq, reverses, cost, row[_CLASS] in paid))
                    retries.append(details.is_retry(seq, call_seq))
            return Batch(
                rows,
                _remembered(self._sources, {row[_SOURCE] for row in rows}, self._load_sources, self._kept),
                classes,
                self.attributions({row[_ATTRIBUTION] for row in rows}),
                costs,
                retries,
            )

    def classes(self, numbers: Collection[int]) -> dict[int, Sequence[Any]]:
        """Return classes of calls, `CLASS_COLUMNS` each, by number."""
        return _remembered(self._classes, numbers, self._load_classes, self._kept)

    def attributions(self, numbers: Collection[int]) -> dict[int, Attribution]:
        """Return whose these are, by number."""
        return _remembered(self._attributions, numbers, self._load_attributions, self._kept)

    def _load_sources(self, ids: str) -> dict[int, str]:
        found = "SELECT id, name FROM source WHERE id IN (SELECT value FROM json_each(?))"
        return dict(self._connection.execute(found, (ids,)))

    def _load_classes(self, ids: str) -> dict[int, Sequence[Any]]:
        return {row[0]: row[1:] for row in self._connection.execute(_CLASSES, (ids,))}

    def _load_attributions(self, ids: str) -> dict[int, Attribution]:
        stored = [
            (number, bool(verified), _decode_fields(fields))
            for number, verified, fields in self._connection.execute(_ATTRIBUTIONS, (ids,))
        ]
        personal = {
            value for _, _, fields in stored for value, _ in fields.values() if isinstance(value, int)
        }
        values: dict[int, str | None] = (
            dict(self._connection.execute(_PERSONAL, (_json(personal),))) if personal else {}
        )
        return {
            number: Attribution(
                verified,
                {
                    name: text
                    for name, (value, _) in fields.items()
                    if (text := _text(values, value) if isinstance(value, int) else value)
                },
                {name: source for name, (_, source) in fields.items() if source and is_verified_by(source)},
            )
            for number, verified, fields in stored
        }


def _text(values: Mapping[int, str | None], number: int) -> str:
    """Return a personal value, or what stands for an erased one."""
    value = values.get(number)
    return erased_name(number) if value is None else value


def _remembered(
    known: OrderedDict[int, T], wanted: Collection[int], load: Callable[[str], dict[int, T]], kept: int
) -> dict[int, T]:
    """Return what is wanted of a dictionary of the record, loading what is not known yet."""
    missing = [number for number in wanted if number not in known]
    if missing:
        known.update(load(_json(missing)))
    found = {number: known[number] for number in wanted}
    if len(known) > kept:
        for number in wanted:
            known.move_to_end(number)
        while len(known) > kept:
            known.popitem(last=False)
    return found


def _json(numbers: Collection[int]) -> str:
    return msgspec.json.encode(list(numbers)).decode()
