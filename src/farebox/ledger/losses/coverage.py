"""What is known to be missing from a period: records lost, damaged or unreadable.

Missing records have no dimensions, so filters do not change these counts.
"""

from __future__ import annotations

import apsw
import msgspec

from farebox.home import Home
from farebox.ledger.database import Connection, ledger_error, open_reader

_END_OF_TIME_NS = (1 << 63) - 1

# A writer says from when to when it lost records. Damage is found later than it was done, so it
# can concern every period that began before it was found.
_MARKS = """
SELECT kind, count(*), sum(coalesce(json_extract(detail, '$.records'), 0)),
       sum(coalesce(json_extract(detail, '$.exchanges'), 0))
FROM mark
WHERE CASE
  WHEN kind IN ('lost', 'sampled')
  THEN coalesce(json_extract(detail, '$.until_ns'), json_extract(detail, '$.at_ns')) >= ?
    AND coalesce(json_extract(detail, '$.from_ns'), 0) < ?
  ELSE recorded_at >= ? END
GROUP BY kind
"""


class Missing(msgspec.Struct, kw_only=True):
    """Exact counts of what is missing from a period; all zero where nothing is known to be."""

    lost_records: int = 0
    """Records a writer could not keep."""
    lost_exchanges: int = 0
    """How many of them were the end of a call."""
    gaps: int = 0
    """Damaged or missing places in journals."""
    gap_records: int = 0
    undecodable: int = 0
    """Records that could be read but not understood."""
    sampled_calls: int = 0
    """About how many calls samplers left out of the traces that were sent here."""

    def __bool__(self) -> bool:
        return bool(self.lost_records or self.gaps or self.undecodable or self.sampled_calls)


def missing(home: Home, since_ns: int | None = None, until_ns: int | None = None) -> Missing:
    """Return what the ledger knows to be missing from `[since_ns, until_ns)`."""
    connection = open_reader(home)
    if connection is None:
        return Missing()
    try:
        return _read(connection, since_ns or 0, _END_OF_TIME_NS if until_ns is None else until_ns)
    except apsw.Error as error:
        raise ledger_error(home, error) from error
    finally:
        connection.close()


def _read(connection: Connection, since_ns: int, until_ns: int) -> Missing:
    found = Missing()
    marks = connection.execute(_MARKS, (since_ns, until_ns, since_ns))
    for kind, count, records, exchanges in marks:
        if kind == "lost":
            found.lost_records, found.lost_exchanges = records, exchanges
        elif kind == "sampled":
            found.sampled_calls = exchanges
        elif kind in ("gap", "missing"):
            found.gaps += count
            found.gap_records += records
        elif kind == "undecodable":
            found.undecodable += count
        elif kind == "recovered":
            found.undecodable -= records
    found.undecodable = max(found.undecodable, 0)
    return found
