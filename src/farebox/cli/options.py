"""Flags that several commands share, the same words everywhere.

Names of filters are those of the ledger's dimensions, the API's parameters and the
dashboard's address bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from farebox import clock
from farebox.cli.periods import Period, period
from farebox.errors import StateDirectoryUnusableError
from farebox.home import Home, locate
from farebox.moments import zone_named

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.ledger.filter import Filter


@Parameter(name="*", group="Where")
@dataclass(frozen=True, kw_only=True)
class Place:
    """Where Farebox keeps its state and finds its configuration."""

    home: Annotated[Path | None, Parameter(help="State directory, instead of FAREBOX_HOME.")] = None
    config: Annotated[Path | None, Parameter(help="Configuration file, instead of farebox.yaml.")] = None

    def state(self) -> Home:
        """Return the state directory, made if it is not there yet."""
        place = locate() if self.home is None else Home(self.home.expanduser().absolute())
        place.prepare()
        return place

    def state_to_read(self) -> Home:
        """Return the state directory, made where it can be; one that can only be read will do."""
        place = locate() if self.home is None else Home(self.home.expanduser().absolute())
        try:
            place.prepare()
        except StateDirectoryUnusableError:
            if not place.path.is_dir():
                raise
        return place

    def configuration(self, state: Home) -> Config:
        """Return the checked configuration."""
        from farebox.config import load_config

        return load_config(state, self.config)


@Parameter(name="*", group="When")
@dataclass(frozen=True, kw_only=True)
class PeriodFlags:
    """Which stretch of time, half-open: from `--since` up to but without `--until`."""

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


@Parameter(name="*", group="Which calls")
@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which calls; several values of one flag with commas, the empty text for "none"."""

    provider: Annotated[str | None, Parameter(help="Only this provider.")] = None
    model: Annotated[str | None, Parameter(help="Only this model.")] = None
    surface: Annotated[str | None, Parameter(help="Only this surface, for example openai.chat.")] = None
    key: Annotated[str | None, Parameter(help="Only this API key's fingerprint.")] = None
    app: Annotated[str | None, Parameter(help="Only this app.")] = None
    user: Annotated[str | None, Parameter(help="Only this user.")] = None
    customer: Annotated[str | None, Parameter(help="Only this customer.")] = None
    agent: Annotated[str | None, Parameter(help="Only this agent.")] = None
    session: Annotated[str | None, Parameter(help="Only this session.")] = None
    project: Annotated[str | None, Parameter(help="Only this project.")] = None
    status: Annotated[str | None, Parameter(help="Only this HTTP status, or a class of them: 4xx.")] = None
    cost_state: Annotated[str | None, Parameter(help="Only this price state, for example unpriced.")] = None
    outcome: Annotated[str | None, Parameter(help="Only this outcome, for example client_disconnected.")] = (
        None
    )

    def where(self) -> dict[str, str]:
        """Return the filters that were given."""
        return {name: value for name, value in vars(self).items() if value is not None}


AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of a table.")]


def ledger_filter(chosen: Period, filters: Filters | None = None) -> Filter:
    """Return the ledger's filter for a period and the filter flags."""
    from farebox.ledger.filter import Filter

    return Filter(
        since_ns=chosen.since_ns,
        until_ns=chosen.until_ns,
        where=filters.where() if filters else {},
    )
