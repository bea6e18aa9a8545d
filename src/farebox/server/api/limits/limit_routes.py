"""The routes of budgets and stops."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from farebox.budgets.budget import COMMAND, Stop
from farebox.budgets.definition import read_budget
from farebox.budgets.matching import DIMENSIONS
from farebox.budgets.node_readers import NAME
from farebox.budgets.written_values import read_dimension
from farebox.config import is_exposed, load_config
from farebox.errors import ConfigError, Finding
from farebox.server.api.errors import ApiError, invalid_parameter
from farebox.server.api.filters import read_selection
from farebox.server.api.json_nodes import node_of
from farebox.server.api.limits.budget_views import (
    Budgets,
    BudgetSimulation,
    BudgetState,
    Stops,
    StopState,
    budgets_view,
    simulation_view,
    stop_view,
    stops_view,
)
from farebox.server.api.lists.rows import Rows
from farebox.server.api.method_routes import MethodRoutes, object_of, read_body, route
from farebox.server.api.operations import Body
from farebox.server.api.parameters import SPAN, TAGS, Parameter, Text
from farebox.snapshot import read_snapshot
from farebox.wire.keys import without_keys

if TYPE_CHECKING:
    from farebox.budgets.budget import Budget
    from farebox.ledger.spending.simulation import Simulation
    from farebox.server.api.services import Services

BUDGETS = "/api/v1/budgets"
STOPS = "/api/v1/stops"
SIMULATION = "/api/v1/budget-simulation"
VALUES_MAX = 100
_ONE, _SIMULATION = f"{BUDGETS}/{{name}}", f"{BUDGETS}/{{name}}/simulation"


_DEFINITION = Body(
    about="The budget's settings as the home's `farebox.yaml` has them below its name.",
    examples=({"limit": "25.00", "period": "day", "where": {"customer": "acme"}},),
)
_STOP = Body(
    about="One dimension and its value, and a `reason` if there is one.",
    examples=({"session": "s-17", "reason": "it loops"},),
)
STOPPED: tuple[Parameter, ...] = (
    *(Text(name=name, about=f"The {name} whose stop is lifted.") for name in DIMENSIONS),
    TAGS,
)


class _LeftError(Exception):
    """Nobody waits for it any more."""


class LimitRoutes(MethodRoutes):
    """Budgets and stops."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._simulating = ThreadPoolExecutor(max_workers=1, thread_name_prefix="simulation")

    def name_of(self, path: str) -> str | None:
        """Return the route that a path is one of."""
        if path in (BUDGETS, STOPS, SIMULATION):
            return path
        name, slash, rest = path.removeprefix(f"{BUDGETS}/").partition("/")
        if not path.startswith(f"{BUDGETS}/") or not NAME.fullmatch(name):
            return None
        if not slash:
            return _ONE
        return _SIMULATION if rest == "simulation" else None

    def close(self) -> None:
        self._simulating.shutdown(wait=False, cancel_futures=True)

    @route("GET", BUDGETS, rows=Rows("budgets", ("name",)))
    async def list_budgets(self, request: Request) -> Budgets:
        """Every budget by name, with its figures."""
        now = self._clock()
        return await self._ledger.ask(lambda sources: budgets_view(self._home, now, sources.questions))

    @route("GET", _ONE, refusals=("budget_not_found",))
    async def show(self, request: Request) -> BudgetState:
        """One budget with its figures, and those of up to 100 values of `each`."""
        return await self._shown(_name(request))

    @route("PUT", _ONE, body=_DEFINITION, refusals=("config_invalid",))
    async def put(self, request: Request) -> BudgetState:
        """Set a budget, in the place of the one of this name."""
        from farebox.control.budget_changes import set_budget

        name = _name(request)
        node, findings = node_of(await read_body(request)), list[Finding]()
        said = read_budget(node, findings, name=name, origin=COMMAND)
        if said is None:
            raise ConfigError(findings)
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(lambda: set_budget(self._home, said, actor, now, self._control()))
        return await self._shown(name)

    @route("DELETE", _ONE, refusals=("budget_not_found",))
    async def remove(self, request: Request) -> Budgets:
        """Take a budget away. What is left is shown."""
        from farebox.control.budget_changes import remove_budget

        name, actor, now = _name(request), self._actor(request), self._clock()
        self._known(name)
        await asyncio.to_thread(lambda: remove_budget(self._home, name, actor, now, self._control()))
        now = self._clock()
        return await self._ledger.ask(lambda sources: budgets_view(self._home, now, sources.questions))

    @route("GET", _SIMULATION, *SPAN, refusals=("budget_not_found",))
    async def simulate(self, request: Request) -> BudgetSimulation:
        """What a budget would have blocked in a span, 30 days where none is given."""
        return await self._simulated(request, self._known(_name(request)))

    @route("POST", SIMULATION, *SPAN, body=_DEFINITION, refusals=("config_invalid",))
    async def simulate_unset(self, request: Request) -> BudgetSimulation:
        """What a budget would have blocked, before it is set."""
        findings: list[Finding] = []
        said = read_budget(node_of(await read_body(request)), findings, origin=COMMAND)
        if said is None:
            raise ConfigError(findings)
        return await self._simulated(request, said)

    @route("GET", STOPS, rows=Rows("stops", ("dimension", "value")))
    async def list_stops(self, request: Request) -> Stops:
        """Whose calls are refused, the newest stop first."""
        return stops_view(read_snapshot(self._home))

    @route("POST", STOPS, body=_STOP)
    async def stop(self, request: Request) -> StopState:
        """Refuse the calls of one value of a dimension until the stop is lifted."""
        from farebox.control.budget_changes import REASON_MAX, stop_calls

        said = object_of(await read_body(request))
        reason = said.pop("reason", "")
        if not isinstance(reason, str) or len(reason) > REASON_MAX or without_keys(reason) != reason:
            raise invalid_parameter("reason", "", [f"text of at most {REASON_MAX} characters, without a key"])
        dimension, value = _what(said)
        actor, now = self._actor(request), self._clock()
        stop = Stop(dimension=dimension, value=value, reason=reason, since_ns=now, by=actor)
        await asyncio.to_thread(lambda: stop_calls(self._home, stop, now, self._control()))
        return stop_view(stop)

    @route("DELETE", STOPS, *STOPPED, refusals=("stop_not_found",))
    async def lift(self, request: Request) -> Stops:
        """Let calls pass again. What is left is shown."""
        from farebox.control.budget_changes import lift_stop

        dimension, value = _what(dict(request.query_params.multi_items()))
        actor, now = self._actor(request), self._clock()
        lifted = await asyncio.to_thread(
            lambda: lift_stop(self._home, dimension, value, actor, now, self._control())
        )
        if not lifted:
            raise ApiError(404, "stop_not_found", f"This {dimension} is not stopped.")
        return stops_view(read_snapshot(self._home))

    async def _simulated(self, request: Request, budget: Budget) -> BudgetSimulation:
        """Simulate in a thread of its own: a screen never waits behind it."""
        from datetime import UTC, datetime

        given = request.query_params.multi_items()
        if not any(name == "since" for name, _ in given):
            given.append(("since", "30d"))
        now = datetime.fromtimestamp(self._clock() // 10**9, UTC)
        span = read_selection(given, now=now).window
        gone = threading.Event()

        def told(_: Simulation) -> None:
            if gone.is_set():
                raise _LeftError

        def work() -> BudgetSimulation:
            from farebox.ledger.spending.simulation import simulate

            config = load_config(self._home, prices=False)
            stated = not is_exposed(config.listen, config)
            since = span.since_ns or 0
            found = simulate(self._home, budget, since, span.until_ns, stated_customers=stated, told=told)
            return simulation_view(budget, since, span.until_ns, found)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._simulating, work)
        finally:
            gone.set()

    async def _shown(self, name: str) -> BudgetState:
        self._known(name)
        now = self._clock()
        found = await self._ledger.ask(
            lambda sources: budgets_view(self._home, now, sources.questions, name=name, values_max=VALUES_MAX)
        )
        return found.budgets[0]

    def _known(self, name: str) -> Any:
        for each in read_snapshot(self._home).budgets:
            if each.name == name:
                return each
        raise ApiError(404, "budget_not_found", f"There is no budget {name!r}.")


def _name(request: Request) -> str:
    return request.url.path.removeprefix(f"{BUDGETS}/").partition("/")[0]


def _what(said: dict[str, Any]) -> tuple[str, str]:
    """Return the dimension and value that are meant: `{"session": "ID"}`."""
    if len(said) != 1:
        raise invalid_parameter("stop", ", ".join(said)[:200], ["one of " + ", ".join(DIMENSIONS)])
    ((name, value),) = said.items()
    try:
        dimension = read_dimension(name)
    except ValueError as error:
        raise ApiError(422, "invalid_parameter", f"There is no dimension {name[:200]!r}: {error}") from None
    text = str(value)
    if not text.strip() or len(text) > 256 or isinstance(value, (dict, list, bool)) or value is None:
        raise invalid_parameter(dimension, "", ["text of 1 to 256 characters"])
    if without_keys(text) != text:
        raise invalid_parameter(dimension, "", ["a key's label or fingerprint, not the key"])
    return dimension, text
