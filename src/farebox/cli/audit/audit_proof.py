"""`farebox audit verify`, `export` and `key`: the proof of what the log, the record and the invoices say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.exits import DATA, OK
from farebox.cli.options import AsJson, PeriodFlags, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import GREEN, RED, clean, count, paint
from farebox.clock import iso, now_ns
from farebox.home import Home
from farebox.program import command

if TYPE_CHECKING:
    from farebox.control.audit.verification import AuditReport


class AuditVerifyAnswer(msgspec.Struct, kw_only=True):
    """`farebox audit verify --json`."""

    schema: str = "farebox.audit-verify/1"
    entries: int
    earlier_entries: int
    """How many entries the log took over from before it was chained."""
    erased: int
    head: str | None
    """`NUMBER:HASH` of the newest entry, to keep somewhere else."""
    invoices: int
    """How many final invoices and credit notes were checked."""
    problems: list[str]
    """The first place first; none where all is as it was written."""


class AuditKeyAnswer(msgspec.Struct, kw_only=True):
    """`farebox audit key --json`."""

    schema: str = "farebox.audit-key/1"
    key: str
    """The public key that is in use: Ed25519, hexadecimal."""
    since: str
    earlier: list[str]
    """Public keys that were replaced, the oldest first; each has signed the next."""


def verify(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """Check the log of changes, what it follows, and every invoice. `farebox verify` checks the record
    of calls."""
    from farebox.audit.invoice_check import check_documents
    from farebox.control.audit.verification import AuditReport, verify_audit
    from farebox.control.database import ControlDatabase
    from farebox.signing_key import known_keys

    home = (place or Place()).state_to_read()
    report, documents, wrong = AuditReport(), 0, list[str]()
    if home.control.exists():
        with ControlDatabase(home).reading() as connection:
            report = verify_audit(connection)
            documents, wrong = check_documents(connection, known_keys(home))
    problems = [each.detail for each in report.problems] + wrong
    if as_json:
        answer = AuditVerifyAnswer(
            entries=report.entries,
            earlier_entries=report.earlier_entries,
            erased=report.erased,
            head=report.head,
            invoices=documents,
            problems=problems,
        )
        print_json(answer)
    else:
        _tell(home, report, documents, problems)
    return DATA if problems else OK


def export(
    to: Annotated[Path, Parameter(help="A new folder, or a new file that ends in .zip.")],
    /,
    *,
    period: PeriodFlags | None = None,
    place: Place | None = None,
) -> int:
    """Write a package that an auditor can verify without Farebox.

    In it are the calls that were recorded in the span, every block's link of the chain, marks, signed
    checkpoints,
    the log of changes, final invoices and credit notes, and the verifier: one Python file. Values that
    name persons are not among the calls; in the log and in invoices they are.
    """
    from farebox.audit.package import Span
    from farebox.audit.package import export as write

    home = (place or Place()).state()
    span = (period or PeriodFlags()).period()
    made = write(home, to, Span(since_ns=span.since_ns, until_ns=span.until_ns), now_ns())
    print(
        f"{clean(made.path)}: {count(made.rows, 'row')} of calls, "
        f"{count(made.checkpoints, 'signed checkpoint')}, "
        f"{_entries(made.entries)} of the log, {count(made.documents, 'invoice document')}"
    )
    print(f"The auditor types:  python3 verify.py --key {made.key}")
    print("Send the key by another way than the package.")
    return OK


def key(
    *,
    replace: Annotated[
        bool, Parameter(negative="", help="Make a new key; the old one signs it and is destroyed.")
    ] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Show the public key that checkpoints, invoices and packages are signed with."""
    from farebox import signing_key

    home = (place or Place()).state()
    now = now_ns()
    if replace:
        from farebox.control.audit import command_line
        from farebox.control.file_changes import replace_signing_key

        replace_signing_key(home, command_line(), now)
    *earlier, newest = signing_key.keys(home, now)
    if as_json:
        print_json(
            AuditKeyAnswer(
                key=newest.public, since=iso(newest.since_ns), earlier=[each.public for each in earlier]
            )
        )
        return OK
    print(newest.public)
    print(f"since {iso(newest.since_ns)}, in {signing_key.key_file(home)}")
    for each in earlier:
        print(f"before: {each.public}, since {iso(each.since_ns)}")
    print("Give it to your auditor and customers: what this home signs can be verified with it.")
    return OK


def _tell(home: Home, report: AuditReport, documents: int, problems: list[str]) -> None:
    for each in problems:
        print(f"{paint('✘', RED)} {clean(each)}")
    if problems:
        return
    print(
        f"{paint('✔', GREEN)} {_entries(report.entries)} of the log and "
        f"{count(documents, 'invoice document')}: all as they were written"
    )
    if report.earlier_entries:
        print(
            f"{_entries(report.earlier_entries)} were there before the log was chained: "
            "they are proved from then on"
        )
    if report.head:
        print(f"head {report.head}")
    print(f"The record of calls:  {command('verify', home)}")


def _entries(number: int) -> str:
    return f"{number:,} {'entry' if number == 1 else 'entries'}"
