"""Flags that several commands share, the same words everywhere.

Filters are the declared dimensions (`farebox.analytics.dimensions`), as in the API's parameters and the
dashboard's address bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from farebox import clock
from farebox.analytics.dimensions import DIMENSIONS, TAG
from farebox.cli.periods import Period, period
from farebox.errors import StateDirectoryUnusableError, UsageError
from farebox.home import Home, locate
from farebox.time_expressions import zone_named

if TYPE_CHECKING:
    from farebox.analytics.questions import Selection
    from farebox.config import Config


@Parameter(name="*", group="Where")
@dataclass(frozen=True, kw_only=True)
class Place:
    """Where Farebox keeps its state and finds its configuration."""

    home: Annotated[Path | None, Parameter(help="State directory, instead of FAREBOX_HOME.")] = None
    config: Annotated[Path | None, Parameter(help="Configuration file, instead of farebox.yaml.")] = None

    def location(self) -> Home:
        """Return the state directory, whether it is there or not."""
        return locate() if self.home is None else Home(self.home.expanduser().absolute())

    def state(self) -> Home:
        """Return the state directory, made if it is not there yet."""
        place = self.location()
        place.prepare()
        return place

    def state_to_read(self) -> Home:
        """Return the state directory, made if possible; a read-only one is accepted."""
        place = self.location()
        try:
            place.prepare()
        except StateDirectoryUnusableError:
            if not place.path.is_dir():
                raise
        return place

    def configuration(self, state: Home, flags: Mapping[str, str] | None = None) -> Config:
        """Return the checked configuration; `flags` are settings by their keys."""
        from farebox.config import load_config

        return load_config(state, self.config, flags=flags)


@Parameter(name="*", group="When")
@dataclass(frozen=True, kw_only=True)
class PeriodFlags:
    """A half-open period: from `--since` up to but not including `--until`."""

    since: Annotated[
        str | None, Parameter(help="Start: 2026-11-01, 2026-11-01T09:30, 15m, 12h, 7d, today, month.")
    ] = None
    until: Annotated[str | None, Parameter(help="End, not included; same forms.")] = None
    tz: Annotated[
        str | None, Parameter(help="Time zone for days, for example Europe/Berlin; the system's by default.")
    ] = None

    def period(self, default: str | None = None, now_ns: int | None = None) -> Period:
        """Return the period in instants, starting at `default` without `--since`."""
        instant = clock.now_ns() if now_ns is None else now_ns
        now = datetime.fromtimestamp(instant // 1_000_000_000, UTC).astimezone(zone_named(self.tz))
        return period(self.since, self.until, now, default=default)


def _flags() -> list[tuple[str, object, object]]:
    """Return a flag for every declared dimension."""
    return [
        (each.name, Annotated[list[str] | None, Parameter(help=each.help, negative="")], field(default=None))
        for each in DIMENSIONS.values()
    ]


_Declared = make_dataclass("_Declared", _flags(), frozen=True, kw_only=True)


@Parameter(name="*", group="Which calls")
@dataclass(frozen=True, kw_only=True)
class Filters(_Declared):  # pyright: ignore[reportUntypedBaseClass, reportGeneralTypeIssues] - made of data
    """Which calls; a repeated flag matches any of its values. The empty text is "none"."""

    tag: Annotated[
        list[str] | None, Parameter(help="Only calls with this tag: feature=summary.", negative="")
    ] = None
    exact: Annotated[
        bool, Parameter(help="With --model: that name only, not its dated versions.", negative="")
    ] = False

    def where(self) -> dict[str, list[str]]:
        """Return the filters that were given.

        Raises:
            UsageError: A tag lacks its value.
        """
        given = vars(self)
        found: dict[str, list[str]] = {
            name: list(given[name]) for name in DIMENSIONS if given[name] is not None
        }
        for text in self.tag or []:
            name, equals, value = text.partition("=")
            if not name or not equals:
                raise UsageError(f"--tag {text!r} is not NAME=VALUE, as feature=summary")
            found.setdefault(f"{TAG}{name.strip().lower()}", []).append(value)
        return found


AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of a table.")]


AsCsv = Annotated[bool, Parameter(name="--csv", negative="", help="Print CSV instead of a table.")]


def check_one_format(*, as_json: bool, as_csv: bool) -> None:
    """Raise `UsageError` where two formats are asked for."""
    if as_json and as_csv:
        raise UsageError("--json or --csv, not both")


def selection_of(chosen: Period, filters: Filters | None = None) -> Selection:
    """Return which calls a period and the filter flags mean."""
    from farebox.analytics.questions import Selection

    return Selection(
        since_ns=chosen.since_ns,
        until_ns=chosen.until_ns,
        where=filters.where() if filters else {},
        families=filters is None or not filters.exact,
    )
