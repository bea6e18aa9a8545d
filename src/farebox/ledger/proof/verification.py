"""Prove that the record is what was appended: recompute everything and compare.

Checked are the file itself, its schema and triggers, the dictionaries against their digests, the chains over
every block of rows, every mark and every witness and where they end, the checkpoints (those inside and one
that the user kept), the periods of plans, and the positions in the journals. The replica is compared by
`farebox.analytics`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import apsw
import msgspec

from farebox.clock import iso
from farebox.errors import LedgerDamagedError, LedgerError
from farebox.home import Home
from farebox.journal.folders import Position
from farebox.journal.format import HEADER_BYTES, decode_record, segment_name, segment_seed
from farebox.ledger.append.blocks import CALL_AT, block_link
from farebox.ledger.append.results import check_results
from farebox.ledger.block_detail import Details
from farebox.ledger.charging.call_charges import stored_charge
from farebox.ledger.database import Connection, open_reader, schema
from farebox.ledger.proof.block_check import SELECT, check_block
from farebox.ledger.proof.chain import GENESIS, Checkpoint, link
from farebox.ledger.proof.chain_ends import missing_rows
from farebox.ledger.proof.dictionary_check import check_dictionaries
from farebox.ledger.proof.signed_checkpoint import signature_problems
from farebox.ledger.witnesses.witness_chain import witness_link
from farebox.signing_key import known_keys

_BLOCKS = "SELECT first_seq, last_seq, last_personal, recorded_at, detail, hash FROM block ORDER BY first_seq"
_ROWS = SELECT + "WHERE c.seq BETWEEN ? AND ? ORDER BY c.seq"
_WITNESSES = (
    "SELECT w.id, call_seq, kind, source, event_id, attribution, record, figures_digest, after_seq, "
    "last_personal, recorded_at, a.digest, hash FROM witness w "
    "LEFT JOIN attribution a ON a.id = w.attribution ORDER BY w.id"
)
_LAST_PERSONAL = "SELECT last_personal FROM block WHERE last_seq <= ? ORDER BY first_seq DESC LIMIT 1"
_REVISION = 1 + CALL_AT["revision"]
_PROBLEMS_MAX = 100
_UNREADABLE = (apsw.Error, UnicodeDecodeError, TypeError, LedgerError)
"""Exceptions that corrupted bytes of a database file can raise."""


class Problem(msgspec.Struct, kw_only=True):
    """One thing that is not as it was appended."""

    what: str
    """`chain`, `result`, `witness`, `dictionary`, `checkpoint`, `period`, `position`, `mark`, `schema` or
    `file`."""
    seq: int | None = None
    """The call concerned, where it is one."""
    detail: str


class Report(msgspec.Struct, kw_only=True):
    """What `verify` found."""

    rows: int = 0
    marks: int = 0
    witnesses: int = 0
    """How many times another witness of a call was written down."""
    corrections: int = 0
    """How many of the rows are replacements."""
    checkpoint: str | None = None
    """The chain's head, to keep somewhere else and give to a later `verify`."""
    problems: list[Problem] = []
    """At most 100."""

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.problems

    @property
    def first_bad_seq(self) -> int | None:
        """The first call that is not as it was appended."""
        return min((problem.seq for problem in self.problems if problem.seq is not None), default=None)


def verify(home: Home, checkpoint: str | None = None) -> Report:
    """Recompute the ledger of `home`; `checkpoint` is one the user kept.

    Raises:
        UsageError: `checkpoint` is not one.
    """
    kept = Checkpoint.parse(checkpoint) if checkpoint else None
    try:
        connection = open_reader(home)
    except LedgerDamagedError as error:
        return Report(problems=[Problem(what="file", detail=str(error))])
    if connection is None:
        missing = Problem(what="checkpoint", detail="there is no ledger, so none that contains it")
        return Report(problems=[missing] if kept and kept.seq else [])
    try:
        with connection:
            return _Verification(connection, home, kept).run()
    except apsw.Error as error:
        return Report(problems=[Problem(what="file", detail=str(error))])
    finally:
        connection.close()


class _Verification:
    def __init__(self, connection: Connection, home: Home, kept: Checkpoint | None) -> None:
        self._connection = connection
        self._home = home
        self._kept = kept
        self._report = Report(problems=[])
        self._witnessed: list[tuple[int, int]] = []
        """For each witness the newest row before it, and the last personal value that it covers."""

    def run(self) -> Report:
        mark_hashes: dict[int, bytes] = {0: GENESIS}
        checks: list[tuple[str, Callable[[], None]]] = [
            ("file", self._check_file),
            ("schema", self._check_schema),
            ("mark", lambda: self._check_marks(mark_hashes)),
            ("dictionary", lambda: check_dictionaries(self._connection, self._problem)),
            ("witness", self._check_witnesses),
            ("chain", lambda: self._check_rows(mark_hashes)),
            ("checkpoint", self._check_signatures),
            ("result", lambda: check_results(self._connection, self._problem)),
            ("period", self._check_periods),
            ("position", self._check_positions),
        ]
        for what, check in checks:
            try:
                check()
            except _UNREADABLE as error:
                seq = self._report.rows + 1 if what == "chain" else None
                self._problem(what, f"cannot be read: {error}", seq)
        return self._report

    def _problem(self, what: str, detail: str, seq: int | None = None) -> None:
        if len(self._report.problems) < _PROBLEMS_MAX:
            self._report.problems.append(Problem(what=what, detail=detail, seq=seq))

    def _check_file(self) -> None:
        for (text,) in self._connection.execute("PRAGMA integrity_check(10)"):
            if text != "ok":
                self._problem("file", text)

    def _check_schema(self) -> None:
        expected_connection: Any = apsw.Connection(":memory:")
        expected_connection.execute(schema())
        statement = "SELECT type, name, tbl_name, sql FROM sqlite_schema"
        expected = set(expected_connection.execute(statement))
        expected_connection.close()
        found = set(self._connection.execute(statement))
        # Statistics that SQLite keeps for its planner change no meaning.
        changed = {entry for entry in expected ^ found if not entry[1].startswith("sqlite_stat")}
        for kind, name, _, _ in sorted(changed, key=str):
            self._problem("schema", f"the {kind} {name} is not as Farebox made it")

    def _check_marks(self, hashes: dict[int, bytes]) -> None:
        previous, expected = GENESIS, 1
        for *values, stored in self._connection.execute(
            "SELECT id, recorded_at, writer, kind, detail, hash FROM mark ORDER BY id"
        ):
            previous = link(previous, tuple(values))
            if values[0] != expected or previous != stored:
                self._problem("mark", f"mark {values[0]} is not as it was written")
                previous = stored
            hashes[values[0]] = stored
            expected = values[0] + 1
        self._check_end("mark", expected - 1, previous)
        self._report.marks = len(hashes) - 1

    def _check_rows(self, mark_hashes: dict[int, bytes]) -> None:
        promised = self._promised(mark_hashes)
        previous, expected, last_personal = GENESIS, 1, 0
        witnessed = deque(self._witnessed)
        for first, last, personal, recorded_at, detail, stored in self._connection.execute(_BLOCKS):
            while witnessed and witnessed[0][0] < first:
                last_personal = max(last_personal, witnessed.popleft()[1])
            if first != expected:
                self._problem("chain", f"rows {expected} to {first - 1} are missing", expected)
            rows = self._connection.execute(_ROWS, (first, last)).fetchall()
            checked = check_block(first, last, rows, detail)
            commitments = self._commitments(last_personal, personal)
            computed = block_link(previous, first, last, recorded_at, commitments, checked.digest)
            if checked.problem is not None:
                self._problem("chain", *checked.problem)
            elif computed != stored:
                self._problem("chain", *checked.suspect)
            for what, wanted in promised.pop(last, ()):
                if wanted != computed:
                    self._problem("checkpoint", f"row {last} does not agree with {what}", last)
            previous, expected, last_personal = stored, last + 1, personal
            self._report.rows += len(rows)
            self._report.corrections += sum(row[_REVISION] > 0 and row[_REVISION] % 2 == 0 for row in rows)
        self._check_strays(expected, max([last_personal, *[last for _, last in witnessed]]))
        for seq, promises in promised.items():
            for what, wanted in promises:
                if seq or wanted != GENESIS:
                    self._problem("checkpoint", f"row {seq} is missing, says {what}", min(seq, expected))
        self._report.checkpoint = str(Checkpoint(expected - 1, previous))

    def _check_witnesses(self) -> None:
        previous, expected, last_personal = GENESIS, 1, 0
        for *values, attribution, stored in self._connection.execute(_WITNESSES):
            number, call, after, last = values[0], values[1], values[8], values[9]
            (covered,) = self._connection.execute(_LAST_PERSONAL, (after,)).fetchone() or (0,)
            commitments = self._commitments(max(covered, last_personal), last)
            previous = witness_link(previous, tuple(values), attribution, commitments)
            if number != expected or previous != stored:
                self._problem("witness", f"witness {number}, of call {call}, is not as it was written", call)
                previous = stored
            self._witnessed.append((after, last))
            expected, last_personal = number + 1, last
        self._check_end("witness", expected - 1, previous)
        self._report.witnesses = expected - 1

    def _check_end(self, chain: str, last_id: int, last_hash: bytes) -> None:
        missing = missing_rows(self._connection, chain, last_id, last_hash)
        if missing is not None:
            self._problem(chain, missing)

    def _commitments(self, after: int, last: int) -> bytes:
        statement = "SELECT commitment FROM personal WHERE id > ? AND id <= ? ORDER BY id"
        return b"".join(row[0] for row in self._connection.execute(statement, (after, last)))

    def _check_strays(self, expected: int, last_personal: int) -> None:
        """Look for rows outside of every block: those between blocks were never appended, either."""
        statement = "SELECT seq FROM call WHERE seq < 1 OR seq >= ? ORDER BY seq LIMIT 10"
        for (seq,) in self._connection.execute(statement, (expected,)):
            self._problem("chain", f"row {seq} was never appended", seq)
        statement = (
            "SELECT id FROM personal p WHERE id > ? AND NOT EXISTS (SELECT 1 FROM attribution a, "
            "json_each(a.fields) f WHERE f.value ->> '$[0]' = p.id AND f.key = p.field AND (a.id IN "
            "(SELECT attribution FROM outcome) OR a.id IN (SELECT attribution FROM score))) "
            "ORDER BY id LIMIT 10"
        )
        for (number,) in self._connection.execute(statement, (last_personal,)):
            self._problem("dictionary", f"personal value {number} came with no row")

    def _promised(self, mark_hashes: dict[int, bytes]) -> dict[int, list[tuple[str, bytes]]]:
        """Return which hash each checkpoint promises for which row."""
        promised: dict[int, list[tuple[str, bytes]]] = {}
        for seq, stored, mark_id, mark_hash in self._connection.execute(
            "SELECT seq, hash, mark_id, mark_hash FROM checkpoint"
        ):
            promised.setdefault(seq, []).append(("a checkpoint in the ledger", stored))
            if mark_hashes.get(mark_id) != mark_hash:
                self._problem("checkpoint", f"mark {mark_id} does not agree with the checkpoint at row {seq}")
        if self._kept:
            promised.setdefault(self._kept.seq, []).append(("the checkpoint you kept", self._kept.hash))
        return promised

    def _check_signatures(self) -> None:
        for seq, words in signature_problems(self._connection, known_keys(self._home)):
            self._problem("checkpoint", words, seq or None)

    # -- periods of plans --

    def _check_periods(self) -> None:
        """Add up what each call's rating adds to its period under its customer's plan."""
        expected: dict[tuple[str, int], tuple[Fraction, int]] = {}
        details = Details(self._connection)
        statement = (
            "SELECT seq FROM call c WHERE sign = 1 "
            "AND NOT EXISTS (SELECT 1 FROM call r WHERE r.reverses = c.seq) ORDER BY seq"
        )
        for (seq,) in self._connection.execute(statement):
            rating = details.of(seq)[1]
            if b"@" not in rating:  # most ratings have no share in a period and are not decoded
                continue
            for share in stored_charge(rating).shares:
                key = share.charge, share.period_ns
                quantity, events = expected.get(key, (Fraction(0), 0))
                expected[key] = quantity + Fraction(share.quantity), events + share.events
        found = {
            (charge, period_ns): (Fraction(quantity), int(events))
            for charge, period_ns, quantity, events in self._connection.execute(
                "SELECT charge, period_ns, quantity, events FROM plan_period"
            )
        }
        for key in sorted(expected.keys() | found.keys()):
            if expected.get(key, (0, 0)) != found.get(key, (0, 0)):
                self._problem("period", f"{key[0]} since {iso(key[1])}: the rows and the period differ")

    # -- positions --

    def _check_positions(self) -> None:
        for *values, stored in self._connection.execute(
            "SELECT writer, segment, offset, seq, finished, last_call, hash FROM applied"
        ):
            writer, segment, offset, seq, finished, last_call = values
            heads = [
                head
                for (head,) in self._connection.execute(
                    "SELECT hash FROM block WHERE last_seq = ?", (last_call,)
                )
            ]
            if all(link(head, tuple(values)) != stored for head in heads or [GENESIS]):
                self._problem("position", f"the position in {writer} is not as it was written")
            elif not finished and not self._is_border(writer, Position(segment, offset, seq)):
                self._problem("position", f"the position in {writer} is in the middle of a record")

    def _is_border(self, writer: str, position: Position) -> bool:
        """Tell whether the record at `position`, if one is there, is the one expected."""
        path = self._home.journal / writer / segment_name(position.segment)
        if position.offset < HEADER_BYTES or not path.exists():
            return True
        with path.open("rb") as file:
            file.seek(position.offset)
            data = file.read(64 << 10)
        record = decode_record(segment_seed(writer, position.segment), data, 0)
        return record is None or record.seq <= position.seq
