"""The routes of documents: invoices and credit notes as people read them, and what has no invoice yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from farebox.config import load_config
from farebox.server.api.billing.document_views import (
    DocumentShown,
    PreviewedDocuments,
    TermPreview,
    document_view,
    previewed_document,
    stored_document,
    term_preview,
)
from farebox.server.api.billing.invoice_routes import THIS_CUSTOMER
from farebox.server.api.billing.served_desk import ServedDesk
from farebox.server.api.errors import ApiError
from farebox.server.api.method_routes import MethodRoutes, read_struct, route
from farebox.server.api.parameters import Choice

if TYPE_CHECKING:
    from farebox.billing.customer_terms import Coupon, CustomerAddOn
    from farebox.billing.documents.rendering import Format
    from farebox.billing.invoices.run import Desk
    from farebox.config.configuration import BillingConfig
    from farebox.server.api.services import Services

DOCUMENTS = "/api/v1/documents"
FORMAT: Choice[Format] = Choice(
    name="format", about="The document as a file.", words=("json", "html", "csv", "pdf", "eml")
)


class DocumentRoutes(MethodRoutes):
    """Documents are named by number or id, customers in the query."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._desk = ServedDesk(services, "documents")

    def close(self) -> None:
        self._desk.close()

    @route(
        "GET",
        f"{DOCUMENTS}/{{id}}",
        FORMAT,
        refusals=("invoice_not_found", "not_installed"),
        files=("text/html", "text/csv", "application/pdf", "message/rfc822"),
    )
    async def show(self, request: Request) -> DocumentShown | Response:
        """An invoice or a credit note as people read it; with `format` as a file."""
        named, database, now = request.url.path.rpartition("/")[2], self._control(), self._clock()
        form = FORMAT.of(request)
        if form is not None:
            return await self._file(named, form)

        def read() -> DocumentShown | None:
            if database is None:
                return None
            billing = self._billing()
            with database.reading() as connection:
                return document_view(connection, named, billing, now)

        found = await asyncio.to_thread(read)
        if found is None:
            raise _unknown(named)
        return found

    @route("GET", f"{DOCUMENTS}/preview", THIS_CUSTOMER, refusals=("invoice_refused",))
    async def preview(self, request: Request) -> PreviewedDocuments:
        """What a customer's invoices of the periods that run would be by now, as people read them."""
        customer, now = THIS_CUSTOMER.needed(request), self._clock()
        drafts = await self._desk.do(lambda desk: desk.preview(customer, now))
        billing = await asyncio.to_thread(self._billing)
        return PreviewedDocuments(
            documents=[previewed_document(each, billing, now) for each in drafts],
            unconsumed=[words for each in drafts for words in each.unconsumed],
        )

    @route(
        "POST",
        "/api/v1/coupons/preview",
        body="farebox.billing.terms_changes:CouponRequest",
        refusals=("invoice_refused",),
    )
    async def preview_coupon(self, request: Request) -> TermPreview:
        """What a coupon would make of the customer's next invoices. It is not given."""
        from farebox.billing.customer_terms import new_coupon
        from farebox.billing.terms_changes import CouponRequest, discount_asked

        said, now = await read_struct(request, CouponRequest, "percent", "amount"), self._clock()
        return await self._effect(lambda: new_coupon(*discount_asked(self._home, said), now), now)

    @route(
        "POST",
        "/api/v1/add-ons/preview",
        body="farebox.billing.terms_changes:AddOnRequest",
        refusals=("invoice_refused",),
    )
    async def preview_add_on(self, request: Request) -> TermPreview:
        """What an add-on would make of the customer's next invoices. It is not given."""
        from farebox.billing.customer_terms import new_add_on
        from farebox.billing.terms_changes import AddOnRequest, add_on_asked

        said = await read_struct(request, AddOnRequest, "amount", "quantity", "tax_percent")
        now = self._clock()

        def made() -> CustomerAddOn:
            customer, add_on, invoices = add_on_asked(self._home, said)
            return new_add_on(customer, add_on, now, invoices_max=invoices)

        return await self._effect(made, now)

    async def _effect(self, made: Callable[[], Coupon | CustomerAddOn], now: int) -> TermPreview:
        given = await asyncio.to_thread(made)

        def both(desk: Desk) -> TermPreview:
            before, after = (desk.preview(given.customer, now, each) for each in (None, given))
            return term_preview(before, after, now)

        return await self._desk.do(both)

    async def _file(self, named: str, form: Format) -> Response:
        """Return a document as a file, from its stored bytes."""
        from farebox.billing.documents.rendering import RenderedDocument, rendered

        database = self._control()

        def render() -> RenderedDocument | None:
            if database is None:
                return None
            with database.reading() as connection:
                found = stored_document(connection, named)
            return None if found is None else rendered(found, form, self._billing())

        made = await asyncio.to_thread(render)
        if made is None:
            raise _unknown(named)
        # Never shown in the page's own origin.
        disposition = f'attachment; filename="{made.name}"'
        headers = {"content-disposition": disposition, "cache-control": "no-store"}
        return Response(made.content, media_type=made.media_type, headers=headers)

    def _billing(self) -> BillingConfig:
        return load_config(self._home, prices=False).billing


def _unknown(named: str) -> ApiError:
    return ApiError(404, "invoice_not_found", f"There is no invoice or credit note {named[:100]!r}.")
