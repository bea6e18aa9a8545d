"""Follow the record for every export: make the events of each cut, once, and enqueue them.

A thread of the server does it. Per cut there is one transaction on `control.db`: its events, their
messages, and how far the export is. A process that is killed has made a cut or has not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from farebox.channels.usage.usage_event import UsageEvent
from farebox.channels.usage.usage_settings import UsageSettings
from farebox.clock import now_ns
from farebox.control.outbox.envelope import PAYLOAD_BYTES_MAX, USAGE_KIND, envelope
from farebox.control.usage_events import MadeEvent, Progress
from farebox.errors import FareboxError
from farebox.exports.cuts import Cut, next_cut
from farebox.exports.usage_sums import events_of
from farebox.home import Home
from farebox.ledger.database import open_reader
from farebox.ledger.feed import Feed
from farebox.standard_error import tell

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.control.database import ControlDatabase
    from farebox.control.outbox.receivers import Receiver
    from farebox.ledger.database import Connection as Record

LOOK_EVERY_S = 10.0
WAITING_MAX = 20_000
"""Events that wait to be sent to one receiver; the record keeps the rest until it takes some."""
PRUNE_EVERY_NS = 3_600 * 10**9
_MESSAGE_BYTES = PAYLOAD_BYTES_MAX - 4_096
"""For the events of one message; the rest is for what is around them."""


class UsageFollower:
    """Follows the record of one home."""

    def __init__(
        self,
        home: Home,
        *,
        verified: bool = False,
        clock: Callable[[], int] = now_ns,
        say: Callable[[str], None] = tell,
    ) -> None:
        """`verified`: only calls whose customer is proven count, as for invoices."""
        self._home = home
        self._verified = verified
        self._clock = clock
        self._say = say
        self._told: dict[str, str] = {}
        self._database: ControlDatabase | None = None
        self._pruned_ns: int | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Follow in a thread, until closed."""
        threading.Thread(target=self._run, name="usage-exports", daemon=True).start()

    def close(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> int:
        """Make what is ready into events, of every export; return how many. What fails is said once."""
        if not self._home.control.exists():
            return 0
        try:
            return self._look()
        except FareboxError as error:
            self._database = None
            self._tell("", str(error))
        except Exception as error:  # a defect here must not end it for good
            self._database = None
            self._tell("", f"{type(error).__name__}: {error}")
        return 0

    def _look(self) -> int:
        from farebox.control.outbox import receivers

        database = self._opened()
        with database.reading() as connection:
            exports = [
                each
                for each in receivers.receivers(connection)
                if each.settings.usage and each.state == "active"
            ]
        if not exports:
            return 0
        record = open_reader(self._home)
        if record is None:
            return 0
        try:
            made = sum(self._follow(database, record, each) for each in exports)
        finally:
            record.close()
        self._prune(database)
        return made

    def _follow(self, database: ControlDatabase, record: Record, export: Receiver) -> int:
        said = export.settings.usage
        assert said is not None  # noqa: S101 - only these are followed
        feed = Feed(record)
        made = self._release(database, export.name, said)
        start = self._begin(database, feed, export.name, said)
        while start is not None and not self._stopped.is_set():
            if self._is_full(database, export.name):
                break
            cut = next_cut(record, start.seq, said.granularity, self._clock())
            if cut is None:
                break
            events = list(events_of(feed, export.name, cut, said, verified=self._verified))
            reached = Progress(seq=cut.last_seq, event_id=_event_id(feed, cut.last_seq), at=self._clock())
            if not self._commit(database, export.name, said, start, reached, cut, events):
                break  # somebody else has made this cut, or changed the export
            made += len(events)
            start = reached
        return made

    def _begin(
        self, database: ControlDatabase, feed: Feed, name: str, said: UsageSettings
    ) -> Progress | None:
        """Return how far an export is; None, and it is stopped, where the record is another one."""
        from farebox.control import usage_events
        from farebox.control.outbox import receivers

        with database.reading() as connection:
            known = usage_events.progress(connection, name)
        if known is not None and known.event_id == _event_id(feed, known.seq):
            return known
        if known is not None:
            why = (
                f"the record is another one: its row {known.seq} is not the one handed over. Restore "
                "the record, or remove the export and add it under another name"
            )
            with database.writing() as connection:
                receivers.stop(connection, name, why)
            self._tell(name, why)
            return None
        seq = 0 if said.since_ns is not None else feed.last_seq()
        begun = Progress(seq=seq, event_id=_event_id(feed, seq), at=self._clock())
        with database.writing() as connection:
            if usage_events.progress(connection, name) is not None:
                return None
            usage_events.advance(connection, name, begun)
        return begun

    def _commit(
        self,
        database: ControlDatabase,
        name: str,
        said: UsageSettings,
        start: Progress,
        reached: Progress,
        cut: Cut,
        events: Sequence[MadeEvent],
    ) -> bool:
        from farebox.control import usage_events
        from farebox.control.outbox import receivers

        with database.writing() as connection:
            now = usage_events.progress(connection, name)
            there = [each for each in receivers.receivers(connection) if each.name == name]
            if now is None or now.seq != start.seq or not there or there[0].settings.usage != said:
                return False
            known = usage_events.known_ids(connection, name, cut.first_seq)
            new = [each for each in events if each.event.id not in known]
            sent = enqueued(connection, name, said, new, self._clock())
            usage_events.put(connection, sent, self._clock())
            usage_events.advance(connection, name, reached)
        self._told.pop(name, None)
        return True

    def _release(self, database: ControlDatabase, name: str, said: UsageSettings) -> int:
        """Send what waited for a customer's name that the receiver has now."""
        from farebox.control import usage_events

        with database.reading() as connection:
            named = set(usage_events.held_customers(connection, name, said))
        if not named:
            return 0
        with database.writing() as connection:
            held = usage_events.in_states(connection, name, ("held",))
            ready = [renewed(each, said) for each in held if each.customer in named]
            usage_events.again(connection, name, enqueued(connection, name, said, ready, self._clock()))
        return len(ready)

    def _is_full(self, database: ControlDatabase, name: str) -> bool:
        from farebox.control import usage_events

        with database.reading() as connection:
            found = usage_events.figures(connection).get(name)
        return found is not None and found.waiting >= WAITING_MAX

    def _prune(self, database: ControlDatabase) -> None:
        from farebox.control import usage_events

        now = self._clock()
        if self._pruned_ns is None or now - self._pruned_ns > PRUNE_EVERY_NS:
            self._pruned_ns = now
            with database.writing() as connection:
                usage_events.prune(connection, now)

    def _opened(self) -> ControlDatabase:
        from farebox.control.database import open_control

        if self._database is None:
            self._database = open_control(self._home)
        return self._database

    def _tell(self, name: str, words: str) -> None:
        if self._told.get(name) != words:
            self._say(f"farebox: exports{f' {name}' if name else ''}: {words}")
        self._told[name] = words


def renewed(made: MadeEvent, said: UsageSettings) -> MadeEvent:
    """Return an event with the names that the receiver knows its customer and its meter by now."""
    account = said.account(made.customer)
    event = made.event
    quantity = next(iter(event.sums))
    name = said.meters.get(quantity, event.name) if said.rules.has_meters else said.event
    return msgspec.structs.replace(
        made,
        state="waiting" if account else "held",
        event=msgspec.structs.replace(event, account=account, name=name),
    )


def enqueued(
    connection: Connection, name: str, said: UsageSettings, made: Iterable[MadeEvent], at_ns: int
) -> list[MadeEvent]:
    """Enqueue events in messages as large as the receiver takes; return them with their message.

    Those that are held are returned as they are.
    """
    from farebox.control.outbox import messages

    found: list[MadeEvent] = []
    waiting: list[MadeEvent] = []
    for each in made:
        (waiting if each.state == "waiting" else found).append(each)
    for some in _batches(waiting, said.rules.batch):
        data = {"export": name, "meters": said.meters, "events": [each.event for each in some]}
        sent = envelope(USAGE_KIND, data, at_ns, cause=f"export {name}")
        id = messages.enqueue(connection, sent, only=name)
        found += [msgspec.structs.replace(each, message=id) for each in some]
    return found


def _batches(made: Sequence[MadeEvent], most: int) -> Iterator[list[MadeEvent]]:
    some: list[MadeEvent] = []
    size = 0
    for each in made:
        more = _size(each.event)
        if some and (len(some) == most or size + more > _MESSAGE_BYTES):
            yield some
            some, size = [], 0
        some.append(each)
        size += more
    if some:
        yield some


def _size(event: UsageEvent) -> int:
    return len(msgspec.json.encode(event)) + 1


def _event_id(feed: Feed, seq: int) -> str:
    found = feed.event_id(seq) if seq else None
    return "" if found is None else found.hex()
