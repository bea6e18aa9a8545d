"""The routes of documents: invoices and credit notes as people read them, and what has no invoice yet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request

from farebox.config import load_config
from farebox.server.api.billing.document_views import (
    DocumentShown,
    PreviewedDocuments,
    document_view,
    previewed_document,
)
from farebox.server.api.billing.served_desk import ServedDesk
from farebox.server.api.errors import ApiError
from farebox.server.api.method_routes import MethodRoutes, only, route

if TYPE_CHECKING:
    from farebox.config.configuration import BillingConfig
    from farebox.server.api.services import Services

DOCUMENTS = "/api/v1/documents"


class DocumentRoutes(MethodRoutes):
    """Documents are named by number or id, customers in the query."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._desk = ServedDesk(services, "documents")

    def close(self) -> None:
        self._desk.close()

    @route("GET", f"{DOCUMENTS}/{{id}}")
    async def show(self, request: Request) -> DocumentShown:
        only(request)
        named, database, now = request.url.path.rpartition("/")[2], self._control(), self._clock()

        def read() -> DocumentShown | None:
            if database is None:
                return None
            billing = self._billing()
            with database.reading() as connection:
                return document_view(connection, named, billing, now)

        found = await asyncio.to_thread(read)
        if found is None:
            raise ApiError(404, "invoice_not_found", f"There is no invoice or credit note {named[:100]!r}.")
        return found

    @route("GET", f"{DOCUMENTS}/preview")
    async def preview(self, request: Request) -> msgspec.Struct:
        only(request, "customer")
        customer, now = request.query_params.get("customer", ""), self._clock()
        drafts = await self._desk.do(lambda desk: desk.preview(customer, now))
        billing = await asyncio.to_thread(self._billing)
        return PreviewedDocuments(
            documents=[previewed_document(each, billing, now) for each in drafts],
            unconsumed=[words for each in drafts for words in each.unconsumed],
        )

    def _billing(self) -> BillingConfig:
        return load_config(self._home, prices=False).billing
