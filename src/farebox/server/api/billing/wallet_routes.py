"""The routes of wallets, coupons, add-ons, payees and the journal of money."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec
from starlette.requests import Request

from farebox.server.api.billing.wallet_views import (
    TRANSACTIONS_SHOWN,
    AddOns,
    Coupons,
    ExpiredGrants,
    Journal,
    JournalVerification,
    Payees,
    Statements,
    Wallets,
    WalletShown,
    add_on_view,
    coupon_view,
    expired_view,
    journal_view,
    payees_view,
    shown_wallet_view,
    statement_view,
    verification_view,
    wallets_view,
)
from farebox.server.api.errors import ApiError, invalid_parameter
from farebox.server.api.filters import read_count
from farebox.server.api.method_routes import MethodRoutes, only, read_struct, route

if TYPE_CHECKING:
    from sqlalchemy import Connection


WALLETS, COUPONS, ADD_ONS = "/api/v1/wallets", "/api/v1/coupons", "/api/v1/add-ons"
PAYEES, JOURNAL = "/api/v1/payees", "/api/v1/journal"
TRANSACTIONS_MAX = 500

T = TypeVar("T")


class WalletRoutes(MethodRoutes):
    """Customers are named in the query or the body: their names may have any character."""

    @route("GET", WALLETS)
    async def list_wallets(self, request: Request) -> msgspec.Struct:
        only(request)
        now = self._clock()
        return await self._read(lambda connection: wallets_view(connection, now), Wallets(wallets=[]))

    @route("GET", f"{WALLETS}/of")
    async def show(self, request: Request) -> msgspec.Struct:
        only(request, "customer")
        return await self._shown(_named(request, "customer"))

    @route("PUT", WALLETS)
    async def set_limits(self, request: Request) -> msgspec.Struct:
        from farebox.billing.wallets import changes

        only(request)
        said = await read_struct(request, changes.LimitsRequest, "overdraft", "low", "top_up")
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(lambda: changes.set_limits(self._home, said, actor, now, self._control()))
        return await self._shown(said.customer)

    @route("POST", f"{WALLETS}/grants")
    async def grant(self, request: Request) -> msgspec.Struct:
        from farebox.billing.wallets import changes

        only(request)
        said = await read_struct(request, changes.GrantRequest, "amount")
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(lambda: changes.grant(self._home, said, actor, now, self._control()))
        return await self._shown(said.customer)

    @route("DELETE", f"{WALLETS}/grants/{{id}}")
    async def void(self, request: Request) -> msgspec.Struct:
        from farebox.billing.wallets import changes

        only(request, "reason")
        id, reason = _last(request), request.query_params.get("reason", "")
        actor, now = self._actor(request), self._clock()
        found, _ = await asyncio.to_thread(
            lambda: changes.void_grant(self._home, id, reason, actor, now, self._control())
        )
        return await self._shown(found.customer)

    @route("POST", f"{WALLETS}/expiry")
    async def expire(self, request: Request) -> msgspec.Struct:
        from farebox.billing.wallets import changes

        only(request)
        actor, now = self._actor(request), self._clock()
        expired = await asyncio.to_thread(lambda: changes.expire_due(self._home, actor, now, self._control()))
        return await self._read(
            lambda connection: expired_view(connection, expired), ExpiredGrants(expired=[])
        )

    @route("GET", COUPONS)
    async def list_coupons(self, request: Request) -> msgspec.Struct:
        from farebox.billing.customer_terms import coupons

        only(request, "customer")
        customer = request.query_params.get("customer")
        return await self._read(
            lambda connection: Coupons(coupons=[coupon_view(each) for each in coupons(connection, customer)]),
            Coupons(coupons=[]),
        )

    @route("POST", COUPONS)
    async def give_coupon(self, request: Request) -> msgspec.Struct:
        from farebox.billing import terms_changes

        only(request)
        said = await read_struct(request, terms_changes.CouponRequest, "percent", "amount")
        actor, now = self._actor(request), self._clock()
        return coupon_view(
            await asyncio.to_thread(
                lambda: terms_changes.add_coupon(self._home, said, actor, now, self._control())
            )
        )

    @route("DELETE", f"{COUPONS}/{{id}}")
    async def end_coupon(self, request: Request) -> msgspec.Struct:
        from farebox.billing.customer_terms import Coupon, coupons

        ended = await self._end(request, Coupon)
        return await self._read(
            lambda connection: coupon_view(next(each for each in coupons(connection) if each.id == ended))
        )

    @route("GET", ADD_ONS)
    async def list_add_ons(self, request: Request) -> msgspec.Struct:
        from farebox.billing.customer_terms import add_ons

        only(request, "customer")
        customer = request.query_params.get("customer")
        return await self._read(
            lambda connection: AddOns(add_ons=[add_on_view(each) for each in add_ons(connection, customer)]),
            AddOns(add_ons=[]),
        )

    @route("POST", ADD_ONS)
    async def give_add_on(self, request: Request) -> msgspec.Struct:
        from farebox.billing import terms_changes

        only(request)
        said = await read_struct(request, terms_changes.AddOnRequest, "amount", "quantity", "tax_percent")
        actor, now = self._actor(request), self._clock()
        return add_on_view(
            await asyncio.to_thread(
                lambda: terms_changes.add_add_on(self._home, said, actor, now, self._control())
            )
        )

    @route("DELETE", f"{ADD_ONS}/{{id}}")
    async def end_add_on(self, request: Request) -> msgspec.Struct:
        from farebox.billing.customer_terms import CustomerAddOn, add_ons

        ended = await self._end(request, CustomerAddOn)
        return await self._read(
            lambda connection: add_on_view(next(each for each in add_ons(connection) if each.id == ended))
        )

    @route("GET", PAYEES)
    async def list_payees(self, request: Request) -> msgspec.Struct:
        only(request)
        return await self._read(payees_view, Payees(payees=[]))

    @route("PUT", PAYEES)
    async def set_payee(self, request: Request) -> msgspec.Struct:
        from farebox.billing import terms_changes
        from farebox.billing.payees.statements import Payee

        only(request)
        said = await read_struct(request, Payee)
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(
            lambda: terms_changes.set_payee(self._home, said, actor, now, self._control())
        )
        return await self._read(payees_view)

    @route("GET", f"{PAYEES}/statements")
    async def statements(self, request: Request) -> msgspec.Struct:
        from farebox.billing.payees.statements import month_span, payees, statements

        only(request, "payee", "month", "tz")
        payee, query = _named(request, "payee"), request.query_params
        since, until = month_span(query.get("month"), query.get("tz", "UTC"), self._clock())

        def read(connection: Connection) -> Statements | None:
            known = next((each for each in payees(connection) if each.id == payee), None)
            if known is None:
                return None
            found = statements(connection, known, since, until)
            return Statements(statements=[statement_view(each) for each in found])

        shown = await self._read(read)
        if shown is None:
            raise ApiError(404, "payee_not_found", f"There is no payee {payee[:200]!r}.")
        return shown

    @route("GET", JOURNAL)
    async def journal(self, request: Request) -> msgspec.Struct:
        only(request, "party", "kind", "limit")
        query = request.query_params
        limit = read_count(query, "limit", low=1, high=TRANSACTIONS_MAX, default=TRANSACTIONS_SHOWN)
        return await self._read(
            lambda connection: journal_view(
                connection,
                party=query.get("party"),
                kind=query.get("kind"),
                limit=limit or TRANSACTIONS_SHOWN,
            ),
            Journal(accounts=[], transactions=[]),
        )

    @route("GET", f"{JOURNAL}/verification")
    async def verification(self, request: Request) -> msgspec.Struct:
        from farebox.billing.journal.chain import FIRST
        from farebox.billing.journal.verification import verify

        only(request)
        nothing = JournalVerification(holds=True, transactions=0, entries=0, head=FIRST, faults=[])
        return await self._read(lambda connection: verification_view(verify(connection)), nothing)

    async def _end(self, request: Request, of: type) -> str:
        from farebox.billing import terms_changes

        only(request)
        id, actor, now = _last(request), self._actor(request), self._clock()
        ended = await asyncio.to_thread(
            lambda: terms_changes.end_term(self._home, id, actor, now, self._control(), of=of)
        )
        return ended.id

    async def _shown(self, customer: str) -> WalletShown:
        now = self._clock()
        found = await self._read(lambda connection: shown_wallet_view(connection, customer, now))
        if found is None:
            raise ApiError(404, "wallet_not_found", f"{customer[:200]!r} has no wallet.")
        return found

    async def _read(self, question: Callable[[Connection], T], nothing: T | None = None) -> T:
        """Return what a question of `control.db` comes to; `nothing` where there is no such file yet."""
        database = self._control()
        if database is None:
            return nothing  # pyright: ignore[reportReturnType] - None is a T where none is given

        def read() -> T:
            with database.reading() as connection:
                return question(connection)

        return await asyncio.to_thread(read)


def _named(request: Request, parameter: str) -> str:
    value = request.query_params.get(parameter, "")
    if not value:
        raise invalid_parameter(parameter, "", [f"the {parameter}'s name"])
    return value


def _last(request: Request) -> str:
    return request.url.path.rpartition("/")[2]
