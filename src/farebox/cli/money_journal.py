"""`farebox journal`: the double entries beneath invoices, wallets and shares."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from farebox.cli.exits import ANSWER_IS_NO, OK
from farebox.cli.options import AsJson, PeriodFlags, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, count, table
from farebox.server.api.billing.wallet_views import (
    Journal,
    JournalTransaction,
    JournalVerification,
    journal_view,
    verification_view,
)

app = App(name="journal", help="List and verify the double entries beneath invoices, wallets and shares.")

Account = Literal[
    "customer_receivable",
    "revenue",
    "wallet_liability",
    "wallet_promo",
    "breakage",
    "provider_cost",
    "cogs_accrued",
    "tax_payable",
    "partner_payable",
]


class JournalAnswer(Journal, kw_only=True):
    """`farebox journal list --json`."""

    schema: str = "farebox.journal/1"


class JournalExportAnswer(msgspec.Struct, kw_only=True):
    """`farebox journal export --json`."""

    schema: str = "farebox.journal-export/1"
    transactions: list[JournalTransaction]


class JournalVerifyAnswer(JournalVerification, kw_only=True):
    """`farebox journal verify --json`."""

    schema: str = "farebox.journal_verification/1"


@app.command(name="list")
@app.default
def list_journal(
    *,
    party: Annotated[str | None, Parameter(help="Only of this customer or payee.")] = None,
    account: Annotated[Account | None, Parameter(help="Only with an entry on this account.")] = None,
    limit: Annotated[int, Parameter(help="How many transactions.")] = 20,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """List what every account comes to, and the newest transactions; debits are above zero."""
    from farebox.control.database import open_control

    home = (place or Place()).state_to_read()
    found = Journal(accounts=[], transactions=[])
    if home.control.exists():
        with open_control(home).reading() as connection:
            accounts = () if account is None else (account,)
            found = journal_view(connection, party=party, accounts=accounts, limit=max(1, min(limit, 10_000)))
    if as_json:
        print_json(JournalAnswer(accounts=found.accounts, transactions=found.transactions))
        return OK
    if not found.transactions:
        print("Nothing is in the journal: no invoice is final, and no wallet was filled.")
        return OK
    totals = [[each.account, f"{each.balance} {each.currency}"] for each in found.accounts]
    print(table([Column("account"), Column("balance", right=True)], totals))
    print()
    columns = [
        Column("no.", right=True),
        Column("when"),
        Column("what"),
        Column("account"),
        Column("party", drop=1, width_min=8),
        Column("amount", right=True),
    ]
    rows: list[list[str]] = []
    for each in found.transactions:
        head = [str(each.number), f"{each.at[:10]} {each.at[11:16]}Z", each.kind]
        for leg in each.entries:
            rows.append([*head, leg.account, clean(leg.party), f"{leg.amount} {leg.currency}"])
            head = ["", "", ""]
    print(table(columns, rows))
    return OK


@app.command
def export(
    *,
    party: Annotated[
        str | None, Parameter(help="Only transactions with an entry of this customer or payee.")
    ] = None,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    as_json: AsJson = False,
) -> int:
    """Write the entries as CSV for bookkeeping: debit and credit in columns of their own, oldest first."""
    import sys

    from farebox.billing.journal.csv_file import write_journal
    from farebox.billing.journal.transactions import posted
    from farebox.cli.reports.export import speak_utf8
    from farebox.control.database import open_control
    from farebox.server.api.billing.wallet_views import transaction_view

    home = (place or Place()).state_to_read()
    chosen = (period or PeriodFlags()).period()
    speak_utf8()
    if not home.control.exists():
        if as_json:
            print_json(JournalExportAnswer(transactions=[]))
        else:
            write_journal((), sys.stdout)
        return OK
    with open_control(home).reading() as connection:
        found = posted(connection, chosen.since_ns, chosen.until_ns, party=party)
        if as_json:
            print_json(JournalExportAnswer(transactions=list(map(transaction_view, found))))
        else:
            write_journal(found, sys.stdout)
    return OK


@app.command
def verify(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """Check that every transaction balances, the chain is whole, and no grant paid more than it had."""
    from farebox.billing.journal.chain import FIRST
    from farebox.billing.journal.verification import verify as verified
    from farebox.control.database import open_control

    home = (place or Place()).state_to_read()
    found = JournalVerification(holds=True, transactions=0, entries=0, head=FIRST, faults=[])
    if home.control.exists():
        with open_control(home).reading() as connection:
            found = verification_view(verified(connection))
    if as_json:
        print_json(
            JournalVerifyAnswer(
                holds=found.holds,
                transactions=found.transactions,
                entries=found.entries,
                head=found.head,
                faults=found.faults,
            )
        )
    elif found.holds:
        said = f"{count(found.transactions, 'transaction')} with {found.entries:,} entries"
        print(f"The journal holds: {said}, each adds up to zero. Head {found.head}")
    else:
        for fault in found.faults:
            print(clean(fault))
    return OK if found.holds else ANSWER_IS_NO
