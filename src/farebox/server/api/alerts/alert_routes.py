"""The routes of alerts, their history and their simulation."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

import msgspec
from starlette.requests import Request

from farebox.alerts.alert import Alert
from farebox.alerts.definition import read_alert
from farebox.alerts.event import State
from farebox.alerts.references import Reference, missing
from farebox.alerts.snooze_request import requested_snooze
from farebox.budgets.budget import COMMAND
from farebox.budgets.node_readers import NAME
from farebox.control.outbox.trial import TrialOutcome
from farebox.errors import ConfigError, Finding
from farebox.server.api.alerts.alert_kinds import AlertKinds, kinds_view
from farebox.server.api.alerts.alert_views import (
    EVENTS_SHOWN,
    AlertHistory,
    Alerts,
    AlertSimulation,
    AlertView,
    alerts_view,
    event_view,
    simulation_view,
)
from farebox.server.api.errors import ApiError
from farebox.server.api.filters import read_selection
from farebox.server.api.json_nodes import node_of
from farebox.server.api.lists.paging import page_asked
from farebox.server.api.lists.rows import Paged, Rows
from farebox.server.api.method_routes import MethodRoutes, read_body, read_struct, route
from farebox.server.api.operations import Body
from farebox.server.api.parameters import SPAN, Choice, Text
from farebox.snapshot import read_snapshot

if TYPE_CHECKING:
    from farebox.channels.settings import Form
    from farebox.control.outbox.envelope import Envelope
    from farebox.server.api.services import Services

ALERTS = "/api/v1/alerts"
EVENTS = "/api/v1/alert-events"
SIMULATION = "/api/v1/alert-simulation"
KINDS = "/api/v1/alert-kinds"
_ONE, _TEST, _SNOOZE = f"{ALERTS}/{{name}}", f"{ALERTS}/{{name}}/test", f"{ALERTS}/{{name}}/snooze"
_BELOW = {"test": _TEST, "snooze": _SNOOZE}
_BEGINNING = "2000-01-01"
ALERT = Text(name="alert", about="Only this alert.")
STATE: Choice[State] = Choice(name="state", about="Only news of this kind.", words=get_args(State))
VALUE = Text(name="value", about="Only the snooze of this value of `each`; all of them where it is left out.")
_SIMULATED = Rows("events", ("alert", "value", "state", "at"))
_DEFINITION = Body(
    about="The alert's settings as the home's `farebox.yaml` has them below its name.",
    examples=({"anomaly": "cost", "where": {"app": "ingest"}, "to": ["ops"]},),
)


class AlertTrial(msgspec.Struct, kw_only=True):
    """`POST /api/v1/alerts/{name}/test`: how each channel received it."""

    channels: list[TrialOutcome]


class SnoozeRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `PUT /api/v1/alerts/{name}/snooze`."""

    span: str = msgspec.field(name="for", default="24h")
    value: str = ""
    reason: str = ""


class _LeftError(Exception):
    """Nobody waits for it any more."""


class AlertRoutes(MethodRoutes):
    """Alerts: set, removed, tested, snoozed; what they had to say, and what they would have said."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._simulating = ThreadPoolExecutor(max_workers=1, thread_name_prefix="alert-simulation")

    def name_of(self, path: str) -> str | None:
        """Return the route that a path is one of."""
        if path in (ALERTS, EVENTS, SIMULATION, KINDS):
            return path
        name, slash, rest = path.removeprefix(f"{ALERTS}/").partition("/")
        if not path.startswith(f"{ALERTS}/") or not NAME.fullmatch(name):
            return None
        return _BELOW.get(rest) if slash else _ONE

    def close(self) -> None:
        self._simulating.shutdown(wait=False, cancel_futures=True)

    @route("GET", ALERTS, rows=Rows("alerts", ("name",)))
    async def list_alerts(self, request: Request) -> Alerts:
        """Every alert by name, and how it is doing."""
        now = self._clock()
        return await asyncio.to_thread(lambda: alerts_view(self._home, now, database=self._control()))

    @route("GET", _ONE, refusals=("alert_not_found",))
    async def show(self, request: Request) -> AlertView:
        """One alert, and how it is doing."""
        return await self._shown(_name(request))

    @route("PUT", _ONE, body=_DEFINITION, refusals=("config_invalid",))
    async def put(self, request: Request) -> AlertView:
        """Set an alert, in the place of the one of this name."""
        from farebox.control.alert_changes import set_alerts

        name = _name(request)
        said = await self._said(request, name)
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(lambda: set_alerts(self._home, [said], actor, now, self._control()))
        return await self._shown(name)

    @route("DELETE", _ONE, refusals=("alert_not_found",))
    async def remove(self, request: Request) -> Alerts:
        """Take an alert away; its history stays. What is left is shown."""
        from farebox.control.alert_changes import remove_alert

        name, actor, now = _name(request), self._actor(request), self._clock()
        self._known(name)
        await asyncio.to_thread(lambda: remove_alert(self._home, name, actor, now, self._control()))
        return await asyncio.to_thread(lambda: alerts_view(self._home, now, database=self._control()))

    @route("POST", _TEST, refusals=("alert_not_found", "no_channel"))
    async def test(self, request: Request) -> AlertTrial:
        """Send a test to each channel, all at once: a slow one keeps no other waiting."""
        alert, actor, now = self._known(_name(request)), self._actor(request), self._clock()

        def of_form(form: Form) -> Envelope:
            from farebox.alerts.sample import sample

            return sample(alert, form, now, cause=actor)

        def work(channel: str) -> TrialOutcome:
            from farebox.control.database import open_control
            from farebox.control.outbox.trial import send_test

            database = self._control() or open_control(self._home)
            return send_test(database, channel, now_ns=now, actor=actor, is_running=True, of_form=of_form)

        if not alert.to:
            raise ApiError(422, "no_channel", f"{alert.name} names no channel in `to`: nobody is told.")
        found = await asyncio.gather(*(asyncio.to_thread(work, each) for each in alert.to))
        return AlertTrial(channels=list(found))

    @route("PUT", _SNOOZE, body=SnoozeRequest, refusals=("alert_not_found",))
    async def snooze(self, request: Request) -> AlertView:
        """Tell nobody of an alert, or of one of its values, for a time."""
        from farebox.control.alert_changes import snooze_alert

        name, actor, now = _name(request), self._actor(request), self._clock()
        self._known(name)
        said = await read_struct(request, SnoozeRequest)
        snooze = requested_snooze(name, said.value, said.span, said.reason, by=actor, now_ns=now)
        await asyncio.to_thread(lambda: snooze_alert(self._home, snooze, now, self._control()))
        return await self._shown(name)

    @route("DELETE", _SNOOZE, VALUE, refusals=("alert_not_found", "snooze_not_found"))
    async def unsnooze(self, request: Request) -> AlertView:
        """Tell of an alert again."""
        from farebox.control.alert_changes import unsnooze_alert

        name, actor, now = _name(request), self._actor(request), self._clock()
        self._known(name)
        value = VALUE.of(request)
        ended = await asyncio.to_thread(
            lambda: unsnooze_alert(self._home, name, value, actor, now, self._control())
        )
        if not ended:
            raise ApiError(404, "snooze_not_found", f"The alert {name!r} is not snoozed.")
        return await self._shown(name)

    @route("GET", EVENTS, ALERT, STATE, *SPAN, rows=Rows("events", size=EVENTS_SHOWN))
    async def history(self, request: Request) -> Paged[AlertHistory]:
        """What alerts had to say, the newest first."""
        query = request.query_params
        alert, state = ALERT.of(request), STATE.of(request)
        limit, after = page_asked(request, tuple[int, str])
        times = _times(request)
        if "since" not in query:
            times.append(("since", _BEGINNING))
        span = read_selection(times, now=self._now()).window
        until_ns = span.until_ns if "until" in query else None
        database = self._control()
        if database is None:
            return Paged(AlertHistory(events=[]), None)

        def read() -> Paged[AlertHistory]:
            from farebox.control.alerts import events

            with database.reading() as connection:
                found = events(
                    connection,
                    alert=alert,
                    state=state,
                    since_ns=span.since_ns,
                    until_ns=until_ns,
                    limit=limit + 1,
                    after=after,
                )
            page = [each.event for each in found[:limit]]
            shown = AlertHistory(events=[event_view(each.event, each.told) for each in found[:limit]])
            return Paged(shown, (page[-1].at_ns, page[-1].id) if len(found) > limit else None)

        return await asyncio.to_thread(read)

    @route("GET", SIMULATION, ALERT, *SPAN, rows=_SIMULATED, refusals=("alert_not_found",))
    async def simulate(self, request: Request) -> AlertSimulation:
        """What the alerts that are set would have had to say in a span, 30 days where none is given."""
        name = ALERT.of(request)  # done in a thread of its own: a screen never waits behind it
        alerts = list(read_snapshot(self._home).alerts) if name is None else [self._known(name)]
        return await self._simulated(request, alerts)

    @route("POST", SIMULATION, *SPAN, body=_DEFINITION, refusals=("config_invalid",))
    async def simulate_unset(self, request: Request) -> AlertSimulation:
        """What an alert would have had to say, before it is set."""
        return await self._simulated(request, [await self._said(request)])

    @route("GET", KINDS)
    async def kinds(self, request: Request) -> AlertKinds:
        """What can be watched, and what goes with it."""
        return kinds_view()

    async def _said(self, request: Request, name: str | None = None) -> Alert:
        """Return the alert that a body says, called `name` where that stands before it."""
        from farebox.control.alert_changes import known_here

        findings: list[Finding] = []
        references: list[Reference] = []
        node = node_of(await read_body(request))
        said = read_alert(node, findings, references, name=name, origin=COMMAND)
        findings += missing(references, await asyncio.to_thread(lambda: known_here(self._home)))
        if said is None or findings:
            raise ConfigError(findings)
        return said

    async def _simulated(self, request: Request, alerts: list[Alert]) -> AlertSimulation:
        """Simulate in a thread of its own: a screen never waits behind it."""
        given = _times(request)
        if not any(key == "since" for key, _ in given):
            given.append(("since", "30d"))
        span = read_selection(given, now=self._now()).window
        since, until = span.since_ns or 0, span.until_ns
        gone = threading.Event()

        def told(_done: int, _of: int) -> None:
            if gone.is_set():
                raise _LeftError

        def work() -> AlertSimulation:
            from farebox.ledger.alerting.simulation import simulate

            return simulation_view(alerts, since, until, simulate(self._home, alerts, since, until, told))

        try:
            return await asyncio.get_running_loop().run_in_executor(self._simulating, work)
        finally:
            gone.set()

    async def _shown(self, name: str) -> AlertView:
        self._known(name)
        now = self._clock()
        found = await asyncio.to_thread(
            lambda: alerts_view(self._home, now, name=name, database=self._control())
        )
        return found.alerts[0]

    def _known(self, name: str) -> Alert:
        for each in read_snapshot(self._home).alerts:
            if each.name == name:
                return each
        raise ApiError(404, "alert_not_found", f"There is no alert {name[:200]!r}.")

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock() // 10**9, UTC)


def _name(request: Request) -> str:
    return request.url.path.removeprefix(f"{ALERTS}/").partition("/")[0]


def _times(request: Request) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name in ("since", "until", "tz")
    ]
