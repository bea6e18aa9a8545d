"""Read query parameters: the same names and words as the command line's flags.

Pure: the moment and the zone arrive as arguments. An unknown parameter or value is refused with the list
of what is allowed; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from farebox.analytics.dimensions import DIMENSIONS, is_tag
from farebox.analytics.questions import Selection as Calls
from farebox.errors import UsageError
from farebox.server.api.errors import ApiError, invalid_parameter
from farebox.time_expressions import FORMS, moment_ns, ns_of, system_zone_name

MATCHES = ("exact", "family")

Choice = TypeVar("Choice", bound=str)

STATUS_FORM = "0|[1-5][0-9]{2}|[1-5]xx"
"""An HTTP status, a class of them, or none."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A half-open span of time in nanoseconds; None reaches to the ledger's beginning."""

    since_ns: int | None
    until_ns: int
    since_word: str
    open_ended: bool
    """Whether it ends now, so that new calls belong to it."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls a request is about."""

    window: Window
    tz: str
    where: dict[str, list[str]]
    families: bool = False
    """Whether a model stands for its dated versions, too (`match=family`)."""

    @property
    def zone(self) -> tzinfo:
        return ZoneInfo(self.tz)

    def calls(self, since_ns: int | None, until_ns: int | None) -> Calls:
        """Return these filters over a span of time, as questions take it."""
        return Calls(since_ns=since_ns, until_ns=until_ns, where=self.where, families=self.families)

    @property
    def asked(self) -> Calls:
        """The filters over the window."""
        return self.calls(self.window.since_ns, self.window.until_ns)


def read_selection(
    parameters: Iterable[tuple[str, str]],
    *,
    now: datetime,
    default_since: str = "today",
) -> Selection:
    """Return what the query parameters select.

    A filter's parameter may be repeated: it matches any of its values.
    """
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        given.setdefault(name, []).append(value)
    query = {name: values[0] for name, values in given.items()}
    tz = query.get("tz") or system_zone_name()
    zone = read_zone(tz)
    since_word = query.get("since") or default_since
    since = None if since_word == "all" else read_moment("since", since_word, zone, now)
    until = read_moment("until", query.get("until") or "now", zone, now)
    if since is not None and until < since:
        raise ApiError(
            422,
            "invalid_parameter",
            "until is before since.",
            {"parameter": "until", "allowed": ["since or later"]},
        )
    window = Window(
        since_ns=since,
        until_ns=until,
        since_word=since_word,
        open_ended=query.get("until", "now") in ("now", ""),
    )
    match = read_choice(query, "match", MATCHES, "exact")
    return Selection(window=window, tz=tz, where=_read_where(given), families=match == "family")


def _read_where(given: Mapping[str, list[str]]) -> dict[str, list[str]]:
    where = {name: values for name, values in given.items() if name in DIMENSIONS or is_tag(name)}
    for name, values in where.items():
        known = DIMENSIONS.get(name)
        for value in values:
            if len(value) > 512 or "\0" in value:
                raise invalid_parameter(name, value, ["text of at most 512 characters"])
            if known is not None and known.values and value not in known.values:
                raise invalid_parameter(name, value, list(known.values))
            if name == "status" and not re.fullmatch(STATUS_FORM, value):
                raise invalid_parameter(
                    name, value, ["an HTTP status such as 429", "a class such as 4xx", "0"]
                )
    return where


def read_choice(query: Mapping[str, str], name: str, allowed: tuple[Choice, ...], default: Choice) -> Choice:
    """Return one of `allowed`."""
    value = query.get(name, default)
    for each in allowed:
        if each == value:
            return each
    raise invalid_parameter(name, value, list(allowed))


def read_count(
    query: Mapping[str, str], name: str, *, low: int, high: int, default: int | None
) -> int | None:
    """Return a whole number between `low` and `high`."""
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
        raise invalid_parameter(name, text, [f"a whole number from {low} to {high}"])
    return int(text)


def read_zone(name: str) -> ZoneInfo:
    """Return an IANA zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise invalid_parameter("tz", name, ["an IANA zone such as Europe/Berlin", "UTC"]) from error


def read_moment(name: str, text: str, zone: tzinfo, now: datetime) -> int:
    """Return the moment that a word, an age or a date means, in nanoseconds."""
    try:
        return moment_ns(text, now.astimezone(zone))
    except UsageError as error:
        raise invalid_parameter(name, text, list(FORMS)) from error


def previous_window(selection: Selection) -> tuple[int, int] | None:
    """Return the window before, as long as this one so far, that its figures compare with.

    Days, weeks and months shift by the calendar of the zone: today until 15:00 compares with
    yesterday until 15:00, also where one of them has 23 hours.
    """
    window = selection.window
    if window.since_ns is None:
        return None
    since, until = window.since_ns, window.until_ns
    shifts = {"today": 1, "yesterday": 1, "week": 7, "7d": 7, "30d": 30}
    if window.since_word in shifts:
        days = timedelta(days=shifts[window.since_word])
        return _shifted(since, days, selection.zone), min(_shifted(until, days, selection.zone), since)
    if window.since_word in ("month", "prev-month"):
        start = datetime.fromtimestamp(since // 10**9, selection.zone)
        before = (start - timedelta(days=1)).replace(day=1, hour=0, minute=0, second=0)
        whole = until >= ns_of((start + timedelta(days=32)).replace(day=1))
        return ns_of(before), since if whole else min(ns_of(before) + until - since, since)
    return since - (until - since), since


def _shifted(moment_ns: int, days: timedelta, zone: tzinfo) -> int:
    seconds, rest = divmod(moment_ns, 10**9)
    return ns_of(datetime.fromtimestamp(seconds, zone) - days) + rest


def instant_ns(text: str) -> int:
    """Return the nanoseconds of a ledger row's RFC 3339 instant."""
    return ns_of(datetime.fromisoformat(text))
