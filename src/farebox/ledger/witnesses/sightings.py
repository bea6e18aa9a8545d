"""Every witness of the record that a later one may have to be compared with, found by what it may share.

Kept in a table of its own once a second kind of witness has come, and made again from the record's rows
for the time before. What a transaction needs is read once, by the batch; changes are written at its end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec

from farebox.ledger.append.insertion import Insert
from farebox.ledger.database import Connection
from farebox.ledger.witnesses.group import Group
from farebox.ledger.witnesses.sighting import (
    Facts,
    Sighting,
    around,
    event_key,
    id_keys,
    moment_key,
    sent_id,
)

_EVENT, _MOMENT, _RESPONSE, _REQUEST = "event_key", "moment_key", "response_key", "request_key"
_COLUMNS = (_EVENT, _MOMENT, _RESPONSE, _REQUEST)
_CALLS_WITH = {
    column: f"SELECT DISTINCT call_seq FROM sighting WHERE {column} IN (SELECT value FROM json_each(?))"  # noqa: S608 - names from constants
    for column in _COLUMNS
}
_OF_CALLS = (
    "SELECT id, call_seq, core, row_seq, told, facts FROM sighting "
    "WHERE call_seq IN (SELECT value FROM json_each(?)) ORDER BY id"
)
_PRESENT = "SELECT DISTINCT call_seq FROM sighting WHERE call_seq IN (SELECT value FROM json_each(?))"
_INSERT = Insert("sighting", 5 + len(_COLUMNS) + 1)
_CHANGE = "UPDATE sighting SET call_seq = ?, core = ?, row_seq = ?, told = ? WHERE id = ?"

_AROUND = 16
"""How many times two seconds before and after a witness a chain of moves may reach."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Facts).decode


class Sightings:
    """What this transaction has read of the table, and what it changes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last = 0
        self._known: dict[int, Sighting] = {}
        self._calls: set[int] = set()
        """Calls whose witnesses have been read."""
        self._looked_up: dict[str, set[int]] = {column: set() for column in _COLUMNS}
        self._by: dict[str, defaultdict[int, list[Sighting]]] = {
            column: defaultdict(list) for column in (_EVENT, _RESPONSE, _REQUEST)
        }
        self._alike: defaultdict[int, dict[frozenset[str], dict[Sighting, None]]] = defaultdict(dict)
        """By moment and by the kinds of their groups: where thousands look alike, most are complete."""
        self._changed: dict[Sighting, None] = {}

    def load(self) -> None:
        """Begin anew from the file."""
        self._last = self._connection.execute("SELECT coalesce(max(id), 0) FROM sighting").fetchone()[0]
        self.forget()

    def forget(self) -> None:
        """Drop what was read for the last transaction."""
        for kept in (self._known, self._calls, self._alike, self._changed, *self._by.values()):
            kept.clear()
        for keys in self._looked_up.values():
            keys.clear()

    def add(self, facts: Facts) -> Sighting:
        """Return a new witness, alone in its group."""
        self._last += 1
        made = Sighting(self._last, facts, Group(0))
        self._file(made)
        self._set_members(made.group, [made])
        self._changed[made] = None
        return made

    def prefetch(self, wanted: Iterable[Facts]) -> None:
        """Read what the other methods will be asked for, with few statements."""
        keys: dict[str, set[int]] = {column: set() for column in _COLUMNS}
        for facts in wanted:
            keys[_EVENT].add(event_key(facts.event_id))
            keys[_MOMENT].update(around(moment_key(facts)))
            keys[_RESPONSE].update(id_keys(facts.response_id, facts.occurred_at))
            keys[_REQUEST].update(id_keys(sent_id(facts), facts.occurred_at))
        for column, values in keys.items():
            self._look_up(column, values)

    def of_event(self, event_id: bytes) -> list[Sighting]:
        """Return the witnesses with an event id."""
        found = self._with(_EVENT, (event_key(event_id),))
        return [each for each in found if each.facts.event_id == event_id]

    def of_ids(self, facts: Facts) -> list[Sighting]:
        """Return the witnesses that may have the same response or request id."""
        return [
            *self._with(_RESPONSE, id_keys(facts.response_id, facts.occurred_at)),
            *self._with(_REQUEST, id_keys(sent_id(facts), facts.occurred_at)),
        ]

    def alike(self, one: Sighting, without: frozenset[str]) -> Iterator[Sighting]:
        """Yield witnesses that may have the same fingerprint, of groups that have none of these kinds."""
        keys = around(one.moment)
        self._look_up(_MOMENT, keys)
        for key in keys:
            for kinds, some in self._alike[key].items() if key in self._alike else ():
                if kinds.isdisjoint(without):
                    yield from some

    def has_open(self, one: Sighting) -> bool:
        """Tell whether, around its moment, a group with its fingerprint has no witness of its kind."""
        keys = around(one.moment, _AROUND)
        self._look_up(_MOMENT, keys)
        kind = one.facts.kind
        return any(kind not in kinds for key in keys if key in self._alike for kinds in self._alike[key])

    def move(self, some: Collection[Sighting], group: Group) -> None:
        """Make witnesses members of a group, and of no other."""
        moved = [each for each in some if each.group is not group]
        for before in {id(each.group): each.group for each in moved}.values():
            self._set_members(before, [each for each in before.members if each not in moved])
        self._set_members(group, [*group.members, *moved])
        for each in moved:
            each.group = group
            self._changed[each] = None

    @property
    def first(self) -> int:
        """The first call that has its sightings, 0 where none has."""
        (found,) = self._connection.execute("SELECT min(call_seq) FROM sighting").fetchone()
        return found or 0

    def present(self, calls: Iterable[int]) -> set[int]:
        """Return which calls have their sightings."""
        return {call for (call,) in self._connection.execute(_PRESENT, (_json(calls),))}

    def drop(self, before: int) -> None:
        """Drop the witnesses of calls before this one, and what was read for the last transaction."""
        self._connection.execute("DELETE FROM sighting WHERE call_seq < ?", (before,))
        self.forget()

    def changed(self, each: Sighting) -> None:
        """Note that what is stored of a witness is not as it was."""
        self._changed[each] = None

    def write(self) -> None:
        """Store what changed, within the caller's transaction."""
        new = sorted([each for each in self._changed if each.is_new], key=lambda each: each.number)
        old = [(*_state(each), each.number) for each in self._changed if not each.is_new]
        _INSERT.run(self._connection, [_values(each) for each in new])
        if old:
            self._connection.executemany(_CHANGE, old)
        for each in new:
            each.is_new = False
        self._changed.clear()

    def _set_members(self, group: Group, members: list[Sighting]) -> None:
        before, kinds = group.kinds, frozenset([each.facts.kind for each in members])
        for each in group.members:
            lists = self._alike[each.moment]
            if each in lists.get(before, ()):
                del lists[before][each]
                if not lists[before]:
                    del lists[before]
        group.members, group.kinds = members, kinds
        for each in members:
            self._alike[each.moment].setdefault(kinds, {})[each] = None

    def _with(self, column: str, keys: Collection[int]) -> list[Sighting]:
        self._look_up(column, keys)
        index = self._by[column]
        return [each for key in keys if key in index for each in index[key]]

    def _look_up(self, column: str, keys: Iterable[int]) -> None:
        """Read what the file has under these keys: whole groups, so that memory never has half of one."""
        missing = set(keys) - self._looked_up[column]
        if not missing:
            return
        self._looked_up[column] |= missing
        found = self._connection.execute(_CALLS_WITH[column], (_json(missing),))
        calls = {call for (call,) in found} - self._calls
        if not calls:
            return
        self._calls |= calls
        groups: dict[int, list[Sighting]] = {}
        for number, call, core, row, told, facts in self._connection.execute(_OF_CALLS, (_json(calls),)):
            if number in self._known:
                continue  # read before, and moved to another call since
            read = Sighting(number, _decode(facts), Group(call))
            read.core, read.row, read.told = core, row, told
            read.stands, read.is_new = row == call, False
            self._file(read)
            groups.setdefault(call, []).append(read)
        for call, members in groups.items():
            group = Group(call)
            for each in members:
                each.group = group
            self._set_members(group, members)

    def _file(self, each: Sighting) -> None:
        self._known[each.number] = each
        event, _, response, request = _keys(each)
        self._by[_EVENT][event].append(each)
        if response is not None:
            self._by[_RESPONSE][response].append(each)
        if request is not None:
            self._by[_REQUEST][request].append(each)


def _keys(each: Sighting) -> tuple[int, int, int | None, int | None]:
    """Return the keys that a witness is stored under, as `_COLUMNS`."""
    facts = each.facts
    at = facts.occurred_at
    return (
        event_key(facts.event_id),
        each.moment,
        next(iter(id_keys(facts.response_id, at)), None),
        next(iter(id_keys(sent_id(facts), at)), None),
    )


def _state(each: Sighting) -> tuple[Any, ...]:
    return each.group.call, each.core, each.row, each.told


def _values(each: Sighting) -> tuple[Any, ...]:
    return (each.number, *_state(each), *_keys(each), _encode(each.facts))


def _json(numbers: Iterable[int]) -> str:
    return msgspec.json.encode(list(numbers)).decode()
