"""`farebox verify`: prove that the ledger is complete and unedited, or say where it is not."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.analytics.checks import Comparison, compare
from farebox.cli.access import open_ledger, open_questions
from farebox.cli.exits import CANNOT_TELL, DATA, OK
from farebox.cli.options import AsJson, Place
from farebox.cli.reports import json_shapes
from farebox.cli.screen import GREEN, RED, clean, count, paint
from farebox.home import Home
from farebox.ledger.losses.quarantine import LeftOut
from farebox.ledger.proof.verification import Problem, Report
from farebox.program import command
from farebox.server.api.coverage.coverage import Coverage, coverage, warnings


class VerifyAnswer(msgspec.Struct, kw_only=True):
    """`farebox verify --json`."""

    schema: str = "farebox.verify/1"
    rows: int
    marks: int
    corrections: int
    checkpoint: str | None
    """The chain's head, to keep somewhere else and give to a later `verify`."""
    problems: list[Problem]
    """At most 100; none where every row and position is as it was appended."""
    coverage: Coverage
    replica: Comparison
    """How the replica that answers questions compared with the ledger."""
    money_journal: list[str] = []
    """What is wrong with the journal of invoices, wallets and shares; nothing where its chain holds."""
    left_out: list[LeftOut] = []
    """Records that could not be decoded, with the files their bytes are kept in."""


def verify(
    *,
    place: Place | None = None,
    checkpoint: Annotated[
        str | None, Parameter(help="A checkpoint you kept: check that nothing before it has changed.")
    ] = None,
    retry: Annotated[
        bool, Parameter(negative="", help="First retry the records that were left out and can be read now.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Recompute every row's hash and every position, and compare the replica that answers questions.

    The chain of the money journal beneath invoices and wallets is checked with it.
    """
    from farebox.ledger.losses import quarantine
    from farebox.ledger.proof import verification

    place = place or Place()
    home, reader = open_ledger(place)
    if retry and quarantine.retry(home):
        home, reader = open_ledger(place)
    left_out = quarantine.records_of(home)
    report = verification.verify(home, checkpoint)
    found = coverage(home, reader)
    with open_questions(home) as questions:
        replica = compare(home, questions) if report.ok else Comparison()
    money = _money_journal_faults(home)
    if as_json:
        json_shapes.print_json(
            VerifyAnswer(
                rows=report.rows,
                marks=report.marks,
                corrections=report.corrections,
                checkpoint=report.checkpoint,
                problems=report.problems,
                coverage=found,
                replica=replica,
                money_journal=money,
                left_out=left_out,
            )
        )
    else:
        print(render(report, found))
        for line in replica_lines(replica):
            print(line)
        for fault in money:
            print(f"{paint('✘', RED)} money journal: {clean(fault)}")
        for item in left_out:
            hint = f"{command('verify --retry')} tries it again" if item.readable else "it cannot be read"
            print(f"left out: record {item.seq} of {item.writer}, kept in {clean(item.path)}; {hint}")
    if not report.ok or money or (replica.different and not replica.repaired):
        return DATA
    return OK if found.complete else CANNOT_TELL


def _money_journal_faults(home: Home) -> list[str]:
    """Return what is wrong with the double entries beneath invoices, wallets and shares."""
    from farebox.billing.journal.verification import verify as verified
    from farebox.control.database import open_control

    if not home.control.exists():
        return []
    with open_control(home).reading() as connection:
        return verified(connection).faults


def render(report: Report, found: Coverage) -> str:
    """Return what was found, and the checkpoint to keep."""
    missing = [f"{paint('✘', RED)} {line}" for line in warnings(found)]
    if not report.ok:
        lines = [
            f"{paint('✘', RED)} {problem.what}"
            + (f" at call {problem.seq:,}" if problem.seq is not None else "")
            + f": {clean(problem.detail)}"
            for problem in report.problems
        ]
        return "\n".join([*lines, *missing])
    lines = [
        *missing,
        f"{paint('✔', GREEN)} {count(report.rows, 'call')}"
        + (f" and {count(report.corrections, 'correction')}" if report.corrections else "")
        + ": every row and position is as it was appended",
    ]
    if report.checkpoint:
        lines.append(f"checkpoint {report.checkpoint}")
        lines.append(
            f"Keep it somewhere else: {command('verify --checkpoint …')} proves that nothing before changed."
        )
    return "\n".join(lines)


def replica_lines(replica: Comparison) -> list[str]:
    """Return how the replica compared with the ledger, nothing where it was the same."""
    if not replica.different:
        return []
    places = ", ".join(f"{seq:,}" for seq in replica.different[:5])
    done = "it was made again" if replica.repaired else "making it again did not help"
    return [f"{paint('!', RED)} the replica was not the same as the ledger from row {places} on; {done}"]
