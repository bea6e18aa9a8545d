"""The invoices of one run: drafted, numbered and made final, those of each customer one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from farebox.billing.invoices import store
from farebox.billing.invoices.account import Account
from farebox.billing.invoices.drafting import AskedUsage, Draft, draft_invoice
from farebox.billing.invoices.finalizing import finalize
from farebox.billing.invoices.open_periods import has_nothing_to_bill, is_nothing, is_over
from farebox.billing.periods.terms import Terms
from farebox.control.publish import change
from farebox.errors import InvoiceError, UsageError
from farebox.ledger.losses.coverage import Missing, missing
from farebox.signing_key import sign

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.billing.documents.document import Invoice
    from farebox.billing.invoices.store import StoredInvoice
    from farebox.control.database import ControlDatabase
    from farebox.home import Home

_FINAL_AT_ONCE = 100
"""Invoices in one transaction: other writers wait meanwhile."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is."""

    done: int
    of: int


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice that stays a draft, and why."""

    customer: str
    id: str
    reason: str


class RunReport(msgspec.Struct, kw_only=True):
    """What a run made."""

    final: list[Invoice] = []
    drafts: list[Draft] = []
    refused: list[Refused] = []
    unconsumed: list[tuple[str, str]] = []
    """Customers, and usage of theirs that no charge has consumed, in words."""


class Issuance:
    """What one run issues; `accounts` and `report` are kept as they become."""

    def __init__(
        self,
        home: Home,
        control: ControlDatabase,
        report: RunReport,
        accounts: dict[str, Account],
        *,
        now_ns: int,
        actor: str,
        final: bool,
        accept_gap: bool,
        accept_unpriced: bool,
        told: Callable[[Progress], None] | None = None,
    ) -> None:
        self._home = home
        self._control = control
        self._report = report
        self._accounts = accounts
        self._now_ns = now_ns
        self._actor = actor
        self._final = final
        self._accept_gap = accept_gap
        self._accept_unpriced = accept_unpriced
        self._told = told
        self._stopped: set[str] = set()
        self._gaps: dict[tuple[int, int], str | None] = {}

    def issue(self, periods: Sequence[tuple[str, Terms]], asked: AskedUsage) -> frozenset[str]:
        """Bill customers' periods in this order, each customer's until one of them stays a draft.

        `asked` is the usage of all of them. Returns the customers for whom it is over.
        """
        done = 0
        waiting = self._with_something(periods, asked)
        while some := list(islice(waiting, _FINAL_AT_ONCE)):
            with change(self._home, self._control) as connection:
                for name, terms, drafted in some:
                    if name in self._stopped:
                        continue
                    draft = drafted or self._drafted(name, terms, asked)
                    if draft is not None:
                        self._put(connection, name, draft)
            done += len(some)
            if self._told is not None:
                self._told(Progress(done=done, of=len(periods)))
        return frozenset(self._stopped)

    def issue_drafts(self, drafts: Sequence[Draft]) -> None:
        """Make drafts final that are no customer's period: those of thresholds."""
        if drafts:
            with change(self._home, self._control) as connection:
                for each in drafts:
                    self._finalized(connection, each)

    def _with_something(
        self, periods: Iterable[tuple[str, Terms]], asked: AskedUsage
    ) -> Iterator[tuple[str, Terms, Draft | None]]:
        """Yield the periods from each customer's first one on that has something to bill, with its draft.

        Those before it take no transaction. What the later ones come to depends on the first one's number.
        """
        begun: set[str] = set()
        for name, terms in periods:
            draft = None
            if name not in begun and name not in self._stopped:
                draft = self._drafted(name, terms, asked)
                if draft is None:
                    continue
                begun.add(name)
            yield name, terms, draft

    def _drafted(self, name: str, terms: Terms, asked: AskedUsage) -> Draft | None:
        """Return the draft of a period; None where nothing is to be billed: it stays open."""
        draft = draft_invoice(self._accounts[name], terms, asked)
        self._report.unconsumed += [(name, words) for words in draft.unconsumed]
        if is_over(draft, self._now_ns) and has_nothing_to_bill(draft):
            return None
        if is_nothing(draft):
            self._stopped.add(name)
            return None
        return draft

    def _put(self, connection: Connection, name: str, draft: Draft) -> None:
        made = None
        if self._final and is_over(draft, self._now_ns):
            made = self._finalized(connection, draft)
        if made is None:
            store.put_draft(connection, draft.invoice)
            self._report.drafts.append(draft)
            self._stopped.add(name)
        else:
            account = self._accounts[name]
            self._accounts[name] = account.after(made, connection if draft.used else None)

    def _finalized(self, connection: Connection, draft: Draft) -> StoredInvoice | None:
        try:
            with connection.begin_nested():  # one that cannot be issued takes no other with it
                made = finalize(
                    connection,
                    draft,
                    now_ns=self._now_ns,
                    actor=self._actor,
                    gap=self._gap(draft.terms),
                    accept_gap=self._accept_gap,
                    accept_unpriced=self._accept_unpriced,
                    sign=lambda text: sign(self._home, text, self._now_ns),
                )
        except (InvoiceError, UsageError) as error:
            said = draft.invoice
            self._report.refused.append(Refused(customer=said.customer, id=said.id, reason=str(error)))
            return None
        self._report.final.append(made.invoice)
        return made

    def _gap(self, terms: Terms) -> str | None:
        period = (terms.from_ns, terms.until_ns)
        if period not in self._gaps:
            self._gaps[period] = known_gap(self._home, *period)
        return self._gaps[period]


def known_gap(home: Home, from_ns: int, until_ns: int) -> str | None:
    """Return in words what the record is known to lack of a period, None where it lacks nothing."""
    return _words(missing(home, from_ns, until_ns))


def _words(lost: Missing) -> str | None:
    if not lost:
        return None
    words = {
        "lost records": lost.lost_records,
        "damaged places": lost.gaps,
        "unreadable records": lost.undecodable,
    }
    return ", ".join(f"{number:,} {what}" for what, number in words.items() if number)
