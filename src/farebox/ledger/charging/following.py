"""Follow changes of what is published of customers: look at the calls again that they concern.

A name that stands for another customer moves calls of any age; a plan that is new or another one charges the
calls of its running period again, and earlier ones are left (`farebox rerate` does those). The record is
walked in pieces beside the appending of new calls, which go by the new state at once; how far that is stands
in the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from farebox.charges.customer_terms import MAPPINGS, CustomerTerms
from farebox.ledger.call_store import Attributions

if TYPE_CHECKING:
    from farebox.ledger.append.applier import Applier
    from farebox.ledger.database import Connection

PIECE_ROWS = 5_000
_LONGEST_PERIOD_NS = 32 * 86_400 * 10**9
"""How far back calls of a customer are looked at that is on no plan any more."""
_STANDING = (
    "SELECT n.seq, CASE WHEN n.revision = 0 THEN n.seq ELSE (SELECT f.seq FROM call f WHERE "
    "f.event_id = n.event_id AND f.source = n.source AND f.revision = 0) END, "
    "n.occurred_at, n.attribution, k.key_fingerprint "
    "FROM call n CROSS JOIN call_class k ON k.id = n.call_class "
    "WHERE n.seq > ? AND n.seq <= ? AND n.sign = 1 "
    "AND NOT EXISTS (SELECT 1 FROM call r WHERE r.reverses = n.seq) ORDER BY n.seq"
)


class Progress(NamedTuple):
    """How far the record has been looked at again."""

    seq: int
    of: int


class TermsFollower:
    """For the one process that writes the record."""

    def __init__(
        self,
        connection: Connection,
        applier: Applier,
        terms: Callable[[], CustomerTerms],
        clock: Callable[[], int],
    ) -> None:
        """`terms` returns those that are published now, the same object while nothing has changed."""
        self._connection = connection
        self._applier = applier
        self._published = terms
        self._clock = clock
        self._terms: CustomerTerms | None = None
        self._walk: _Walk | None = None

    def step(self) -> bool:
        """Take in what is published and look at the next piece of the record; return whether more is left."""
        terms = self._published()
        if terms is not self._terms:
            self._applier.use_terms(terms or None)
            self._walk = self._begun(terms)
            self._terms = terms
        walk = self._walk
        if walk is None:
            return False
        with self._connection:
            upto = min(walk.seq + PIECE_ROWS, walk.last_seq)
            found = list(self._concerned(walk, upto))
        self._applier.restate(found, lambda: self._note(walk, upto))
        walk.seq = upto
        if upto >= walk.last_seq:
            self._walk = None
        return self._walk is not None

    def run(self) -> None:
        """Go on until the record says what is published, for a command that ends then."""
        while self.step():
            pass

    def _begun(self, terms: CustomerTerms) -> _Walk | None:
        """Return what is to be done about new terms, None where they concern no call."""
        execute = self._connection.execute
        known = {
            customer: (digest, since)
            for customer, digest, since in execute("SELECT customer, digest, since_ns FROM known_terms")
        }
        now = self._clock()
        wanted: dict[str, tuple[str, int]] = {}
        since: dict[str, int] = {}
        for name, digest in terms.digests.items():
            key = _key(name)
            began = min((each.period(now)[0] for each in terms.plans_of(name)), default=0)
            wanted[key] = digest, began
            if name != MAPPINGS and known.get(key, ("", 0))[0] != digest:
                since[key] = min(began, known[key][1]) if key in known else began
        for key, (_, began) in known.items():
            if key and key not in wanted:
                since[key] = min(began, now - _LONGEST_PERIOD_NS)
        is_mapped_otherwise = known.get("", ("",))[0] != wanted.get("", ("",))[0]
        if not since and not is_mapped_otherwise:
            return None
        (last,) = execute("SELECT coalesce(max(seq), 0) FROM call").fetchone()
        row = execute("SELECT seq, last_seq FROM terms_walk WHERE digest = ?", (terms.digest,)).fetchone()
        seq = row[0] if row is not None else 0
        return _Walk(terms, seq, last, since, wanted, is_mapped_otherwise)

    def _concerned(self, walk: _Walk, upto: int) -> Iterator[int]:
        """Yield the numbers of calls that may not be their customer's, or not charged by its plan."""
        attributions = Attributions(self._connection)
        identities, since = walk.terms.identities, walk.since
        keys: dict[str | None, str] = {}
        for _, call, at_ns, attribution, key_fingerprint in self._connection.execute(
            _STANDING, (walk.seq, upto)
        ):
            whose = attributions.of(attribution)
            values, _ = identities.resolved(*whose, key_fingerprint, at_ns)
            if values is not whose[0]:
                yield call
                continue
            customer = values.get("customer")
            if customer is None or not since:
                continue
            key = keys.get(customer)
            if key is None:
                key = keys[customer] = _key(customer)
            began = since.get(key)
            if began is not None and at_ns >= began:
                yield call

    def _note(self, walk: _Walk, upto: int) -> None:
        """Write how far the walk is; at its end, that the record says what is published."""
        execute = self._connection.execute
        execute("DELETE FROM terms_walk")
        if upto < walk.last_seq:
            execute("INSERT INTO terms_walk VALUES (?, ?, ?)", (walk.terms.digest, upto, walk.last_seq))
            return
        if walk.is_mapped_otherwise:
            self._applier.restate_results()
        execute("DELETE FROM known_terms")
        for key, (digest, began) in sorted(walk.wanted.items()):
            execute("INSERT INTO known_terms VALUES (?, ?, ?)", (key, digest, began))


class _Walk:
    """One change that is being applied to the record."""

    def __init__(
        self,
        terms: CustomerTerms,
        seq: int,
        last_seq: int,
        since: dict[str, int],
        wanted: dict[str, tuple[str, int]],
        is_mapped_otherwise: bool,
    ) -> None:
        self.terms = terms
        self.seq = seq
        self.last_seq = last_seq
        self.since = since
        """From when on calls of a customer are charged again."""
        self.wanted = wanted
        self.is_mapped_otherwise = is_mapped_otherwise


def progress_of(connection: Connection, terms: CustomerTerms) -> Progress | None:
    """Return how far the record has been looked at by these terms, None where all of it says what they do."""
    known = dict(connection.execute("SELECT customer, digest FROM known_terms"))
    if known == {_key(name): digest for name, digest in terms.digests.items()}:
        return None
    row = connection.execute(
        "SELECT seq, last_seq FROM terms_walk WHERE digest = ?", (terms.digest,)
    ).fetchone()
    if row is not None:
        return Progress(*row)
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM call").fetchone()
    return Progress(0, last)


def _key(customer: str) -> str:
    """Return what stands for a customer: the record keeps personal values in one place only."""
    return "" if customer == MAPPINGS else sha256(customer.encode()).hexdigest()
