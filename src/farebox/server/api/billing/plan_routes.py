"""The routes of customers, plans and subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, TypeVar

import msgspec
from starlette.requests import Request

from farebox import yamltext
from farebox.errors import ConfigError
from farebox.ingest.bodies import JSON, media_type
from farebox.server.api.errors import ApiError
from farebox.server.api.json_nodes import node_of
from farebox.server.api.lists.rows import Rows
from farebox.server.api.method_routes import MethodRoutes, read_body, read_struct, route
from farebox.server.api.operations import YAML, Body
from farebox.server.api.parameters import Choice, Text
from farebox.snapshot import read_snapshot

if TYPE_CHECKING:
    from farebox.billing.plans.views import Changes, Customers, Plans, Subscriptions
    from farebox.control.billing_terms import Kept

CUSTOMERS, PLANS, SUBSCRIPTIONS = "/api/v1/customers", "/api/v1/plans", "/api/v1/subscriptions"
TEXT = "the text"

CUSTOMER = Text(name="customer", about="Only this customer.")
PLAN = Text(name="plan", about="Only this plan.")
THIS_CUSTOMER = Text(name="customer", about="Whom to take away.", required=True)
THIS_PLAN = Text(name="plan", about="What to retire.", required=True)
WRITE_OFF: Choice[str] = Choice(
    name="write_off", about="Whether what is left in a wallet is given up.", words=("true", "false")
)
_TERMS = Body(
    about="`plans`, `customers` and `subscriptions` as the home's `farebox.yaml` has them.",
    examples=({"customers": {"acme": {"currency": "USD"}}},),
    media=(JSON, *YAML),
)

T = TypeVar("T")


class EndRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which subscription ends, and the first day that it does not charge."""

    customer: str
    plan: str | None = None
    at: date


class ChangeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who moves to which plan, and the first day on it."""

    customer: str
    plan: str
    at: date
    version: int | None = None
    instead_of: str | None = None


class PlanRoutes(MethodRoutes):
    """Names are in the query or the body: a customer's may have any character."""

    @route("GET", CUSTOMERS, CUSTOMER, rows=Rows("customers", ("id",)), refusals=("customer_not_found",))
    async def customers(self, request: Request) -> Customers:
        """Customers, with what stands for them and their subscriptions."""
        from farebox.billing.plans.views import customers_view

        name, now = CUSTOMER.of(request), self._clock()
        return await self._read(
            "customer", name, lambda kept, problems: customers_view(kept, now, name=name, problems=problems)
        )

    @route("GET", PLANS, PLAN, rows=Rows("plans", ("name", "version")), refusals=("plan_not_found",))
    async def plans(self, request: Request) -> Plans:
        """The newest version of each plan; of one plan, every version."""
        from farebox.billing.plans.views import plans_view

        name, now = PLAN.of(request), self._clock()
        return await self._read(
            "plan", name, lambda kept, problems: plans_view(kept, now, name=name, problems=problems)
        )

    @route(
        "GET", SUBSCRIPTIONS, CUSTOMER, rows=Rows("subscriptions", ("id",)), refusals=("customer_not_found",)
    )
    async def subscriptions(self, request: Request) -> Subscriptions:
        """Who is on which version of which plan, and from when on."""
        from farebox.billing.plans.views import subscriptions_view

        name, now = CUSTOMER.of(request), self._clock()
        return await self._read(
            "customer",
            name,
            lambda kept, problems: subscriptions_view(kept, now, customer=name, problems=problems),
        )

    @route("PUT", CUSTOMERS, body=_TERMS, refusals=("config_invalid",))
    @route("PUT", PLANS, body=_TERMS, refusals=("config_invalid",))
    @route("PUT", SUBSCRIPTIONS, body=_TERMS, refusals=("config_invalid",))
    async def put(self, request: Request) -> Changes:
        """Store customers, plans and subscriptions, as `farebox plans apply` does."""
        return await self._apply(request, dry_run=False)

    @route("POST", f"{PLANS}/preview", body=_TERMS, refusals=("config_invalid",))
    async def preview(self, request: Request) -> Changes:
        """What storing the body would change."""
        return await self._apply(request, dry_run=True)

    @route("DELETE", CUSTOMERS, THIS_CUSTOMER, WRITE_OFF, refusals=("customer_not_found",))
    async def remove_customer(self, request: Request) -> Customers:
        """Take a customer away that no document names. Who is left is shown."""
        from farebox.billing.plans.changes import remove_customer
        from farebox.billing.plans.views import customers_view

        name, actor, now = THIS_CUSTOMER.needed(request), self._actor(request), self._clock()
        write_off = WRITE_OFF.of(request) == "true"
        await asyncio.to_thread(
            lambda: remove_customer(self._home, name, actor, now, self._control(), write_off=write_off)
        )
        return await self._read(
            "customer", None, lambda kept, problems: customers_view(kept, now, problems=problems)
        )

    @route("DELETE", PLANS, THIS_PLAN, refusals=("plan_not_found",))
    async def remove_plan(self, request: Request) -> Plans:
        """Retire a plan: nobody is put on it any more. What is left is shown."""
        from farebox.billing.plans.changes import retire_plan
        from farebox.billing.plans.views import plans_view

        name, actor, now = THIS_PLAN.needed(request), self._actor(request), self._clock()
        await asyncio.to_thread(lambda: retire_plan(self._home, name, actor, now, self._control()))
        return await self._read("plan", None, lambda kept, problems: plans_view(kept, now, problems=problems))

    @route("POST", f"{SUBSCRIPTIONS}/change", body=ChangeRequest)
    async def change(self, request: Request) -> Subscriptions:
        """Move a customer to another plan, or to another version of it."""
        from farebox.billing.plans.changes import change_subscription

        said = await read_struct(request, ChangeRequest)
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(
            lambda: change_subscription(
                self._home,
                said.customer,
                said.plan,
                said.at,
                actor,
                now,
                from_plan=said.instead_of,
                version=said.version,
                database=self._control(),
            )
        )
        return await self._subscriptions_of(said.customer)

    @route("POST", f"{SUBSCRIPTIONS}/end", body=EndRequest)
    async def end(self, request: Request) -> Subscriptions:
        """End a customer's subscription."""
        from farebox.billing.plans.changes import end_subscription

        said = await read_struct(request, EndRequest)
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(
            lambda: end_subscription(
                self._home, said.customer, said.plan, said.at, actor, now, self._control()
            )
        )
        return await self._subscriptions_of(said.customer)

    async def _subscriptions_of(self, customer: str) -> Subscriptions:
        from farebox.billing.plans.views import subscriptions_view

        now = self._clock()
        return await self._read(
            "customer",
            customer,
            lambda kept, problems: subscriptions_view(kept, now, customer=customer, problems=problems),
        )

    async def _apply(self, request: Request, *, dry_run: bool) -> Changes:
        from farebox.billing.plans.changes import apply, read_terms
        from farebox.billing.plans.views import changes_view

        body = await read_body(request)
        root, findings = yamltext.decode(body, TEXT) if _is_yaml(request) else (node_of(body), [])
        terms = read_terms(root, findings)
        if findings and not terms:
            raise ConfigError(findings)
        actor, now = self._actor(request), self._clock()
        found = await asyncio.to_thread(
            lambda: apply(
                self._home,
                terms,
                actor,
                now,
                findings=findings,
                dry_run=dry_run,
                database=self._control(),
            )
        )
        return changes_view(found, dry_run=dry_run)

    async def _read(self, kind: str, name: str | None, show: Callable[[Kept, list[str]], T]) -> T:
        """Return what is shown of what is stored; 404 for a name that nothing has."""
        from farebox.control.billing_terms import Kept

        database = self._control()
        problems = list(read_snapshot(self._home).problems)

        def work() -> Kept:
            if database is None:
                return Kept(customers={}, identities=[], versions=[], subscriptions=[])
            with database.reading() as connection:
                return Kept.of(connection)

        kept = await asyncio.to_thread(work)
        known = kept.customers if kind == "customer" else {each.plan.name for each in kept.versions}
        if name is not None and name not in known:
            raise ApiError(404, f"{kind}_not_found", f"There is no {kind} {name[:200]!r}.")
        return show(kept, problems)


def _is_yaml(request: Request) -> bool:
    """Return whether a body is a text as `plans apply` takes, so that mistakes are told with their lines."""
    return media_type(request.scope["headers"]) in YAML
