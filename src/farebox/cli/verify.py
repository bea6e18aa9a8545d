"""`farebox verify`: prove that the ledger is complete and unedited, or say where it is not."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from farebox.cli import answers
from farebox.cli.access import open_ledger
from farebox.cli.exits import DATA, OK
from farebox.cli.options import AsJson, Place
from farebox.cli.screen import GREEN, RED, paint


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
    elif report.problems:
        print("\n".join(f"{paint('✘', RED)} {problem}" for problem in report.problems))
    else:
        print(f"{paint('✔', GREEN)} {report}")
    return DATA if report.problems else OK
