"""`farebox invoices preview`, `run` and `finalize`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from farebox.billing.documents.amounts import grouped
from farebox.billing.documents.document import Invoice
from farebox.billing.periods.local_days import last_day_after
from farebox.charges.pricing_plan import is_by_pricing
from farebox.cli.access import open_ledger, open_questions
from farebox.cli.exits import ANSWER_IS_NO, OK, say
from farebox.cli.invoices.invoice_list import answer, read_invoice, rendered_invoice, say_without_seller
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import clean, count
from farebox.clock import now_ns
from farebox.program import command
from farebox.server.api.billing.invoice_views import InvoiceBrief, brief, decimal_text
from farebox.time_expressions import moment_ns

if TYPE_CHECKING:
    from farebox.billing.invoices.run import Desk, Progress

AcceptGap = Annotated[
    bool,
    Parameter(negative="", help="Bill a period of which the record is known to lack something; it is said."),
]
AcceptUnpriced = Annotated[
    bool, Parameter(negative="", help="Bill although calls have no price; the rest becomes an adjustment.")
]
_BY_PRICING = """\
{customer} is on no plan and billed by `pricing:`: what its calls were charged (cost × markup), by model.
For a base fee, tiers or another period write a plan, and apply it with `{apply}`:
  plans: {{pro: {{base: "20.00", charges: [{{meter: cost, markup_percent: "20"}}]}}}}
  subscriptions: [{{customer: {customer}, plan: pro, start: {start}}}]"""

AsOf = Annotated[str | None, Parameter(help="As if it were this moment: 2026-12-03, 2026-12-03T09:00Z.")]


class PreviewAnswer(msgspec.Struct, kw_only=True):
    """`farebox invoices preview CUSTOMER --json`."""

    schema: str = "farebox.invoice-preview/1"
    invoices: list[Invoice]
    """One for each period that has ended without an invoice, and for the one that runs."""
    unconsumed: list[str]
    """Usage that no charge has consumed, in words."""


class RefusedInvoice(msgspec.Struct, kw_only=True):
    """A draft that was not issued, and why."""

    customer: str
    id: str
    reason: str


class RunAnswer(msgspec.Struct, kw_only=True):
    """`farebox invoices run --json`."""

    schema: str = "farebox.invoice-run/1"
    final: list[InvoiceBrief]
    drafts: list[InvoiceBrief]
    refused: list[RefusedInvoice]
    unconsumed: list[str]


def preview(
    customer: Annotated[str, Parameter(help="The customer.")],
    /,
    *,
    as_of: AsOf = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Show what a customer's periods come to so far, rated as the invoice will be; nothing is saved."""
    with billing_desk(place or Place()) as desk:
        drafts = desk.preview(customer, _moment(as_of))
    unconsumed = [words for each in drafts for words in each.unconsumed]
    if as_json:
        print_json(PreviewAnswer(invoices=[each.invoice for each in drafts], unconsumed=unconsumed))
        return OK
    for each in drafts:
        print(rendered_invoice(each.invoice))
    if any(is_by_pricing(part.plan) for each in drafts for part in each.terms.segments):
        start = last_day_after(drafts[-1].terms)
        print(_BY_PRICING.format(customer=clean(customer), apply=command("plans apply FILE"), start=start))
    for words in unconsumed:
        say(clean(words))
    return OK


def run(
    *,
    as_of: AsOf = None,
    customer: Annotated[
        list[str] | None, Parameter(help="Only this one; may be repeated.", negative="")
    ] = None,
    drafts_only: Annotated[bool, Parameter(negative="", help="Issue nothing.")] = False,
    accept_gap: AcceptGap = False,
    accept_unpriced: AcceptUnpriced = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Draft every period that has ended, and issue those whose grace period (48 h) is over.

    Run again, it changes nothing that was issued. The exit status is 1 where a draft could not be issued.
    """
    from farebox.control import audit

    chosen = place or Place()
    with billing_desk(chosen) as desk:
        made = desk.run(
            _moment(as_of),
            actor=audit.command_line(),
            customers=customer,
            final=not drafts_only,
            accept_gap=accept_gap,
            accept_unpriced=accept_unpriced,
        )
    unconsumed = [f"{customer}: {words}" for customer, words in made.unconsumed]
    status = ANSWER_IS_NO if made.refused else OK
    if as_json:
        print_json(
            RunAnswer(
                final=[brief(each) for each in made.final],
                drafts=[brief(each.invoice) for each in made.drafts],
                refused=[
                    RefusedInvoice(customer=each.customer, id=each.id, reason=each.reason)
                    for each in made.refused
                ],
                unconsumed=unconsumed,
            )
        )
        return status
    for invoice in made.final:
        least = "≥ " if invoice.unpriced_calls else ""
        total = grouped(decimal_text(invoice.total_minor, invoice.exponent))
        print(f"{invoice.number}  {clean(invoice.customer)}  {least}{total} {invoice.currency}")
    print(f"{count(len(made.final), 'invoice')} issued, {count(len(made.drafts), 'draft')}.")
    for each in made.refused:
        say(clean(each.reason))
    for words in unconsumed:
        say(clean(words))
    if made.final:
        say_without_seller(desk.home, chosen.configuration(desk.home))
    return status


def finalize(
    named: Annotated[str, Parameter(help="The draft's id, the beginning of it, or the customer.")],
    /,
    *,
    as_of: AsOf = None,
    accept_gap: AcceptGap = False,
    accept_unpriced: AcceptUnpriced = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Issue one draft now, recomputed, before its grace period is over."""
    from farebox.control import audit

    chosen = place or Place()
    with billing_desk(chosen) as desk:
        made = desk.finalize(
            named,
            now_ns=_moment(as_of),
            actor=audit.command_line(),
            accept_gap=accept_gap,
            accept_unpriced=accept_unpriced,
        )
    if as_json:
        print_json(answer(read_invoice(desk.home, made.id)))
        return OK
    print(rendered_invoice(made))
    say_without_seller(desk.home, chosen.configuration(desk.home))
    print(f"As a PDF: {command(f'invoices export {made.number}', desk.home)}")
    return OK


@contextlib.contextmanager
def billing_desk(place: Place) -> Generator[Desk]:
    """Open what billing works with: the record up to date, the control database, and the questions."""
    from farebox.billing.invoices.run import Desk
    from farebox.billing.usage.record_usage import RecordUsage
    from farebox.config import is_exposed
    from farebox.control.database import open_control

    home = place.state()
    publish_home(home)
    config = place.configuration(home)
    open_ledger(place)[1].close()
    with open_questions(home) as questions:
        yield Desk(
            home,
            open_control(home),
            RecordUsage(home, questions),
            verified=is_exposed(config.listen, config),
            told=_show_progress,
        )


def _show_progress(progress: Progress) -> None:
    if sys.stderr.isatty() and progress.of > 1:
        end = "\n" if progress.done == progress.of else "\r"
        print(f"invoices: {progress.done:,} of {progress.of:,}", end=end, file=sys.stderr)


def _moment(as_of: str | None) -> int:
    if as_of is None:
        return now_ns()
    return moment_ns(as_of, datetime.now(UTC))
