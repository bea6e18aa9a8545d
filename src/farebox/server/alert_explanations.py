"""What a message about alerts says besides when it is about to be sent: what explains them, where to look.

The analytics are asked in a thread and for less than a second: a message is late rather than unexplained only
so far. What was found is stored in the message before its first attempt, so that every attempt is the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from farebox.alerts import explanation
from farebox.alerts.event import AlertEvent
from farebox.alerts.event_words import FINGERPRINT_SHOWN
from farebox.alerts.explanation import Sums
from farebox.analytics.dimensions import PLAN_MODEL
from farebox.analytics.query import Answer, Question
from farebox.analytics.questions import Questions
from farebox.channels.news import AlertItem, AlertNews, Explanation, alert_news, with_news
from farebox.charges.usage.conditions import is_one_of
from farebox.clock import iso
from farebox.control.outbox.envelope import PAYLOAD_BYTES_MAX
from farebox.errors import FareboxError
from farebox.snapshot import SnapshotReader

if TYPE_CHECKING:
    from farebox.control.database import ControlDatabase
    from farebox.home import Home

WITHIN_S = 0.8
"""Of the two seconds from a call to the arrival of its alert, this much may be waited for an explanation."""
EXPLAINED_MAX = 3
"""How many alerts of one message are explained."""
COMBINATIONS_MAX = 20_000
"""Combinations of values that are looked at, those with the most first; the totals are of all."""

AT_HAND_EVERY_S = 20.0
"""A worker ends a minute after the last question."""

NO_ANSWER = "the figures did not come in time; look in the dashboard"
NOT_LISTED = "only the first alerts of a message are explained"
_NO_CALLS = "no calls explain it"
_KEPT = 256


class AlertExplanations:
    """Completes messages about alerts. Shared by all that are sent at once; each event is asked for once.

    While there are alerts, the analytics are kept at hand: a worker that has to be started first, and a
    replica that is a day behind, have no answer within a second.
    """

    def __init__(
        self,
        home: Home,
        questions: Questions,
        key_labels: Callable[[], Mapping[str, str]],
        url: str,
        *,
        within_s: float = WITHIN_S,
        at_hand_every_s: float = AT_HAND_EVERY_S,
    ) -> None:
        self._home = home
        self._questions = questions
        self._key_labels = key_labels
        self._url = url.rstrip("/")
        self._within_s = within_s
        self._at_hand_every_s = at_hand_every_s
        self._published = SnapshotReader(home)
        self._closing = threading.Event()
        self._database: ControlDatabase | None = None
        self._known: dict[str, Explanation | str] = {}
        self._turn = threading.Lock()

    def start(self) -> None:
        """Keep the analytics at hand, in a thread."""
        threading.Thread(target=self._keep_at_hand, name="alerts", daemon=True).start()

    def close(self) -> None:
        """Let the analytics end."""
        self._closing.set()

    def _keep_at_hand(self) -> None:
        while True:  # at once, too: what fires as the server starts is explained as well
            with contextlib.suppress(Exception):  # whatever is wrong, whoever asks for figures is told
                self._published.renew()
                if self._published.current.alerts:
                    self._questions.last_seq()
            if self._closing.wait(self._at_hand_every_s):
                return

    async def __call__(self, payload: str) -> str | None:
        """Return the completed payload, None where there is nothing to complete. Never raises for others."""
        news = alert_news(payload)
        if news is None or news.link is not None:
            return None
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        found: dict[str, Explanation | str] = {}
        links: dict[str, str] = {}

        def work() -> None:
            try:
                self._look(news, found, links)
            except Exception as error:  # whatever is wrong, the message goes out
                why = str(error) if isinstance(error, FareboxError) else type(error).__name__
                for item in news.alerts[:EXPLAINED_MAX]:
                    found.setdefault(item.id, why)
            with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=work, name="explanation", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), self._within_s)
        return self._completed(payload, news, dict(found), dict(links))

    def _completed(
        self, payload: str, news: AlertNews, found: Mapping[str, Explanation | str], links: Mapping[str, str]
    ) -> str:
        items = [_item(item, at, found, links) for at, item in enumerate(news.alerts)]
        link = links.get(items[0].id) if len(items) == 1 else None
        complete = msgspec.structs.replace(news, alerts=tuple(items), link=link or f"{self._url}/")
        text = with_news(payload, complete)
        if len(text.encode()) > PAYLOAD_BYTES_MAX:
            bare = msgspec.structs.replace(news, link=f"{self._url}/")
            text = with_news(payload, bare)
        return text

    def _look(self, news: AlertNews, found: dict[str, Explanation | str], links: dict[str, str]) -> None:
        events = self._events([item.id for item in news.alerts])
        for id, event in events.items():
            links[id] = self._link(event)
        for item in news.alerts[:EXPLAINED_MAX]:
            event = events.get(item.id)
            if event is None:
                found[item.id] = _NO_CALLS
                continue
            with self._turn:  # another channel's message may be about the same event
                if event.id not in self._known:
                    self._known[event.id] = self._explained(event)
                    while len(self._known) > _KEPT:
                        del self._known[next(iter(self._known))]
                found[item.id] = self._known[event.id]

    def _events(self, ids: Sequence[str]) -> dict[str, AlertEvent]:
        from sqlalchemy import select

        from farebox.control.database import open_control
        from farebox.control.schema import alert_event

        if self._database is None:
            self._database = open_control(self._home)
        with self._database.reading() as connection:
            rows = connection.execute(
                select(alert_event.c.id, alert_event.c.body).where(alert_event.c.id.in_(ids))
            )
            return {row.id: msgspec.json.decode(row.body, type=AlertEvent) for row in rows}

    def _explained(self, event: AlertEvent) -> Explanation | str:
        asked = explanation.measure(event)
        if asked is None:
            return _NO_CALLS
        labels = self._key_labels()
        over = explanation.spans(event)
        where = self._exact({_dimension(name): values for name, values in event.where.items()}, over, labels)
        names = explanation.dimensions(event)

        def question(since_ns: int, until_ns: int, by: list[str]) -> Question:
            return Question(
                since_ns=since_ns,
                until_ns=until_ns,
                where=where,
                by=by,
                measures=[asked[0]],
                order=asked[0],
                limit=COMBINATIONS_MAX if by else None,
            )

        periods = ((over.before_ns, over.from_ns), (over.from_ns, over.until_ns))
        was, now, all_before, all_after = self._questions.answers(
            *(question(*each, names) for each in periods), *(question(*each, []) for each in periods)
        )
        sums = _sums(was, now)
        shown = _shown(labels)
        found = explanation.explanation(event, names, sums, _total(all_before), _total(all_after), shown)
        return found if found is not None else _NO_CALLS

    def _exact(
        self, where: Mapping[str, Sequence[str]], over: explanation.Spans, labels: Mapping[str, str]
    ) -> dict[str, list[str]]:
        """Return a filter with the values that calls have in place of patterns and of labels of keys."""
        found: dict[str, list[str]] = {}
        for name, values in where.items():
            known = list(values)
            if name == "key":
                known += [key for key, label in labels.items() if is_one_of(values, label)]
            if any("*" in value for value in values):
                question = Question(
                    since_ns=over.before_ns,
                    until_ns=over.until_ns,
                    by=[name],
                    measures=["calls"],
                    order="calls",
                )
                (answer,) = self._questions.answers(question)
                had = [row.keys[0] or "" for row in answer.rows]
                known = [value for value in had if value in known or is_one_of(values, value)]
            found[name] = known
        return found

    def _link(self, event: AlertEvent) -> str:
        """Return the dashboard's address for the event's calls. A key is not named in it."""
        over = explanation.spans(event)
        search = {"since": _second(over.from_ns), "until": _second(over.until_ns + 10**9 - 1)}
        for name, values in event.where.items():
            if name != "key" and not any("*" in value for value in values):
                search[_dimension(name)] = ",".join(value.replace(",", "\\,") for value in values)
        return f"{self._url}/?{urlencode(search)}"


def _item(
    item: AlertItem, at: int, found: Mapping[str, Explanation | str], links: Mapping[str, str]
) -> AlertItem:
    if item.explanation is not None:  # of a test
        return msgspec.structs.replace(item, link=links.get(item.id, ""))
    said = found.get(item.id, NO_ANSWER) if at < EXPLAINED_MAX else NOT_LISTED
    if isinstance(said, str):
        return msgspec.structs.replace(item, not_explained=said, link=links.get(item.id, ""))
    return msgspec.structs.replace(item, explanation=said, link=links.get(item.id, ""))


def _dimension(name: str) -> str:
    """Return the analytics' name of an alert's dimension."""
    return PLAN_MODEL if name == "model" else name


def _sums(was: Answer, now: Answer) -> list[Sums]:
    found: dict[tuple[str, ...], list[int]] = {}
    for at, answer in enumerate((was, now)):
        for row in answer.rows:
            key = tuple(each or "" for each in row.keys)
            found.setdefault(key, [0, 0])[at] += row.values[0] or 0
    return [Sums(key, before, after) for key, (before, after) in found.items()]


def _total(answer: Answer) -> int:
    return (answer.rows[0].values[0] or 0) if answer.rows else 0


def _shown(labels: Mapping[str, str]) -> Callable[[str, str], str]:
    def shown(name: str, value: str) -> str:
        if not value:
            return f"(no {name})"
        return labels.get(value, value[:FINGERPRINT_SHOWN]) if name == "key" else value[:80]

    return shown


def _second(moment_ns: int) -> str:
    return f"{iso(moment_ns)[:19]}Z"
