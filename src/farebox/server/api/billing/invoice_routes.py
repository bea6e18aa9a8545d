"""The routes of invoices and credit notes: read by who may read, issued and changed by who administers.

What takes long is done in a thread of its own, and asks its questions one by one between those of screens.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request

from farebox.billing.documents.document import CreditNote, Invoice
from farebox.server.api.billing.invoice_views import (
    CreditNotes,
    InvoiceBrief,
    Invoices,
    InvoiceShown,
    NoteShown,
    brief,
    invoice_view,
    invoices_view,
)
from farebox.server.api.billing.plan_routes import CUSTOMER
from farebox.server.api.billing.served_desk import ServedDesk
from farebox.server.api.errors import ApiError
from farebox.server.api.lists.rows import Rows
from farebox.server.api.method_routes import MethodRoutes, read_struct, route
from farebox.server.api.parameters import Choice, Text

if TYPE_CHECKING:
    from farebox.billing.explanation.explanation import Explanation
    from farebox.billing.invoices.run import Desk
    from farebox.server.api.services import Services

INVOICES, CREDIT_NOTES = "/api/v1/invoices", "/api/v1/credit-notes"
STATUS: Choice[str] = Choice(
    name="status", about="Only invoices in this state.", words=("draft", "final", "void")
)
THIS_CUSTOMER = Text(name="customer", about="Whose invoice.", required=True)
LINE = Text(name="line", about="The line, as INVOICE/LINE.", required=True, examples=("INV-000007/2",))


class RunRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/invoices/run`."""

    customers: list[str] | None = None
    drafts_only: bool = False
    accept_gap: bool = False
    accept_unpriced: bool = False


class FinalizeRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/invoices/finalize`."""

    draft: str
    """The draft's id, or the customer."""
    accept_gap: bool = False
    accept_unpriced: bool = False


class VoidRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/invoices/void`."""

    invoice: str
    reason: str


class CreditRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/invoices/credit-notes`."""

    invoice: str
    lines: dict[str, str] | None = None
    """Line id to an amount before tax, as text; None for everything that is left."""
    reason: str


class PreviewShown(msgspec.Struct, kw_only=True):
    """`/api/v1/invoices/preview`."""

    invoices: list[Invoice]
    unconsumed: list[str]


class RefusedDraft(msgspec.Struct, kw_only=True):
    """A draft that was not issued, and why."""

    customer: str
    id: str
    reason: str


class RunShown(msgspec.Struct, kw_only=True):
    """What a run made."""

    final: list[InvoiceBrief]
    drafts: list[InvoiceBrief]
    refused: list[RefusedDraft]
    unconsumed: list[str]
    """Usage that nothing charges, each after its customer's name, in words."""


class InvoiceRoutes(MethodRoutes):
    """Invoices are named by number or id, customers in the query or the body."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._desk = ServedDesk(services, "invoices")

    def close(self) -> None:
        self._desk.close()

    @route("GET", INVOICES, CUSTOMER, STATUS, rows=Rows("invoices", ("id",)))
    async def list_invoices(self, request: Request) -> Invoices:
        """Invoices, drafts first, then the newest; and every credit note."""
        return await self._listed(CUSTOMER.of(request), STATUS.of(request))

    @route("GET", CREDIT_NOTES, CUSTOMER, rows=Rows("credit_notes", ("id",)))
    async def list_credit_notes(self, request: Request) -> CreditNotes:
        """Credit notes, the oldest first."""
        return CreditNotes(credit_notes=(await self._listed(CUSTOMER.of(request), None)).credit_notes)

    async def _listed(self, customer: str | None, status: str | None) -> Invoices:
        database = self._control()
        if database is None:
            return Invoices(invoices=[], credit_notes=[])

        def read() -> Invoices:
            with database.reading() as connection:
                return invoices_view(connection, customer=customer, status=status)

        return await asyncio.to_thread(read)

    @route("GET", f"{INVOICES}/{{id}}", refusals=("invoice_not_found",))
    async def show(self, request: Request) -> InvoiceShown | NoteShown:
        """An invoice, draft or credit note, whole. It is named by its number, or by its id's beginning."""
        from farebox.billing.invoices.store import credit_note

        named, database = request.url.path.rpartition("/")[2], self._control()
        if database is not None:

            def read() -> CreditNote | None:
                with database.reading() as connection:
                    found = credit_note(connection, named)
                return None if found is None else found[0]

            note = await asyncio.to_thread(read)
            if note is not None:
                return NoteShown(credit_note=note)
        return await self._shown(named)

    @route("GET", f"{INVOICES}/preview", THIS_CUSTOMER, refusals=("invoice_refused",))
    async def preview(self, request: Request) -> PreviewShown:
        """What a customer's invoices of the periods that run would be by now. Nothing is stored."""
        customer, now = THIS_CUSTOMER.needed(request), self._clock()
        drafts = await self._desk.do(lambda desk: desk.preview(customer, now))
        return PreviewShown(
            invoices=[each.invoice for each in drafts],
            unconsumed=[words for each in drafts for words in each.unconsumed],
        )

    @route("GET", f"{INVOICES}/explanation", LINE, refusals=("invoice_not_found", "invoice_refused"))
    async def explanation(self, request: Request) -> Explanation:
        """The arithmetic of an invoice's line, down to its calls."""
        from farebox.billing.explanation.explanation import explained
        from farebox.billing.explanation.explanation import line_of as found_line

        named = LINE.needed(request)

        def work(desk: Desk) -> Explanation:
            with desk.control.reading() as connection:
                found = found_line(connection, named)
            assert desk.questions is not None  # noqa: S101 - given below
            return explained(self._home, desk.questions, found)

        return await self._desk.do(work)

    @route("POST", f"{INVOICES}/run", body=RunRequest, refusals=("invoice_refused",))
    async def run(self, request: Request) -> RunShown:
        """Make drafts of the periods that have ended, and issue them."""
        said = await read_struct(request, RunRequest)
        actor, now = self._actor(request), self._clock()
        made = await self._desk.do(
            lambda desk: desk.run(
                now,
                actor=actor,
                customers=said.customers,
                final=not said.drafts_only,
                accept_gap=said.accept_gap,
                accept_unpriced=said.accept_unpriced,
            ),
            writes=True,
        )
        return RunShown(
            final=[brief(each) for each in made.final],
            drafts=[brief(each.invoice) for each in made.drafts],
            refused=[
                RefusedDraft(customer=each.customer, id=each.id, reason=each.reason) for each in made.refused
            ],
            unconsumed=[f"{customer}: {words}" for customer, words in made.unconsumed],
        )

    @route(
        "POST",
        f"{INVOICES}/finalize",
        body=FinalizeRequest,
        refusals=("invoice_not_found", "invoice_refused"),
    )
    async def finalize(self, request: Request) -> InvoiceShown:
        """Issue one draft."""
        said = await read_struct(request, FinalizeRequest)
        actor, now = self._actor(request), self._clock()
        made = await self._desk.do(
            lambda desk: desk.finalize(
                said.draft,
                now_ns=now,
                actor=actor,
                accept_gap=said.accept_gap,
                accept_unpriced=said.accept_unpriced,
            ),
            writes=True,
        )
        return await self._shown(made.id)

    @route("POST", f"{INVOICES}/void", body=VoidRequest, refusals=("invoice_not_found", "invoice_refused"))
    async def void(self, request: Request) -> InvoiceShown:
        """Void an invoice: it stays as it was issued, and nothing of it is due."""
        from farebox.billing.invoices import finalizing
        from farebox.billing.invoices.store import stored_invoice
        from farebox.control.publish import change

        said = await read_struct(request, VoidRequest)
        actor, now = self._actor(request), self._clock()

        def work() -> None:
            with change(self._home, self._control()) as connection:
                stored = stored_invoice(connection, said.invoice)
                if stored is None:
                    raise _unknown(said.invoice)
                finalizing.void(connection, stored, reason=said.reason, now_ns=now, actor=actor)

        await asyncio.to_thread(work)
        return await self._shown(said.invoice)

    @route(
        "POST",
        f"{INVOICES}/credit-notes",
        body=CreditRequest,
        refusals=("invoice_not_found", "invoice_refused"),
    )
    async def credit(self, request: Request) -> NoteShown:
        """Credit an invoice, whole or in part."""
        from farebox.billing.invoices import finalizing
        from farebox.billing.invoices.store import stored_invoice
        from farebox.billing.written_amounts import minor_of
        from farebox.control.publish import change

        said = await read_struct(request, CreditRequest)
        actor, now = self._actor(request), self._clock()

        def work() -> NoteShown:
            with change(self._home, self._control()) as connection:
                stored = stored_invoice(connection, said.invoice)
                if stored is None:
                    raise _unknown(said.invoice)
                currency = stored.invoice.currency
                amounts = (
                    None
                    if said.lines is None
                    else {id: minor_of(text, currency) for id, text in said.lines.items()}
                )
                note = finalizing.credit(
                    connection, stored, amounts, reason=said.reason, now_ns=now, actor=actor
                )
            return NoteShown(credit_note=note)

        return await asyncio.to_thread(work)

    async def _shown(self, named: str) -> InvoiceShown:
        database = self._control()
        if database is None:
            raise _unknown(named)

        def read() -> InvoiceShown | None:
            with database.reading() as connection:
                return invoice_view(connection, named)

        found = await asyncio.to_thread(read)
        if found is None:
            raise _unknown(named)
        return found


def _unknown(named: str) -> ApiError:
    return ApiError(404, "invoice_not_found", f"There is no invoice {named[:100]!r}.")
