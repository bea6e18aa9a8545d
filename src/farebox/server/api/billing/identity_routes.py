"""The routes of identities: which key, user, agent or tag stands for which customer, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec
from starlette.requests import Request

from farebox.charges.identities import EVER, NEVER, Identity
from farebox.charges.plan_reader.customers import read_identity_dimension
from farebox.charges.plan_reader.written_values import read_moment_ns
from farebox.clock import iso
from farebox.server.api.errors import ApiError, invalid_parameter
from farebox.server.api.lists.rows import Rows
from farebox.server.api.method_routes import MethodRoutes, read_struct, route
from farebox.server.api.parameters import Text

if TYPE_CHECKING:
    from farebox.control.billing_terms import Kept

IDENTITIES = "/api/v1/identities"
VALUE_MAX = 256

T = TypeVar("T")

THIS_DIMENSION = Text(name="dimension", about="`key`, `user`, `agent` or `tag.NAME`.", required=True)
THIS_VALUE = Text(name="value", about="Which key, user, agent or value of the tag.", required=True)
AT = Text(
    name="at",
    about="From when it stands for nobody, in the customer's time zone; now where it is left out.",
    examples=("2026-11-01",),
)


class MappedIdentity(msgspec.Struct, kw_only=True):
    """What stands for a customer."""

    customer: str
    dimension: str
    """`key`, `user`, `agent` or `tag.NAME`."""
    value: str
    since: str | None
    """None: from the first call on."""
    until: str | None
    """None: without an end."""
    origin: str
    """`file`: the home's `farebox.yaml` says so, and it is changed there; or `command`."""


class MappedIdentities(msgspec.Struct, kw_only=True):
    """`/api/v1/identities`."""

    identities: list[MappedIdentity]


class IdentityRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to stand for whom. What it stood for before ends where this begins."""

    customer: str
    dimension: str
    value: str
    since: str | None = None
    """A date in the customer's time zone, or an instant; None: recorded calls count, too, however old."""
    until: str | None = None


class IdentityRoutes(MethodRoutes):
    """Recorded calls are corrected by the ledger where a mapping covers them."""

    @route("GET", IDENTITIES, rows=Rows("identities", ("dimension", "value", "since")))
    async def list_identities(self, request: Request) -> MappedIdentities:
        """What stands for which customer, and when."""
        return await self._read(_mapped)

    @route("PUT", IDENTITIES, body=IdentityRequest, refusals=("customer_not_found",))
    async def map(self, request: Request) -> MappedIdentities:
        """Let a key, user, agent or tag stand for a customer."""
        from farebox.billing.plans.changes import map_identity

        said = await read_struct(request, IdentityRequest)
        if not said.value.strip() or len(said.value) > VALUE_MAX:
            raise invalid_parameter("value", said.value, [f"text of 1 to {VALUE_MAX} characters"])
        zone = await self._zone(said.customer)
        start = EVER if said.since is None else _moment("since", said.since, zone)
        end = NEVER if said.until is None else _moment("until", said.until, zone)
        if end <= start:
            raise invalid_parameter("until", said.until or "", ["a moment after `since`"])
        identity = Identity(
            customer=said.customer,
            dimension=_dimension(said.dimension),
            value=said.value,
            from_ns=start,
            until_ns=end,
        )
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(lambda: map_identity(self._home, identity, actor, now, self._control()))
        return await self._read(_mapped)

    @route("DELETE", IDENTITIES, THIS_DIMENSION, THIS_VALUE, AT)
    async def unmap(self, request: Request) -> MappedIdentities:
        """Let a key, user, agent or tag stand for nobody from a moment on."""
        from farebox.billing.plans.changes import unmap_identity

        dimension, value = _dimension(THIS_DIMENSION.needed(request)), THIS_VALUE.needed(request)
        actor, now, at = self._actor(request), self._clock(), AT.of(request)
        moment = now
        if at is not None:
            found = await self._read(_mapped)
            there = [each for each in found.identities if (each.dimension, each.value) == (dimension, value)]
            moment = _moment("at", at, await self._zone(there[-1].customer) if there else "UTC")
        await asyncio.to_thread(
            lambda: unmap_identity(self._home, dimension, value, moment, actor, now, self._control())
        )
        return await self._read(_mapped)

    async def _zone(self, customer: str) -> str:
        found = await self._read(lambda kept: kept.customers.get(customer))
        if found is None:
            raise ApiError(404, "customer_not_found", f"There is no customer {customer[:200]!r}.")
        return found.customer.timezone

    async def _read(self, question: Callable[[Kept], T]) -> T:
        from farebox.control.billing_terms import Kept

        database = self._control()

        def read() -> T:
            if database is None:
                return question(Kept(customers={}, identities=[], versions=[], subscriptions=[]))
            with database.reading() as connection:
                return question(Kept.of(connection))

        return await asyncio.to_thread(read)


def _mapped(kept: Kept) -> MappedIdentities:
    found = sorted(
        kept.identities,
        key=lambda each: (each.identity.dimension, each.identity.value, each.identity.from_ns),
    )
    return MappedIdentities(
        identities=[
            MappedIdentity(
                customer=said.customer,
                dimension=said.dimension,
                value=said.value,
                since=None if said.from_ns == EVER else iso(said.from_ns),
                until=None if said.until_ns == NEVER else iso(said.until_ns),
                origin=each.origin,
            )
            for each in found
            for said in [each.identity]
        ]
    )


def _dimension(text: str) -> str:
    try:
        return read_identity_dimension(text)
    except ValueError as error:
        raise invalid_parameter("dimension", text, [str(error)]) from None


def _moment(name: str, text: str, zone: str) -> int:
    try:
        return read_moment_ns(text, zone)
    except ValueError as error:
        raise invalid_parameter(name, text, [str(error)]) from None
