"""Exchanges that have begun and not ended: kept in memory and in the file, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator

from farebox.ledger.database import Connection


class Begun:
    """An exchange that has begun: its intent, still encoded, and its last partial."""

    __slots__ = ("intent", "partial", "writer")

    def __init__(self, writer: str, intent: bytes, partial: bytes | None) -> None:
        self.writer = writer
        self.intent = intent
        self.partial = partial


class Pending:
    """Every exchange that has begun and not ended."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._begun: dict[bytes, Begun] = {}
        self._fresh: set[bytes] = set()
        """Those that the file does not have in their present state."""

    def load(self) -> None:
        """Take from the file what it has."""
        statement = "SELECT event_id, writer, intent, partial FROM pending"
        self._begun = {
            event_id: Begun(writer, intent, partial)
            for event_id, writer, intent, partial in self._connection.execute(statement)
        }
        self._fresh.clear()

    def begin(self, writer: str, event_id: bytes, intent: bytes) -> None:
        """Add an exchange that has begun."""
        known = self._begun.get(event_id)
        self._begun[event_id] = Begun(writer, intent, known.partial if known else None)
        self._fresh.add(event_id)

    def go_on(self, event_id: bytes, partial: bytes) -> None:
        """Take in what is known so far of an exchange, if it has begun."""
        if event_id in self._begun:
            self._begun[event_id].partial = partial
            self._fresh.add(event_id)

    def settle(self, event_id: bytes) -> None:
        """Forget an exchange that has ended."""
        if self._begun.pop(event_id, None) is not None:
            self._fresh.discard(event_id)
            self._connection.execute("DELETE FROM pending WHERE event_id = ?", (event_id,))

    def take_all(self, writer: str) -> Iterator[tuple[bytes, Begun]]:
        """Remove every exchange that a writer had begun, and yield it."""
        for event_id, begun in [item for item in self._begun.items() if item[1].writer == writer]:
            self.settle(event_id)
            yield event_id, begun

    def write(self) -> None:
        """Store what changed."""
        if self._fresh:
            found = [(event_id, self._begun[event_id]) for event_id in self._fresh]
            self._connection.executemany(
                "INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?)",
                [(event_id, begun.writer, begun.intent, begun.partial) for event_id, begun in found],
            )
            self._fresh.clear()
