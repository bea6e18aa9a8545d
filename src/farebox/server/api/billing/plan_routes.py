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
from farebox.server.api.errors import ApiError, invalid_parameter
from farebox.server.api.json_nodes import node_of
from farebox.server.api.method_routes import MethodRoutes, only, read_body, read_struct, route
from farebox.snapshot import read_snapshot

if TYPE_CHECKING:
    from farebox.control.billing_terms import Kept

CUSTOMERS, PLANS, SUBSCRIPTIONS = "/api/v1/customers", "/api/v1/plans", "/api/v1/subscriptions"
YAML = ("application/yaml", "application/x-yaml", "text/yaml")
TEXT = "the text"

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

    @route("GET", CUSTOMERS)
    async def customers(self, request: Request) -> msgspec.Struct:
        from farebox.billing.plans.views import customers_view

        only(request, "customer")
        name, now = request.query_params.get("customer"), self._clock()
        return await self._read(
            "customer", name, lambda kept, problems: customers_view(kept, now, name=name, problems=problems)
        )

    @route("GET", PLANS)
    async def plans(self, request: Request) -> msgspec.Struct:
        from farebox.billing.plans.views import plans_view

        only(request, "plan")
        name, now = request.query_params.get("plan"), self._clock()
        return await self._read(
            "plan", name, lambda kept, problems: plans_view(kept, now, name=name, problems=problems)
        )

    @route("GET", SUBSCRIPTIONS)
    async def subscriptions(self, request: Request) -> msgspec.Struct:
        from farebox.billing.plans.views import subscriptions_view

        only(request, "customer")
        name, now = request.query_params.get("customer"), self._clock()
        return await self._read(
            "customer",
            name,
            lambda kept, problems: subscriptions_view(kept, now, customer=name, problems=problems),
        )

    @route("PUT", CUSTOMERS)
    @route("PUT", PLANS)
    @route("PUT", SUBSCRIPTIONS)
    async def put(self, request: Request) -> msgspec.Struct:
        """Store what a body or YAML text says, as `plans apply` does: `{"plans": {…}, "customers": {…}}`."""
        return await self._apply(request, dry_run=False)

    @route("POST", f"{PLANS}/preview")
    async def preview(self, request: Request) -> msgspec.Struct:
        """Show what the body would change."""
        return await self._apply(request, dry_run=True)

    @route("DELETE", CUSTOMERS)
    async def remove_customer(self, request: Request) -> msgspec.Struct:
        from farebox.billing.plans.changes import remove_customer
        from farebox.billing.plans.views import customers_view

        only(request, "customer", "write_off")
        name, actor, now = _named(request, "customer"), self._actor(request), self._clock()
        write_off = request.query_params.get("write_off") == "true"
        await asyncio.to_thread(
            lambda: remove_customer(self._home, name, actor, now, self._control(), write_off=write_off)
        )
        return await self._read(
            "customer", None, lambda kept, problems: customers_view(kept, now, problems=problems)
        )

    @route("DELETE", PLANS)
    async def remove_plan(self, request: Request) -> msgspec.Struct:
        from farebox.billing.plans.changes import retire_plan
        from farebox.billing.plans.views import plans_view

        only(request, "plan")
        name, actor, now = _named(request, "plan"), self._actor(request), self._clock()
        await asyncio.to_thread(lambda: retire_plan(self._home, name, actor, now, self._control()))
        return await self._read("plan", None, lambda kept, problems: plans_view(kept, now, problems=problems))

    @route("POST", f"{SUBSCRIPTIONS}/change")
    async def change(self, request: Request) -> msgspec.Struct:
        from farebox.billing.plans.changes import change_subscription

        only(request)
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

    @route("POST", f"{SUBSCRIPTIONS}/end")
    async def end(self, request: Request) -> msgspec.Struct:
        from farebox.billing.plans.changes import end_subscription

        only(request)
        said = await read_struct(request, EndRequest)
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(
            lambda: end_subscription(
                self._home, said.customer, said.plan, said.at, actor, now, self._control()
            )
        )
        return await self._subscriptions_of(said.customer)

    async def _subscriptions_of(self, customer: str) -> msgspec.Struct:
        from farebox.billing.plans.views import subscriptions_view

        now = self._clock()
        return await self._read(
            "customer",
            customer,
            lambda kept, problems: subscriptions_view(kept, now, customer=customer, problems=problems),
        )

    async def _apply(self, request: Request, *, dry_run: bool) -> msgspec.Struct:
        from farebox.billing.plans.changes import apply, read_terms
        from farebox.billing.plans.views import changes_view

        only(request)
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
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() in YAML


def _named(request: Request, parameter: str) -> str:
    name = request.query_params.get(parameter, "")
    if not name:
        raise invalid_parameter(parameter, name, [f"the {parameter}'s name"])
    return name
