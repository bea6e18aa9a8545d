"""Records that are known to be missing, by the marks of the last day."""

from __future__ import annotations

from farebox.ledger.database import Connection

_DAY_NS = 86_400 * 10**9
_MARKS = (
    "SELECT kind, count(*), sum(coalesce(json_extract(detail, '$.records'), 0)) FROM mark "
    "WHERE recorded_at > ? AND kind IN ('lost', 'gap', 'missing', 'undecodable', 'recovered') GROUP BY kind"
)
_PLACES = ("gap", "missing")
_WORDS = {
    "lost": "could not be kept",
    "gap": "were damaged",
    "missing": "are gone",
    "undecodable": "make no sense",
}


def missing_of_the_day(connection: Connection, now_ns: int) -> tuple[int, str]:
    """Return how many records are missing by what was found in the last day, and why in words."""
    found: dict[str, int] = {}
    for kind, count, records in connection.execute(_MARKS, (now_ns - _DAY_NS,)):
        # A damaged place says how many records were in it only where that is known.
        found[kind] = count if kind == "undecodable" else max(records, count) if kind in _PLACES else records
    found["undecodable"] = max(found.get("undecodable", 0) - found.pop("recovered", 0), 0)
    said = [f"{number:,} {_WORDS[kind]}" for kind, number in found.items() if number]
    return sum(
        found.values()
    ), f"records of the last day: {', '.join(said)}" if said else "nothing is missing"
