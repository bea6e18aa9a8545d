"""Where everything stands in the file: 64-bit words, little-endian, in tables at fixed places.

The places of all tables are fixed for their largest size. The file is sparse and blocks are allocated for a
part of a table before it is used, so a table grows without any process having to map the file anew.
"""

from __future__ import annotations

from typing import NamedTuple

from farebox.errors import CountersDamagedError

MAGIC = int.from_bytes(b"FAREBDGT", "little")
VERSION = 1
WORD_BYTES = 8

# -- the header, by word --
H_MAGIC, H_VERSION, H_BOOT, H_EPOCH, H_STATE = 0, 1, 2, 3, 4
"""`H_BOOT`: 63 bits of the boot's id: memory that was not synced is of no other boot. `H_EPOCH`: random."""
H_TICKET, H_FOLDING, H_SEQ, H_STALE = 5, 6, 7, 8
"""The last ticket of a waiting call; odd while the ledger applies; the row up to which it has; not 0: the
figures are to be made anew from the record."""
H_PENDING = 9
"""How many words the holder of the lock has written down and has yet to store."""
H_REDO, H_REDO_SEQ, H_REDO_SPENT = 10, 11, 12
"""The same of the ledger, plus 1 (0: nothing); the row of the record it belongs to; how many of them are of
what is recorded."""
H_MADE_NS = 13
"""When the file was made, by the wall clock."""
H_TABLES = 16
"""Three words a table, see `Table`."""
H_SCRATCH = 511
"""Where what has no place is stored; nobody reads it."""
HEADER_WORDS = 512

STATE_USED, STATE_REPLACED = 1, 2

# -- a budget, by word --
B_KEY, B_STATE, B_EVICTED = 0, 1, 2
# -- a participant --
P_NUMBER, P_WRITER, P_STATE, P_POLLED_NS, P_REVOKED = 0, 1, 2, 3, 4
# -- an account --
A_KEY, A_BUDGET, A_STATE, A_END_NS, A_PART_NS, A_ROLLING_NS = 0, 1, 2, 3, 4, 5
A_RECORDED, A_RING, A_HOLDING, A_NEXT, A_WAKE, A_USED_S = 6, 7, 8, 9, 10, 11
# -- a holding --
G_ACCOUNT, G_PARTICIPANT, G_GRANTED, G_TAKEN, G_SETTLED = 0, 1, 2, 3, 4
G_FOLDED, G_TICKET, G_NEXT, G_RETIRED, G_BEYOND = 5, 6, 7, 8, 9
"""`G_TAKEN`: settled and reserved, ever, in one word, so that it is never read in the middle of a change.
`G_BEYOND`: what its calls in flight can cost beyond what is reserved for them; only shown."""

FREE, OPENING, OPEN = 0, 1, 2
"""`B_STATE` and `A_STATE`; `P_STATE` is `FREE` or `OPEN`."""
RING_PARTS = 64
"""More than the parts a rolling window has: a part's place is its number modulo this."""


class Table(NamedTuple):
    """Records of the same size. Of each the header says how many were ever used, the first free one (its
    number + 1; a free record's last word is the next) and for how many there are blocks on the disk.
    """

    place: int
    """Which of the tables it is."""
    start: int
    """Its first word."""
    record: int
    """Words a record."""
    most: int
    step: int
    """For how many records blocks are allocated at a time."""

    @property
    def used(self) -> int:
        return H_TABLES + 3 * self.place

    @property
    def free(self) -> int:
        return self.used + 1

    @property
    def allocated(self) -> int:
        return self.used + 2

    @property
    def end(self) -> int:
        return self.start + self.record * self.most

    def at(self, number: int) -> int:
        """Return the first word of a record."""
        return self.start + self.record * number

    def linked(self, link: int, used: int) -> int:
        """Return the first word of the record that a link (its number + 1) leads to.

        Raises:
            CountersDamagedError: There are not that many.
        """
        if not 0 < link <= used:
            raise CountersDamagedError(f"a link to record {link} of {used}")
        return self.start + self.record * (link - 1)


PENDING_ENTRIES = 8192
REDO_ENTRIES = 32768
BUCKETS = 16384
PENDING = HEADER_WORDS
REDO = PENDING + 2 * PENDING_ENTRIES
BUCKET = REDO + 2 * REDO_ENTRIES
"""First accounts of chains, by key."""
PARTICIPANTS = Table(0, BUCKET + BUCKETS, 16, 1024, 1024)
BUDGETS = Table(1, PARTICIPANTS.end, 4, 2048, 2048)
ACCOUNTS = Table(2, BUDGETS.end, 16, 65536, 1024)
RINGS = Table(3, ACCOUNTS.end, 2 * RING_PARTS, 4096, 256)
HOLDINGS = Table(4, RINGS.end, 16, 262144, 1024)
TABLES = (PARTICIPANTS, BUDGETS, ACCOUNTS, RINGS, HOLDINGS)
FILE_WORDS = HOLDINGS.end
FIXED_WORDS = PARTICIPANTS.start
"""What has blocks from the beginning."""
