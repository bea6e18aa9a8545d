"""The routes of the portal: all of them are read, and about the customer whose link is shown."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from farebox.billing.documents.customer_copy import customer_copy
from farebox.billing.documents.document import CreditNote, Invoice
from farebox.billing.documents.rendering import Format, logo_bytes, rendered
from farebox.clock import iso
from farebox.config.billing_section import IMAGE_STARTS
from farebox.config.configuration import PortalConfig
from farebox.errors import CallNotFoundError
from farebox.ledger.calls import LedgerReader
from farebox.server.api.billing.served_desk import ServedDesk
from farebox.server.api.errors import ApiError
from farebox.server.api.lists.paging import page_asked
from farebox.server.api.lists.rows import Paged, Rows
from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.parameters import Choice, Text
from farebox.server.portal import portal_account, portal_documents
from farebox.server.portal.portal_calls import receipts
from farebox.server.portal.portal_tokens import CUSTOMER, PortalTokens
from farebox.server.portal.portal_usage import DIMENSIONS, Dimension, UsageSpan, own_calls, usage_view
from farebox.server.portal.portal_views import (
    PortalAccount,
    PortalCalls,
    PortalCharges,
    PortalDocument,
    PortalInvoices,
    PortalLook,
    PortalReceipt,
    PortalUsage,
)
from farebox.time_expressions import day_start

if TYPE_CHECKING:
    from farebox.billing.invoices.run import Desk
    from farebox.charges.plan import Customer
    from farebox.config.configuration import BillingConfig
    from farebox.server.api.services import Services

PORTAL = "/api/v1/portal"
BY: Choice[Dimension] = Choice(
    name="by", about="What usage is told apart by.", words=DIMENSIONS, default="model"
)
SPAN = Choice(
    name="span",
    about="The billing period that runs (the calendar month where there is none), or the last days.",
    words=("period", "30d", "90d"),
    default="period",
)
INVOICE = Text(
    name="invoice", about="The number of an invoice: its period, as the record was when it was made."
)
FORMAT: Choice[Format] = Choice(name="format", about="The document as a file.", words=("html", "pdf"))
FILTERS: tuple[Text, ...] = tuple(
    Text(name=name, about=f"Only calls with this {name}; empty: those with none.") for name in DIMENSIONS
)
_CALLS = Rows("calls", size=50, size_max=200)
_ID_LENGTH = 36
_DAYS = {"30d": 30, "90d": 90}


class PortalRoutes(MethodRoutes):
    """What a customer may see. Who the customer is, the link says, and no parameter."""

    door = "portal"

    def __init__(self, services: Services, portal: PortalConfig, tokens: PortalTokens) -> None:
        super().__init__(services)
        self._portal = portal
        self._tokens = tokens
        self._desk = ServedDesk(services, "portal")

    def close(self) -> None:
        self._desk.close()

    @route("GET", f"{PORTAL}/look")
    async def look(self, request: Request) -> PortalLook:
        """Whose page it is, and how it looks."""
        billing = await asyncio.to_thread(self._billing)
        name = self._portal.name or billing.seller.name
        return PortalLook(name=name, colour=self._portal.colour, has_logo=self._portal.logo is not None)

    @route("GET", f"{PORTAL}/logo", media="image/png", files=("image/jpeg",))
    async def logo(self, request: Request) -> Response:
        """The logo's file."""
        content = await asyncio.to_thread(logo_bytes, self._portal.logo)
        kind = next((kind for start, kind in IMAGE_STARTS.items() if content.startswith(start)), None)
        if kind is None:
            raise ApiError(404, "route_not_found", "There is no logo.")
        return Response(content, media_type=f"image/{kind}", headers={"cache-control": "no-cache"})

    @route("GET", f"{PORTAL}/account", refusals=("customer_not_found",))
    async def account(self, request: Request) -> PortalAccount:
        """Whose link it is, and what is left of limits and wallet."""
        said, ends_at, now = self._customer(request), self._ends_at(request), self._clock()

        def work(desk: Desk) -> PortalAccount:
            with desk.control.reading() as connection:
                wallet = portal_account.wallet_view(connection, said.id, now)
            return PortalAccount(
                customer=said.name or said.id,
                currency=said.currency,
                timezone=said.timezone,
                link_ends_at=iso(ends_at),
                now=iso(now),
                limits=portal_account.limits_view(self._home, self._tokens.snapshot, said.id, now),
                wallet=wallet,
            )

        return await self._desk.do(work)

    @route("GET", f"{PORTAL}/charges", refusals=("customer_not_found",))
    async def charges(self, request: Request) -> PortalCharges:
        """What running periods, and ended ones without an invoice, come to by now."""
        customer, now = self._customer(request).id, self._clock()
        billing = await asyncio.to_thread(self._billing)
        return await self._desk.do(lambda desk: portal_documents.charges_view(desk, customer, billing, now))

    @route("GET", f"{PORTAL}/invoices", refusals=("customer_not_found",))
    async def invoices(self, request: Request) -> PortalInvoices:
        """Invoices and credit notes, the newest first."""
        customer = self._customer(request).id

        def work(desk: Desk) -> PortalInvoices:
            with desk.control.reading() as connection:
                return portal_documents.invoices_view(connection, customer)

        return await self._desk.do(work)

    @route(
        "GET",
        f"{PORTAL}/invoices/{{id}}",
        FORMAT,
        refusals=("customer_not_found", "invoice_not_found", "not_installed"),
        files=("text/html", "application/pdf"),
    )
    async def invoice(self, request: Request) -> PortalDocument | Response:
        """An invoice or a credit note, by its number; with `format` as a file."""
        customer, number, form = self._customer(request).id, _last(request), FORMAT.of(request)
        billing = await asyncio.to_thread(self._billing)

        def work(desk: Desk) -> PortalDocument | Response | None:
            with desk.control.reading() as connection:
                found = portal_documents.issued_document(connection, customer, number)
                if found is None:
                    return None
                said = customer_copy(found) if isinstance(found, Invoice) else found
                if form is not None:
                    return _file(said, form, billing)
                if not isinstance(found, Invoice):
                    return portal_documents.note_view(found, billing)
                credited = portal_documents.credited_minor(connection, found)
                return portal_documents.document_view(found, billing, credited)

        shown = await self._desk.do(work)
        if shown is None:
            raise _no_invoice()
        return shown

    @route("GET", f"{PORTAL}/usage", BY, SPAN, INVOICE, refusals=("customer_not_found", "invoice_not_found"))
    async def usage(self, request: Request) -> PortalUsage:
        """Calls and tokens by model, agent, task or conversation, and over time."""
        said, span, number = self._customer(request), SPAN.of(request), INVOICE.of(request)
        by, now = BY.of(request) or "model", self._clock()

        def work(desk: Desk) -> PortalUsage | None:
            chosen = _span(desk, said, span or "period", number, now)
            return None if chosen is None else usage_view(desk, said.id, chosen, by)

        shown = await self._desk.do(work)
        if shown is None:
            raise _no_invoice()
        return shown

    @route(
        "GET",
        f"{PORTAL}/calls",
        SPAN,
        INVOICE,
        *FILTERS,
        rows=_CALLS,
        refusals=("customer_not_found", "invoice_not_found"),
    )
    async def calls(self, request: Request) -> Paged[PortalCalls]:
        """Calls, the newest first, each with what it is charged."""
        said, span, number = self._customer(request), SPAN.of(request), INVOICE.of(request)
        where: dict[Dimension, str] = {
            name: value
            for name, parameter in zip(DIMENSIONS, FILTERS, strict=True)
            if (value := parameter.of(request)) is not None
        }
        limit, after = page_asked(request, tuple[str])
        now = self._clock()

        def work(desk: Desk) -> list[PortalReceipt] | None:
            assert desk.questions is not None  # noqa: S101 - the server's desk has some
            chosen = _span(desk, said, span or "period", number, now)
            if chosen is None:
                return None
            before = None if after is None else _seq_of(desk, after[0])
            mine = own_calls(said.id, chosen, verified=desk.verified, where=where)
            seqs = desk.questions.calls(mine, limit + 1, before_seq=before)
            return receipts(desk, said.id, seqs, now)

        found = await self._desk.do(work)
        if found is None:
            raise _no_invoice()
        page = [each.call for each in found[:limit]]
        return Paged(PortalCalls(calls=page), (page[-1].event_id,) if len(found) > limit else None)

    @route("GET", f"{PORTAL}/calls/{{id}}", refusals=("customer_not_found", "call_not_found"))
    async def call(self, request: Request) -> PortalReceipt:
        """A call as it is charged: each class of its tokens times what is paid for it."""
        customer, event_id, now = self._customer(request).id, _last(request), self._clock()

        def work(desk: Desk) -> list[PortalReceipt]:
            seq = _seq_of(desk, event_id)
            return [] if seq is None else receipts(desk, customer, [seq], now)

        found = await self._desk.do(work)
        if not found:
            raise ApiError(404, "call_not_found", "There is no call with this id.")
        return found[0]

    def _customer(self, request: Request) -> Customer:
        """Return whose link it is.

        Raises:
            ApiError: The customer was taken away, or the link meanwhile.
        """
        token = self._tokens.by_hash(request.state.token_digest)
        if token is None:
            raise ApiError(401, "unauthenticated", "This link is not in force any more.")
        name = token.binding[CUSTOMER]
        found = next((each for each in self._tokens.snapshot.customers if each.id == name), None)
        if found is None:
            raise ApiError(404, "customer_not_found", "This account is not there any more.")
        return found

    def _ends_at(self, request: Request) -> int:
        token = self._tokens.by_hash(request.state.token_digest)
        return 0 if token is None else token.expires_at or 0

    def _billing(self) -> BillingConfig:
        from farebox.config import load_config

        return load_config(self._home, prices=False).billing


def _span(desk: Desk, said: Customer, span: str, number: str | None, now_ns: int) -> UsageSpan | None:
    """Return which calls are meant; None where the customer has no invoice of this number."""
    if number is not None:
        with desk.control.reading() as connection:
            found = portal_documents.issued_invoice(connection, said.id, number)
        if found is None:
            return None
        return UsageSpan(found.from_ns, found.until_ns, found.timezone, number, found.as_of_seq)
    today = datetime.fromtimestamp(now_ns // 10**9, UTC).astimezone(ZoneInfo(said.timezone)).date()
    if span == "period":
        running = [each for each in desk.periods(said.id, now_ns)[1] if each.until_ns > now_ns]
        zone = ZoneInfo(said.timezone)
        since = min((each.from_ns for each in running), default=day_start(today.replace(day=1), zone))
    else:
        since = day_start(today - timedelta(days=_DAYS[span] - 1), ZoneInfo(said.timezone))
    return UsageSpan(since, now_ns + 1, said.timezone)


def _seq_of(desk: Desk, event_id: str) -> int | None:
    """Return the number of a call with this id, whoever's it is; None without one."""
    if len(event_id) != _ID_LENGTH:  # a beginning would say whether others have such calls
        return None
    reader = LedgerReader(desk.home)
    try:
        return reader.call(event_id).seq
    except CallNotFoundError:
        return None
    finally:
        reader.close()


def _file(said: Invoice | CreditNote, form: Format, billing: BillingConfig) -> Response:
    made = rendered(said, form, billing)
    # Never shown in the page's own origin.
    headers = {"content-disposition": f'attachment; filename="{made.name}"', "cache-control": "no-store"}
    return Response(made.content, media_type=made.media_type, headers=headers)


def _last(request: Request) -> str:
    return request.url.path.rpartition("/")[2]


def _no_invoice() -> ApiError:
    return ApiError(404, "invoice_not_found", "There is no invoice with this number.")
