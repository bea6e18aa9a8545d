"""The routes of margins and simulations: what may be asked about charges without billing anything."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, get_args

import msgspec
from starlette.requests import Request

from farebox.billing.margin.margin import By
from farebox.config import load_config
from farebox.server.api.billing.margin_views import Margins, margins_view, read_percent
from farebox.server.api.billing.served_desk import ServedDesk
from farebox.server.api.billing.simulation_views import BillingSimulation, simulation_view
from farebox.server.api.errors import ApiError, invalid_parameter
from farebox.server.api.lists.rows import Rows
from farebox.server.api.method_routes import MethodRoutes, read_struct, route
from farebox.server.api.parameters import Choice, Day, Text, day_of

if TYPE_CHECKING:
    from farebox.billing.invoices.run import Desk
    from farebox.server.api.services import Services

MARGIN, SIMULATION = "/api/v1/margin", "/api/v1/simulation"
MODELS_MAX = 50
BY: Choice[By] = Choice(name="by", about="What margins are of.", words=get_args(By), default="customer")
BELOW = Text(
    name="below",
    about="Only rows whose margin is below this percentage.",
    pattern=r"-?\d{1,6}(\.\d{1,6})?%?",
    examples=("20%",),
)
FROM = Day(
    name="since",
    about="Billing periods that begin on this local date of each customer or later.",
    required=True,
)
BEFORE = Day(name="until", about="Billing periods that begin before this local date.", required=True)


class SimulationRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/v1/simulation`."""

    since: str
    """Billing periods that begin on this local date of each customer or later, and"""
    until: str
    """before this one."""
    plans: str = ""
    """YAML with `plans:`, each in the place of the plan of its name."""
    prices: str = ""
    """YAML with `pricing:` or `contracts:`, in the place of those in force."""
    models: list[str] = []
    """Another model in the place of one: `gpt-4o=gpt-4o-mini`."""


class EarningsRoutes(MethodRoutes):
    """A simulation is a POST for its size; it changes nothing, and whoever may read may ask."""

    def __init__(self, services: Services) -> None:
        """Rating is done in a thread of its own, one at a time; its questions take turns with a screen's."""
        super().__init__(services)
        self._rating = ServedDesk(services, "rating")

    def close(self) -> None:
        self._rating.close()

    @route("GET", MARGIN, BY, BELOW, FROM, BEFORE, rows=Rows("rows", ("value",)))
    async def margin(self, request: Request) -> Margins:
        """What is earned with each customer, agent, model or outcome, the lowest margin first."""
        from farebox.billing.margin.margin_question import margins_of
        from farebox.billing.rated_periods import periods_of

        by, below = BY.of(request) or "customer", _percent(BELOW.of(request))
        since, until = FROM.of(request), BEFORE.of(request)
        now = self._clock()

        def asked(desk: Desk) -> Margins:
            found = margins_of(periods_of(desk, now), desk.usage, since, until, by)
            return margins_view(found, below)

        return await self._rating.do(asked)

    @route("POST", SIMULATION, body=SimulationRequest, refusals=("config_invalid",))
    async def simulate(self, request: Request) -> BillingSimulation:
        """What customers would pay with other plans, prices or models. Nothing of it is saved."""
        from farebox.billing.rated_periods import periods_of
        from farebox.billing.simulation.changes import read_changes, read_text
        from farebox.billing.simulation.simulation import simulated

        said = await read_struct(request, SimulationRequest)
        since, until = _day("since", said.since), _day("until", said.until)
        if len(said.models) > MODELS_MAX:
            raise ApiError(422, "body_invalid", f"At most {MODELS_MAX} models.")
        now = self._clock()

        def asked(desk: Desk) -> BillingSimulation:
            changes = read_changes(
                self._home,
                load_config(self._home),
                plans=read_text("plans", said.plans),
                prices=read_text("prices", said.prices),
                models=said.models,
            )
            periods = periods_of(desk, now)
            found = simulated(
                periods,
                desk.usage,
                since,
                until,
                other=changes.periods(periods),
                other_usage=changes.usage(self._home, desk.usage),
            )
            return simulation_view(found, list(changes.said), list(changes.statements))

        return await self._rating.do(asked)


def _percent(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        return read_percent(text)
    except ValueError:
        raise invalid_parameter("below", text, ["20%"]) from None


def _day(name: str, text: str) -> date:
    try:
        return day_of(text)
    except ValueError:
        raise invalid_parameter(name, text, ["a date such as 2026-11-01"]) from None
