"""Keep the file that `farebox statusline` prints, while somebody has a status line that asks for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from farebox import status_line
from farebox.analytics.query import Measures
from farebox.analytics.questions import Questions, Selection
from farebox.clock import now_ns
from farebox.errors import FareboxError
from farebox.home import Home, replace_private
from farebox.money import display_usd
from farebox.server.api.coverage.coverage import Covers
from farebox.server.api.queries import Reader
from farebox.standard_error import tell
from farebox.time_expressions import day_start, zone_named

LOOK_EVERY_S = 0.5
RENEWED_EVERY_S = status_line.OLD_S / 3
ASKED_EVERY_S = 2
"""While calls come all the time."""
ASKED_AGAIN_S = 60
"""Without new calls: the last hour goes on."""
SESSIONS_MAX = 200
_SECOND_NS, _HOUR_NS = 10**9, 3_600 * 10**9


class StatusLines:
    """Looks twice a second whether a line is asked for, and asks the analytics only where calls are new."""

    def __init__(
        self,
        home: Home,
        reader: Reader,
        questions: Questions,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        self._home = home
        self._reader = reader
        self._questions = questions
        self._clock = clock
        self._cover = Covers(home)
        self._stopped = threading.Event()
        self._seq: int = -1
        self._answered_ns = self._written_ns = 0
        self._said: status_line.Figures | None = None
        self._told = ""

    def start(self) -> None:
        """Keep it in a thread."""
        threading.Thread(target=self._run, name="status-line", daemon=True).start()

    def close(self) -> None:
        """Stop; figures that nobody renews any more say of when they are."""
        self._stopped.set()

    def look(self) -> bool:
        """Renew the file where it is asked for; return whether it was."""
        now = self._clock()
        if not self._is_asked_for(now):
            return False
        try:
            seq: int = self._reader.last_seq()
            day_is_over = self._said is not None and now >= self._said.day_ends_s * _SECOND_NS
            age = now - self._answered_ns
            is_new = seq != self._seq and age >= ASKED_EVERY_S * _SECOND_NS
            if is_new or day_is_over or age >= ASKED_AGAIN_S * _SECOND_NS:
                self._said, self._seq, self._answered_ns = self._figures(now), seq, now
            elif now - self._written_ns < RENEWED_EVERY_S * _SECOND_NS:
                return False
            self._write(now)
        except (FareboxError, OSError) as error:
            if str(error) != self._told:
                self._told = str(error)
                tell(f"farebox: status line: {error}")
            return False
        self._told = ""
        return True

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            self.look()

    def _is_asked_for(self, now: int) -> bool:
        try:
            asked = os.stat(self._home.run / status_line.ASKED).st_mtime_ns  # noqa: PTH116
        except OSError:
            return False
        return now - asked < status_line.ASKED_FOR_S * _SECOND_NS

    def _figures(self, now: int) -> status_line.Figures:
        local = datetime.fromtimestamp(now // _SECOND_NS, UTC).astimezone(zone_named(None))
        zone = local.tzinfo or UTC
        day, ends = day_start(local.date(), zone), day_start(local.date() + timedelta(days=1), zone)
        today, hour = self._questions.totals(Selection(since_ns=day), Selection(since_ns=now - _HOUR_NS))
        found = self._questions.breakdown(
            Selection(since_ns=now - 24 * _HOUR_NS), ["session"], limit=SESSIONS_MAX
        )
        names = [name for group in found.groups if (name := group.keys["session"])]
        sessions: dict[str, str] = {}
        if names:
            whole = self._questions.breakdown(Selection(where={"session": names}), ["session"])
            sessions = {
                name: _amount(group.measures)
                for group in whole.groups
                if (name := group.keys["session"]) is not None
            }
        covered = self._cover(self._reader, day, now).complete
        return status_line.Figures(
            pid=os.getpid(),
            written_s=now // _SECOND_NS,
            day_ends_s=ends // _SECOND_NS,
            clock=f"{local:%H:%M}",
            stamp=f"{local:%b %d %H:%M}",
            amount=("DEMO " if self._home.is_demo else "") + _amount(today, covered=covered),
            per_hour=_amount(hour) if hour.calls else "",
            sessions=sessions,
        )

    def _write(self, now: int) -> None:
        if self._said is None:
            return
        self._said.written_s = now // _SECOND_NS
        self._written_ns = now
        replace_private(self._home.run / status_line.FILE, status_line.encode(self._said))


def _amount(found: Measures, *, covered: bool = True) -> str:
    bound = "" if covered and not found.unpriced_calls else "≥ "
    return f"{bound}{display_usd(found.cost_pico)}"
