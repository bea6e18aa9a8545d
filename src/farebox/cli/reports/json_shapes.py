"""The shapes that `--json` prints, one for each kind of output, versioned by `schema`.

Money is an integer of pico-dollars (10⁻¹² USD) beside decimal text. docs/reference/json.md is
made of these.
"""

from __future__ import annotations

import re
import sys

import msgspec

from farebox.analytics.query import Breakdown, Group, Measures, UnknownValue
from farebox.cli.periods import Period
from farebox.clock import iso
from farebox.ingest.figures import SenderFigures
from farebox.ledger.cost_classes import INCLUDED_VALUE
from farebox.money import usd_text
from farebox.sdk.shipping.spool_status import ProgramSpool
from farebox.server.api.coverage.coverage import Coverage
from farebox.server.api.coverage.recording import Recording
from farebox.server.api.outbox.outbox_views import OutboxFigures
from farebox.telemetry.otlp_out.exported import Exported


class PeriodAnswer(msgspec.Struct, kw_only=True):
    """`[since, until)` in UTC; null is open. `tz` is the zone whose days were meant."""

    since: str | None
    until: str | None
    tz: str


class Totals(Measures, kw_only=True):
    """Sums; `cost_pico` is a lower bound while `complete` is false."""

    cost_usd: str
    charge_usd: str
    complete: bool
    """Whether every call has a price and none is known to be missing."""


class GroupAnswer(msgspec.Struct, kw_only=True):
    """One value of the dimensions asked for; null is "not stated"."""

    keys: dict[str, str | None]
    totals: Totals
    others: dict[str, int | None] = {}
    """Measures other than sums, by name: percentiles in microseconds, distinct counts."""


class SummaryAnswer(msgspec.Struct, kw_only=True):
    """`farebox today --json`, `week --json` and `month --json`."""

    schema: str = "farebox.summary/1"
    period: PeriodAnswer
    totals: Totals
    included_value_pico: int
    """What calls that subscriptions paid for would have cost by list price. It is in no sum."""
    by_model: list[GroupAnswer]
    coverage: Coverage
    includes: list[str]
    """Models that `--model` stood for besides those it named: dated versions, what responded for them."""
    unknown_values: list[UnknownValue]
    """Values of filters that no call ever had."""


class BreakdownAnswer(msgspec.Struct, kw_only=True):
    """`farebox by … --json`: groups without a cost first, then the most expensive."""

    schema: str = "farebox.breakdown/1"
    period: PeriodAnswer
    by: list[str]
    totals: Totals
    others: dict[str, int | None]
    """The total's measures other than sums."""
    groups: list[GroupAnswer]
    rest_groups: int
    """How many groups `--limit` left out."""
    rest: Totals
    """Their sums."""
    coverage: Coverage
    includes: list[str]
    unknown_values: list[UnknownValue]


class ProcessAnswer(msgspec.Struct, kw_only=True):
    """One process of a running Farebox."""

    name: str
    running: bool
    pid: int | None
    address: str | None


class SpoolRefusal(msgspec.Struct, kw_only=True):
    """What a remote sender could not keep, by its own exact count."""

    source: str
    records: int
    calls: int
    """How many of the records were ends of calls: these calls are missing from every sum."""


class CollectorAnswer(msgspec.Struct, kw_only=True):
    """What became of the events that were sent here."""

    since: str
    """When the first ones came."""
    last_at: str
    accepted: int
    duplicate: int
    conflict: int
    """Refused: their id had been used for other content."""
    invalid: int
    """Refused: the sender was told why."""
    senders: dict[str, SenderFigures]
    """The same by the id of the token; `last_at` in nanoseconds since 1970."""
    otlp: dict[str, int] = {}
    """What OTLP requests held, by name: `calls`, and what is none, as `parent_totals` or `metric_points`."""


class StatusAnswer(msgspec.Struct, kw_only=True):
    """`farebox status --json`."""

    schema: str = "farebox.status/1"
    version: str
    home: str
    config: str | None
    """The configuration file that the running Farebox uses; without one, the file it would read."""
    config_mistakes: int = 0
    """Mistakes in the state directory's `farebox.yaml`; what runs keeps what it said before."""
    published_problems: list[str] = []
    """Why the state directory's `farebox.yaml` is not in force, as it was published last, a sentence each."""
    stops: int = 0
    """How many sessions, keys and processes are stopped by command."""
    prices: list[str] = []
    """News of the price lists: updated lately, waiting for review, looked for in vain."""
    processes: list[ProcessAnswer]
    calls: int
    last_call_at: str | None
    health: dict[str, int | float | str | bool | None]
    """What the ledger reports: how far behind it is, how many bytes wait, gaps, lost records."""
    recording: Recording
    config_here: str | None = None
    """The file that a Farebox started in this directory would read, where that is another one."""
    coverage: Coverage | None = None
    """What the figures do not include; null where the ledger cannot be read."""
    ledger_error: str | None = None
    """Why the ledger cannot be read."""
    outbox: OutboxFigures | None = None
    """Messages to others; null where nothing was ever set by a command or named under `webhooks:`."""
    collector: CollectorAnswer | None = None
    """Null where nothing was ever sent here."""
    spool_refused: list[SpoolRefusal] = []
    """What the full spools of remote senders refused."""
    spools: list[ProgramSpool] = []
    """What programs of this machine have for collectors elsewhere; none where there is no remote mode."""
    otlp_export: Exported | None = None
    """How far the record is sent to the OTLP endpoint of the configuration; null where there is none."""


class ProcessHealth(msgspec.Struct, kw_only=True):
    """One process, as it says itself."""

    name: str
    live: bool
    """It responds."""
    ready: bool | None
    """Everything is recorded and in the ledger; null where it was not asked, or did not say."""
    reasons: list[str]
    """Why it is not ready, in words of docs/guides/running-as-a-service.md."""
    well: bool
    """It is what was asked for: ready, or with `--live` alive."""


class HealthAnswer(msgspec.Struct, kw_only=True):
    """`farebox health --json`."""

    schema: str = "farebox.health/1"
    well: bool
    """Every process is."""
    processes: list[ProcessHealth]
    notes: list[str] = []
    """What is not as it was meant, and harms no call: why `farebox.yaml` is not in force."""


class TokenAnswer(msgspec.Struct, kw_only=True):
    """A token; its secret is nowhere."""

    id: str
    name: str
    scope: str
    """`ingest`, `read`, `admin`, `client` or `portal`."""
    state: str
    """`active`, `expired` or `revoked`."""
    customer: str | None
    """Whose calls are made with it, as for the next two."""
    user: str | None
    project: str | None
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    """Up to a minute late; null for one that never was."""


class TokensAnswer(msgspec.Struct, kw_only=True):
    """`farebox tokens list --json`."""

    schema: str = "farebox.tokens/1"
    tokens: list[TokenAnswer]


class TokenCreatedAnswer(msgspec.Struct, kw_only=True):
    """`farebox tokens create --json`."""

    schema: str = "farebox.token/1"
    token: TokenAnswer
    secret: str
    """What to send. It is stored as a hash and cannot be shown again."""


class ServiceAnswer(msgspec.Struct, kw_only=True):
    """`farebox service install --json`, `remove --json` and `status --json`: how it is afterwards."""

    schema: str = "farebox.service/1"
    manager: str
    """`systemd` or `launchd`."""
    file: str
    """What describes the service to it."""
    installed: bool
    """That file is there."""
    enabled: bool
    """It starts by itself."""
    active: bool
    pid: int | None
    home: str
    logs: str
    """The command that shows what it says."""
    text: str | None
    """The file's content, with `--dry-run`."""
    done: list[str]
    """What was done, or with `--dry-run` would be."""
    type_this: list[str]
    """Commands that are left to type, because the manager does not respond here or a Farebox runs already."""


def period_answer(period: Period) -> PeriodAnswer:
    return PeriodAnswer(
        since=None if period.since_ns is None else iso(period.since_ns),
        until=None if period.until_ns is None else iso(period.until_ns),
        tz=period.zone_name,
    )


def totals(measures: Measures, found: Coverage) -> Totals:
    return Totals(
        **msgspec.structs.asdict(measures),
        cost_usd=usd_text(measures.cost_pico),
        charge_usd=usd_text(measures.charge_pico),
        complete=measures.unpriced_calls == 0 and found.complete,
    )


def group_answer(group: Group, found: Coverage) -> GroupAnswer:
    return GroupAnswer(keys=group.keys, totals=totals(group.measures, found), others=group.others)


def summary_answer(
    period: Period, sums: Breakdown, found: Coverage, unknown: list[UnknownValue]
) -> SummaryAnswer:
    return SummaryAnswer(
        period=period_answer(period),
        totals=totals(sums.total, found),
        included_value_pico=sums.others.get(INCLUDED_VALUE) or 0,
        by_model=[group_answer(group, found) for group in sums.groups],
        coverage=found,
        includes=sums.models,
        unknown_values=unknown,
    )


def breakdown_answer(
    period: Period, by: list[str], sums: Breakdown, found: Coverage, unknown: list[UnknownValue]
) -> BreakdownAnswer:
    return BreakdownAnswer(
        period=period_answer(period),
        by=by,
        totals=totals(sums.total, found),
        others=sums.others,
        groups=[group_answer(group, found) for group in sums.groups],
        rest_groups=sums.rest_groups,
        rest=totals(sums.rest, found),
        coverage=found,
        includes=sums.models,
        unknown_values=unknown,
    )


def print_json(answer: msgspec.Struct) -> None:
    """Print one result as indented JSON."""
    text = msgspec.json.format(msgspec.json.encode(answer), indent=2)
    sys.stdout.write(_without_commands(text.decode()) + "\n")


def print_json_line(answer: msgspec.Struct) -> None:
    """Print one of many results on a line of its own, without buffering."""
    sys.stdout.write(_without_commands(msgspec.json.encode(answer).decode()) + "\n")
    sys.stdout.flush()


_COMMANDS = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""What a terminal may take for a command or a change of direction: JSON may spell it by its number."""


def _without_commands(text: str) -> str:
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
