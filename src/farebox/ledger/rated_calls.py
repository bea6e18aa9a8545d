"""Read many calls as far as rating looks at them: their usage, their rating and their class.

A fraction of the work of reading whole calls (`call_store`): a simulation rates all calls of a month again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from farebox.journal.records import Done
from farebox.ledger.append.dictionaries import CLASS_AT
from farebox.ledger.block_detail import Details
from farebox.ledger.call_store import MEASURED, is_corrected
from farebox.ledger.corrections.correction import decode_correction
from farebox.ledger.cost_classes import CostedRating
from farebox.ledger.database import Connection
from farebox.ledger.feed import Attribution, Feed
from farebox.wire.facts import Part

ROWS_AT_A_TIME = 2_000
_MODEL, _REQUEST_MODEL, _BILLABLE = (CLASS_AT[name] for name in ("model", "request_model", "billable"))

_SELECT = (
    "SELECT o.seq, n.seq, o.occurred_at, o.source, n.call_class, n.attribution, n.step, n.total_us, "  # noqa: S608
    f"n.cost_pico, n.charge_pico, {', '.join(f'n.{name}' for name in MEASURED)} FROM call o "
)  # names from constants
_AS_SEEN = "CROSS JOIN call n ON n.seq = o.seq "
_AS_THEY_COUNTED = (
    "CROSS JOIN call n ON n.event_id = o.event_id AND n.source = o.source AND n.revision = "
    "(SELECT max(revision) FROM call WHERE event_id = o.event_id AND source = o.source AND seq <= ?1) "
    "AND n.sign = 1 "
)
_OF_MODEL = (
    "AND n.call_class IN (SELECT id FROM call_class WHERE coalesce(request_model, model) "
    "IN (SELECT value FROM json_each(?7))) "
)
# The customer of an attribution is the number of a personal value.
_OF_CUSTOMER = (
    "CROSS JOIN attribution a ON a.id = n.attribution "
    "AND a.fields ->> '$.customer[0]' IN (SELECT value FROM json_each(?5)) "
)
_WITHIN = (
    "WHERE o.revision = 0 AND o.seq > ?2 AND o.seq <= ?6 AND o.occurred_at >= ?3 AND o.occurred_at < ?4 "
)
_IN_ORDER = f"ORDER BY o.seq LIMIT {ROWS_AT_A_TIME}"
_CUSTOMERS = "SELECT id FROM personal WHERE field = 'customer' AND value IN (SELECT value FROM json_each(?))"


class Usage(msgspec.Struct, array_like=True, gc=False):
    """The beginning of an `Extraction`: what follows is passed over."""

    parts: tuple[Part, ...] = ()


_LAST = Done.__struct_fields__.index("extraction") + 1
_KEPT = {"attribution": dict[str, str], "extraction": Usage}
_Seen = msgspec.defstruct(
    "_Seen",
    [(name, _KEPT.get(name, Any)) for name in Done.__struct_fields__[:_LAST]],
    array_like=True,
    gc=False,
)
_decode_seen: Any = msgspec.msgpack.Decoder(_Seen).decode
_decode_rating = msgspec.msgpack.Decoder(CostedRating).decode


class RatedCall(NamedTuple):
    """A call as it counted when some row was the newest one."""

    occurred_at: int
    source: str
    call_class: Sequence[Any]
    """As `CALL_CLASS`."""
    attribution: int
    """Whose it is: a number that `RatedCalls.attributions` knows."""
    own: Mapping[str, str]
    """Attribution that is of this call only: `trace`, `step_path` …"""
    step: str | None
    total_us: int
    cost_pico: int | None
    charge_pico: int | None
    tokens: Sequence[int]
    """As `MEASURED`."""
    parts: Sequence[Part]
    rating: CostedRating

    @property
    def is_billable(self) -> bool:
        """Whether anything can be charged for it: no price changes what others cost."""
        return bool(self.call_class[_BILLABLE])

    @property
    def asked_model(self) -> str | None:
        """The model that was asked for, or the one that responded where none was."""
        return self.call_class[_REQUEST_MODEL] or self.call_class[_MODEL]


class RatedCalls:
    """Reads the calls of some customers. For one thread."""

    def __init__(self, connection: Connection, customers: Collection[str]) -> None:
        self._connection = connection
        self._feed = Feed(connection)
        found = connection.execute(_CUSTOMERS, (_json(customers),))
        self._customers = _json([number for (number,) in found])
        self._sources: dict[int, str] = dict(connection.execute("SELECT id, name FROM source"))

    def within(
        self,
        from_ns: int,
        until_ns: int,
        seq: int,
        *,
        rows: tuple[int, int] | None = None,
        asked_for: Collection[str] | None = None,
    ) -> Iterator[RatedCall]:
        """Yield the calls of `[from_ns, until_ns)` as they counted at row `seq`, in order.

        `rows` are those behind one row, up to another one, that calls came in with; None for all.
        `asked_for` are the models of those that are wanted; None for all.
        """
        connection = self._connection
        joined = _AS_THEY_COUNTED if is_corrected(connection) else _AS_SEEN
        statement, asked = f"{_SELECT}{joined}{_OF_CUSTOMER}{_WITHIN}{_IN_ORDER}", ()
        if asked_for is not None:
            statement = f"{_SELECT}{joined}{_OF_CUSTOMER}{_WITHIN}{_OF_MODEL}{_IN_ORDER}"
            asked = (_json(asked_for),)
        # Rows come in order, so that every block is decoded once.
        first, newest = Details(connection), Details(connection)
        last, upto = rows or (0, seq)
        while True:
            bindings = (seq, last, from_ns, until_ns, self._customers, upto, *asked)
            found = connection.execute(statement, bindings).fetchall()
            yield from self._whole(found, first, newest)
            if len(found) < ROWS_AT_A_TIME:
                return
            last = found[-1][0]

    def attributions(self, calls: Iterable[RatedCall]) -> dict[int, Attribution]:
        """Return whose calls are, by the numbers that they have."""
        return self._feed.attributions({call.attribution for call in calls})

    def _whole(self, rows: Sequence[Sequence[Any]], first: Details, newest: Details) -> Iterator[RatedCall]:
        """Yield calls with what the blocks of the record have of them."""
        classes = self._feed.classes({row[4] for row in rows})
        for seen_at, row, at_ns, source, class_id, whose, step, total_us, cost, charge, *tokens in rows:
            record, rating = first.of(seen_at)
            seen = _decode_seen(record)
            parts = seen.extraction.parts
            if row != seen_at:
                change, rating = newest.of(row)
                usage = decode_correction(change).usage
                parts = parts if usage is None else usage.parts
            yield RatedCall(
                at_ns,
                self._sources[source],
                classes[class_id],
                whose,
                seen.attribution,
                step,
                total_us,
                cost,
                charge,
                tokens,
                parts,
                _decode_rating(rating),
            )


def _json(values: Collection[Any]) -> str:
    return msgspec.json.encode(list(values)).decode()
