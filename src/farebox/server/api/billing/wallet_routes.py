"""The routes of wallets, coupons, add-ons, payees and the journal of money."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec
from starlette.requests import Request

from farebox.server.api.billing.plan_routes import CUSTOMER
from farebox.server.api.billing.wallet_views import (
    TRANSACTIONS_SHOWN,
    AddOns,
    AddOnState,
    Coupons,
    CouponState,
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
from farebox.server.api.errors import ApiError
from farebox.server.api.lists.paging import page_asked
from farebox.server.api.lists.rows import Paged, Rows
from farebox.server.api.method_routes import MethodRoutes, read_struct, route
from farebox.server.api.parameters import TZ, Text

if TYPE_CHECKING:
    from sqlalchemy import Connection


WALLETS, COUPONS, ADD_ONS = "/api/v1/wallets", "/api/v1/coupons", "/api/v1/add-ons"
PAYEES, JOURNAL = "/api/v1/payees", "/api/v1/journal"
TRANSACTIONS_MAX = 500

THIS_CUSTOMER = Text(name="customer", about="Whose wallet.", required=True)
REASON = Text(name="reason", about="Why, for the audit.")
THIS_PAYEE = Text(name="payee", about="Whose statement.", required=True)
MONTH = Text(
    name="month",
    about="The month, the one before this one where it is left out.",
    pattern=r"\d{4}-\d\d",
    examples=("2026-11",),
)
PARTY = Text(name="party", about="Only transactions with an entry of this customer or payee.")
KIND = Text(name="kind", about="Only transactions of this kind.", examples=("wallet.grant",))
_TRANSACTIONS = Rows("transactions", size=TRANSACTIONS_SHOWN, size_max=TRANSACTIONS_MAX)

T = TypeVar("T")


class WalletRoutes(MethodRoutes):
    """Customers are named in the query or the body: their names may have any character."""

    @route("GET", WALLETS, rows=Rows("wallets", ("customer",)))
    async def list_wallets(self, request: Request) -> Wallets:
        """Every wallet, by customer."""
        now = self._clock()
        return await self._read(lambda connection: wallets_view(connection, now), Wallets(wallets=[]))

    @route("GET", f"{WALLETS}/of", THIS_CUSTOMER, refusals=("wallet_not_found",))
    async def show(self, request: Request) -> WalletShown:
        """One wallet and its newest transactions."""
        return await self._shown(THIS_CUSTOMER.needed(request))

    @route("PUT", WALLETS, body="farebox.billing.wallets.changes:LimitsRequest")
    async def set_limits(self, request: Request) -> WalletShown:
        """Set how far below zero a wallet may go, and when it is low."""
        from farebox.billing.wallets import changes

        said = await read_struct(request, changes.LimitsRequest, "overdraft", "low", "top_up")
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(lambda: changes.set_limits(self._home, said, actor, now, self._control()))
        return await self._shown(said.customer)

    @route(
        "POST",
        f"{WALLETS}/grants",
        body="farebox.billing.wallets.changes:GrantRequest",
        refusals=("bookkeeping_refused",),
    )
    async def grant(self, request: Request) -> WalletShown:
        """Put money into a wallet. With a `key` it happens once, however often it is sent."""
        from farebox.billing.wallets import changes

        said = await read_struct(request, changes.GrantRequest, "amount")
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(lambda: changes.grant(self._home, said, actor, now, self._control()))
        return await self._shown(said.customer)

    @route("DELETE", f"{WALLETS}/grants/{{id}}", REASON, refusals=("bookkeeping_refused",))
    async def void(self, request: Request) -> WalletShown:
        """Take back what is left of a grant."""
        from farebox.billing.wallets import changes

        id, reason = _last(request), REASON.of(request) or ""
        actor, now = self._actor(request), self._clock()
        found, _ = await asyncio.to_thread(
            lambda: changes.void_grant(self._home, id, reason, actor, now, self._control())
        )
        return await self._shown(found.customer)

    @route("POST", f"{WALLETS}/expiry")
    async def expire(self, request: Request) -> ExpiredGrants:
        """Book out what is left of grants whose time is over."""
        from farebox.billing.wallets import changes

        actor, now = self._actor(request), self._clock()
        expired = await asyncio.to_thread(lambda: changes.expire_due(self._home, actor, now, self._control()))
        return await self._read(
            lambda connection: expired_view(connection, expired), ExpiredGrants(expired=[])
        )

    @route("GET", COUPONS, CUSTOMER, rows=Rows("coupons", ("id",)))
    async def list_coupons(self, request: Request) -> Coupons:
        """Discounts of single customers."""
        from farebox.billing.customer_terms import coupons

        customer = CUSTOMER.of(request)
        return await self._read(
            lambda connection: Coupons(coupons=[coupon_view(each) for each in coupons(connection, customer)]),
            Coupons(coupons=[]),
        )

    @route("POST", COUPONS, body="farebox.billing.terms_changes:CouponRequest")
    async def give_coupon(self, request: Request) -> CouponState:
        """Give a customer a discount."""
        from farebox.billing import terms_changes

        said = await read_struct(request, terms_changes.CouponRequest, "percent", "amount")
        actor, now = self._actor(request), self._clock()
        return coupon_view(
            await asyncio.to_thread(
                lambda: terms_changes.add_coupon(self._home, said, actor, now, self._control())
            )
        )

    @route("DELETE", f"{COUPONS}/{{id}}")
    async def end_coupon(self, request: Request) -> CouponState:
        """End a discount."""
        from farebox.billing.customer_terms import Coupon, coupons

        ended = await self._end(request, Coupon)
        return await self._read(
            lambda connection: coupon_view(next(each for each in coupons(connection) if each.id == ended))
        )

    @route("GET", ADD_ONS, CUSTOMER, rows=Rows("add_ons", ("id",)))
    async def list_add_ons(self, request: Request) -> AddOns:
        """Charges without usage of single customers."""
        from farebox.billing.customer_terms import add_ons

        customer = CUSTOMER.of(request)
        return await self._read(
            lambda connection: AddOns(add_ons=[add_on_view(each) for each in add_ons(connection, customer)]),
            AddOns(add_ons=[]),
        )

    @route("POST", ADD_ONS, body="farebox.billing.terms_changes:AddOnRequest")
    async def give_add_on(self, request: Request) -> AddOnState:
        """Charge a customer for something that is no usage."""
        from farebox.billing import terms_changes

        said = await read_struct(request, terms_changes.AddOnRequest, "amount", "quantity", "tax_percent")
        actor, now = self._actor(request), self._clock()
        return add_on_view(
            await asyncio.to_thread(
                lambda: terms_changes.add_add_on(self._home, said, actor, now, self._control())
            )
        )

    @route("DELETE", f"{ADD_ONS}/{{id}}")
    async def end_add_on(self, request: Request) -> AddOnState:
        """End an add-on."""
        from farebox.billing.customer_terms import CustomerAddOn, add_ons

        ended = await self._end(request, CustomerAddOn)
        return await self._read(
            lambda connection: add_on_view(next(each for each in add_ons(connection) if each.id == ended))
        )

    @route("GET", PAYEES, rows=Rows("payees", ("id",)))
    async def list_payees(self, request: Request) -> Payees:
        """Payees with shares of lines, and the amounts owed to them."""
        return await self._read(payees_view, Payees(payees=[]))

    @route("PUT", PAYEES, body="farebox.billing.payees.statements:Payee")
    async def set_payee(self, request: Request) -> Payees:
        """Set a payee, in the place of the one of this id."""
        from farebox.billing import terms_changes
        from farebox.billing.payees.statements import Payee

        said = await read_struct(request, Payee)
        actor, now = self._actor(request), self._clock()
        await asyncio.to_thread(
            lambda: terms_changes.set_payee(self._home, said, actor, now, self._control())
        )
        return await self._read(payees_view)

    @route(
        "GET",
        f"{PAYEES}/statements",
        THIS_PAYEE,
        MONTH,
        TZ,
        rows=Rows("statements", ("currency",)),
        refusals=("payee_not_found",),
    )
    async def statements(self, request: Request) -> Statements:
        """A payee's statement of a month, one in each currency."""
        from farebox.billing.payees.statements import month_span, payees, statements

        payee = THIS_PAYEE.needed(request)
        since, until = month_span(MONTH.of(request), TZ.of(request) or "UTC", self._clock())

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

    @route("GET", JOURNAL, PARTY, KIND, rows=_TRANSACTIONS)
    async def journal(self, request: Request) -> Paged[Journal]:
        """What each account comes to, and the transactions, the newest first."""
        party, kind = PARTY.of(request), KIND.of(request)
        limit, after = page_asked(request, tuple[int])

        def read(connection: Connection) -> Paged[Journal]:
            before = None if after is None else after[0]
            found = journal_view(connection, party=party, kind=kind, limit=limit + 1, before=before)
            page = found.transactions[:limit]
            following = (page[-1].number,) if len(found.transactions) > limit else None
            return Paged(msgspec.structs.replace(found, transactions=page), following)

        return await self._read(read, Paged(Journal(accounts=[], transactions=[]), None))

    @route("GET", f"{JOURNAL}/verification")
    async def verification(self, request: Request) -> JournalVerification:
        """Whether the journal's chain, sums and balances hold."""
        from farebox.billing.journal.chain import FIRST
        from farebox.billing.journal.verification import verify

        nothing = JournalVerification(holds=True, transactions=0, entries=0, head=FIRST, faults=[])
        return await self._read(lambda connection: verification_view(verify(connection)), nothing)

    async def _end(self, request: Request, of: type) -> str:
        from farebox.billing import terms_changes

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


def _last(request: Request) -> str:
    return request.url.path.rpartition("/")[2]
