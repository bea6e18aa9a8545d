"""`farebox verify`: prove that the ledger is complete and unedited, or say where it is not."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from farebox.cli import answers
from farebox.cli.access import open_ledger
from farebox.cli.exits import DATA, OK
from farebox.cli.options import AsJson, Place
from farebox.cli.screen import GREEN, RED, clean, count, paint
from farebox.ledger.verification import Report


def verify(
    *,
    place: Place | None = None,
    checkpoint: Annotated[
        str | None, Parameter(help="A checkpoint you kept: everything up to it must be as it was.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Recompute every row's hash, every sum and every position."""
    from farebox import ledger

    home, _ = open_ledger(place or Place())
    report = ledger.verify(home, checkpoint)
    if as_json:
        answers.print_json(report)
    else:
        print(render(report))
    return OK if report.ok else DATA


def render(report: Report) -> str:
    """Return what was found, and the checkpoint to keep."""
    if not report.ok:
        lines = [
            f"{paint('✘', RED)} {problem.what}"
            + (f" at call {problem.seq:,}" if problem.seq is not None else "")
            + f": {clean(problem.detail)}"
            for problem in report.problems
        ]
        return "\n".join(lines)
    lines = [
        f"{paint('✔', GREEN)} {count(report.rows, 'call')}: every row, sum and position is as it was appended"
    ]
    if report.checkpoint:
        lines.append(f"checkpoint {report.checkpoint}")
        lines.append(
            "Keep it elsewhere: farebox verify --checkpoint … proves that nothing before it was changed."
        )
    return "\n".join(lines)
