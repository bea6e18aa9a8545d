"""Join what several witnesses saw of one call, in the applier's transaction.

Which witnesses are of one call is found out by `matching`. The first of them made the call's row; here
rows follow what is known now: a correction where figures or attribution change, a reversal alone where
two rows turn out to be one call, a row of its own for a witness that had been joined to another's call.
Nothing is looked up while all calls of the record are of one kind of witness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw
import msgspec

from farebox.charges.identities import without_mapped
from farebox.journal import records
from farebox.journal.records import Done
from farebox.ledger.append.blocks import CALL_AT, Blocks, Row
from farebox.ledger.append.entry import decode_rating, entry_of
from farebox.ledger.append.judgement import Judged, judge
from farebox.ledger.block_detail import Details
from farebox.ledger.call_store import StoredCall, has_said, read_calls
from farebox.ledger.charging.call_charges import CallCharges
from farebox.ledger.corrections.correction import WITNESS, Correction, encode_correction, reversal_of
from farebox.ledger.corrections.estimation import Estimation
from farebox.ledger.corrections.rerating import Rerating
from farebox.ledger.database import Connection
from farebox.ledger.witnesses.group import Group, unite_by_ids
from farebox.ledger.witnesses.least_usage import lacking, states_less
from farebox.ledger.witnesses.matching import Matching
from farebox.ledger.witnesses.merging import best_of, has_attribution, has_figures, merged
from farebox.ledger.witnesses.sighting import IDS_NS, SECOND_NS, Facts, Sighting, facts_of
from farebox.ledger.witnesses.sightings import Sightings
from farebox.ledger.witnesses.witness_chain import WitnessChain
from farebox.pricing.facts import RatedPart

_AT_A_TIME = 2_000
_KEPT_NS = 2 * IDS_NS
"""Sightings of calls that were recorded before are dropped: what is a day old may be of one a day older."""
_AFTER_COVERING_NS = 3_600 * SECOND_NS
_DROPPED_AT_ONCE = 50_000
_REVISION = CALL_AT["revision"]
_DUPLICATE = "duplicate_of:"

Rate = Callable[[Sequence[Judged]], list[list[RatedPart]]]


class Joining:
    """Holds what of the record's witnesses this transaction has looked at."""

    def __init__(
        self,
        connection: Connection,
        blocks: Blocks,
        charges: CallCharges,
        estimation: Estimation,
        clock: Callable[[], int],
    ) -> None:
        self._connection = connection
        self._blocks = blocks
        self._charges = charges
        self._estimation = estimation
        self.unmeasured: list[tuple[int, Done]] = []
        """Calls whose figures are those of a witness that saw a part of their usage."""
        self._sightings = Sightings(connection)
        self._matching = Matching(self._sightings)
        self._chain = WitnessChain(connection, blocks, clock)
        self._clock = clock
        self._covered_ns = 0
        """When sightings of earlier calls were made last."""
        self._since: int | None = None
        """Calls from this number on have their sightings; None while there is one kind of witness."""
        self._sole: str | None = None
        """That kind, None before the first call."""

    def load(self) -> None:
        """Begin anew from the file."""
        execute = self._connection.execute
        self._sightings.load()
        self._matching.touched.clear()
        self.unmeasured.clear()
        self._chain.load()
        row = execute("SELECT seq FROM joined_since").fetchone()
        self._since = None if row is None else row[0]
        row = execute("SELECT seq FROM call WHERE revision = 0 ORDER BY seq DESC LIMIT 1").fetchone()
        self._sole = None
        if row is not None and self._since is None:
            self._sole = records.decode_done(Details(self._connection).of(row[0])[0]).witness

    def begin(self) -> None:
        """Forget what the last transaction read."""
        self._sightings.forget()

    def has_several_kinds(self, rows: Sequence[Judged]) -> bool:
        """Tell whether more than one kind of witness has been seen, these calls included."""
        if self._since is not None:
            return True
        kinds = {row.done.witness for row in rows}
        if self._sole is None and len(kinds) == 1:
            (self._sole,) = kinds
        return kinds != {self._sole}

    def place(self, rows: Sequence[Judged]) -> list[Judged]:
        """Take calls in and return those that make a row, in order; the others are witnesses of such.

        Raises:
            apsw.ConstraintError: One of them has been seen before.
        """
        self._cover(min(row.done.occurred_at_ns for row in rows) - IDS_NS)
        facts = [self._facts(row.done) for row in rows]
        self._sightings.prefetch(facts)
        by_number: dict[int, Judged] = {}
        for row, each in zip(rows, facts, strict=True):
            if self._find(each) is not None:
                raise apsw.ConstraintError("a witness that is in the record")
            new = self._matching.place(each)
            new.done = msgspec.structs.replace(row.done)  # making a row takes the attribution out
            by_number[new.number] = row
        makers = [_maker_of(group) for group in self._matching.touched if group.members]
        found = sorted([each for each in makers if each is not None], key=lambda each: each.number)
        for seq, each in enumerate(found, self._blocks.seq + 1):
            each.row, each.stands, each.group.call = seq, True, seq
            self._sightings.changed(each)
        return [
            by_number.get(each.number) or judge(msgspec.structs.replace(self._said(each))) for each in found
        ]

    def knows(self, done: Done) -> bool | None:
        """Tell whether a witness without a row is there with this content; None where it is not there."""
        if self._since is None:
            return None
        said = self._chain.record_of(done.event_id, done.source)
        return None if said is None else has_said(said, done)

    @property
    def is_unsettled(self) -> bool:
        """There may be rows that do not say what is known."""
        return bool(self._matching.touched)

    def settle(self, book: Any, rate: Rate) -> None:
        """Make rows say what is known of the calls that were touched."""
        groups = [group for group in self._matching.touched if group.members and not _is_settled(group)]
        self._matching.touched.clear()
        rerating = Rerating(book, self._charges)
        for start in range(0, len(groups), _AT_A_TIME):
            self._settle(groups[start : start + _AT_A_TIME], rerating, book, rate)
        self._sightings.write()

    def _settle(self, groups: Sequence[Group], rerating: Rerating, book: Any, rate: Rate) -> None:
        members = [each for group in groups for each in group.members]
        self._read(members)
        standing = [each.row for each in members if each.stands and each.row is not None]
        now = {call.seq: call for call in _by_number(self._connection, standing)}
        rows: list[Row] = []
        told: list[tuple[Sighting, Done]] = []
        for group in groups:
            first, others = _first_of(group)
            group.call = first.row or 0
            for each in others:
                if each.stands and each.row is not None:
                    rows.append(reversal_of(now[each.row]))
                    self._charges.take_back(now[each.row].rating)
                    each.stands = False
            current = now[group.call] if first.stands else None
            witnesses = [self._said(each) for each in group.members]
            best = best_of(witnesses)
            wire = lacking(witnesses)
            if wire is not None and states_less(best, wire, current, self._estimation, rerating):
                best = wire
            said = self._charges.resolve(merged(self._said(first), witnesses, best))
            if wire is not None and best is wire and (current is None or current.completeness != "estimated"):
                self.unmeasured.append((group.call, wire))
            because = _because(group, said.witness)
            if current is not None:
                rows += self._corrected(current, said, because, rerating, book)
            else:
                rows.append(self._again(said, because, rate))
                first.stands = True
            changed = [each for each in others if each.told != group.call]
            if first.told not in (0, group.call):
                changed.append(first)
            told += [(each, self._said(each)) for each in changed]
            for each in group.members:
                self._sightings.changed(each)
        if rows:
            self._blocks.append(rows)
        self._chain.append(told)

    # -- rows --

    def _corrected(
        self, now: StoredCall, said: Done, because: str, rerating: Rerating, book: Any
    ) -> Sequence[Row]:
        """Return the rows that make a call say what its witnesses do; none where it says so."""
        before = decode_rating(now.rating).not_billable_because or ""
        keeps_figures = before.startswith(_DUPLICATE) or has_figures(now, said)
        if keeps_figures and has_attribution(now, said):
            return ()
        judged = judge(said)
        if keeps_figures:
            judged = self._as_it_counts(now, said, before or None)
        done = judged.done
        asking = now._replace(done=done, key_fingerprint=done.key_fingerprint)
        parts, completeness = done.extraction.parts, done.extraction.completeness
        if judged.billable:
            rated = rerating.rate_parts(asking, parts, completeness)
        else:
            self._charges.take_back(now.rating)
            rated = [
                book.rate(part, occurred_at_ns=now.occurred_at, completeness=completeness, billable=False)
                for part in parts
            ]
        return reversal_of(now), _replacement(judged, rated, now.revision + 2, because)

    def _as_it_counts(self, now: StoredCall, said: Done, not_billable_because: str | None) -> Judged:
        """Return a call with its figures as they count now and the attribution of its witnesses."""
        kept = msgspec.structs.replace(
            said,
            extraction=now.extraction,
            status=now.status,
            outcome=now.outcome,
            error_class=now.error_class,
            provider=now.provider,
        )
        return Judged(kept, bool(now.billable), not_billable_because)

    def _again(self, said: Done, because: str, rate: Rate) -> Row:
        """Return the row by which a call counts again that had been taken for another's witness."""
        (revision,) = self._connection.execute(
            "SELECT max(revision) FROM call WHERE event_id = ? "
            "AND source = (SELECT id FROM source WHERE name = ?)",
            (said.event_id, said.source),
        ).fetchone()
        judged = judge(said)
        (rated,) = rate([judged])
        return _replacement(judged, rated, revision + 1, because)

    # -- what was said --

    def _said(self, each: Sighting) -> Done:
        if each.done is None:
            self._read([each])
        if each.done is None:
            raise LookupError(f"nothing is known of witness {each.facts.event_id.hex()}")
        return each.done

    def _read(self, some: Iterable[Sighting]) -> None:
        """Read the records of witnesses."""
        unread = [each for each in some if each.done is None]
        by_row = {each.row: each for each in unread if each.row is not None}
        for call in _by_number(self._connection, by_row, as_seen=True):
            by_row[call.seq].done = _as_said(call.done)
        for each in unread:
            if each.done is None:
                (source,) = self._connection.execute(
                    "SELECT name FROM source WHERE id = ?", (each.facts.source,)
                ).fetchone()
                each.done = self._chain.record_of(each.facts.event_id, source)

    def _facts(self, done: Done) -> Facts:
        dictionaries = self._blocks.dictionaries
        (source,) = dictionaries.sources([done.source])
        return facts_of(_as_said(done), source, dictionaries.personal)

    def _find(self, facts: Facts) -> Sighting | None:
        found = self._sightings.of_event(facts.event_id)
        return next((each for each in found if each.facts.source == facts.source), None)

    def _cover(self, since_ns: int) -> None:
        """Make sightings of the calls that were recorded since a moment, where they are not made yet."""
        execute = self._connection.execute
        end = self._blocks.seq + 1 if self._since is None else self._since
        if end == 1 and self._since is not None:
            return
        (first,) = execute("SELECT min(first_seq) FROM block WHERE recorded_at >= ?", (since_ns,)).fetchone()
        begin = end if first is None else min(first, end)
        if self._since is not None and begin == end:
            return
        for start in range(begin, end, _AT_A_TIME):
            self._make_again(start, min(start + _AT_A_TIME, end) - 1)
            self._sightings.write()
            self._sightings.forget()
        self._covers_since(begin)
        self._covered_ns = self._clock()

    def _covers_since(self, first: int) -> None:
        self._connection.execute("DELETE FROM joined_since")
        self._connection.execute("INSERT INTO joined_since VALUES (?)", (first,))
        self._since = first

    def _make_again(self, first: int, last: int) -> None:
        """Make the sightings of the calls that rows belong to, each with all of its witnesses."""
        calls = self._chain.calls_of_rows(first, last)
        calls -= self._sightings.present(calls)
        groups: dict[int, Group] = {}
        for call in _by_number(self._connection, calls, as_seen=True):
            seen = self._sightings.add(self._facts(call.done))
            seen.row, seen.stands, seen.group.call = call.seq, True, call.seq
            groups[call.seq] = seen.group
        for call, done, row in self._chain.members_of(groups):
            group = groups[call]
            if row == call:
                group.members[0].told = call
                continue
            seen = self._sightings.add(self._facts(done))
            seen.row, seen.told = row, call
            self._sightings.move([seen], group)
        for group in groups.values():
            unite_by_ids(group)

    def forget_old(self, recorded_before_ns: int | None = None) -> None:
        """Drop what no witness of a call of the last day is compared with; it can be made again.

        Not while somebody hands in what is older: it would be made again for every batch.
        """
        now = self._clock()
        if self._since is None or now - self._covered_ns < _AFTER_COVERING_NS:
            return
        before = now - _KEPT_NS if recorded_before_ns is None else recorded_before_ns
        execute = self._connection.execute
        (kept,) = execute("SELECT min(first_seq) FROM block WHERE recorded_at >= ?", (before,)).fetchone()
        first = min(self._blocks.seq + 1 if kept is None else kept, self._sightings.first + _DROPPED_AT_ONCE)
        if first > self._since:
            self._sightings.drop(first)
            self._covers_since(first)


def _as_said(done: Done) -> Done:
    """Return what a witness said, without the customer that its names stand for."""
    values, sources = without_mapped(done.attribution, done.attribution_from)
    if values is done.attribution:
        return done
    return msgspec.structs.replace(done, attribution=values, attribution_from=sources)


def _maker_of(group: Group) -> Sighting | None:
    """Return the witness that a group's row is to be made of, None where it has one."""
    if any(each.row is not None for each in group.members):
        return None
    return min(group.members, key=lambda each: each.number)


def _first_of(group: Group) -> tuple[Sighting, list[Sighting]]:
    """Return the witness whose row is the call's, and the others."""
    made = [each for each in group.members if each.row is not None]
    first = min(made, key=lambda each: (not each.stands, each.row))
    return first, [each for each in group.members if each is not first]


def _is_settled(group: Group) -> bool:
    """Tell whether a group is a call like most: one new witness, which has just made its row."""
    return len(group.members) == 1 and group.members[0].is_new


def _because(group: Group, best: str) -> str:
    kinds = sorted(group.kinds)
    return (
        f"seen by {' and '.join(kinds)}, figures of {best}" if len(kinds) > 1 else f"seen by {kinds[0]} alone"
    )


def _replacement(judged: Judged, rated: Sequence[RatedPart], revision: int, because: str) -> Row:
    usage = judged.done.extraction
    row = entry_of(judged, rated)
    values = (*row.values[:_REVISION], revision, *row.values[_REVISION + 1 :])
    correction = Correction(WITNESS, because, None, None, usage)
    return Row(values, encode_correction(correction), row.rating)


def _by_number(
    connection: Connection, seqs: Iterable[int | None], *, as_seen: bool = False
) -> list[StoredCall]:
    listed = msgspec.json.encode(list(seqs)).decode()
    where = "o.seq IN (SELECT value FROM json_each(?)) ORDER BY o.seq"
    return read_calls(connection, where, (listed,), as_seen=as_seen)
