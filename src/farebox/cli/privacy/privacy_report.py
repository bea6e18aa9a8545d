"""`farebox privacy report`: what is stored where and until when; of one person, where."""

from __future__ import annotations

import msgspec

from farebox.cli.exits import ANSWER_IS_NO, OK
from farebox.cli.options import AsJson, Place
from farebox.cli.privacy.subject_flags import Subject
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, table
from farebox.ledger.erasure import files_with
from farebox.privacy.inventory import ELSEWHERE, NOWHERE, MeasuredPlace, inventory
from farebox.privacy.places import BECAUSE, SubjectPlace, places_of
from farebox.program import command


class PrivacyAnswer(msgspec.Struct, kw_only=True):
    """`farebox privacy report --json`."""

    schema: str = "farebox.privacy/1"
    places: list[MeasuredPlace]
    """All there are, with what erasing does to each."""
    found: list[SubjectPlace] | None
    """Where the person that was named stands; null where nobody was."""
    left_in: list[str] | None
    """Files that have the value and that erasing does not change."""


def report(*, subject: Subject | None = None, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show what is stored where and until when; with a person, where that person stands."""
    home = (place or Place()).state_to_read()
    wanted = (subject or Subject()).values()
    found = places_of(home, wanted) if wanted else None
    files = [str(path) for path in files_with(home, [value for _, value in wanted])] if wanted else None
    if as_json:
        print_json(PrivacyAnswer(places=inventory(home), found=found, left_in=files))
    elif found is None:
        columns = [
            Column("where", width_min=16),
            Column("what of persons", width_min=24),
            Column("until", width_min=16),
            Column("erase", drop=1),
            Column("bytes", right=True, drop=2),
        ]
        print(
            table(
                columns,
                [[p.place, p.keeps, p.until, p.erasing, f"{p.bytes:,}"] for p in inventory(home)],
            )
        )
        print(NOWHERE)
        print(ELSEWHERE)
        print(f"Of one person:  {command('privacy report --user alice', home)}")
    else:
        rows = [[clean(p.field), p.place, f"{p.rows:,}", BECAUSE[p.stays]] for p in found]
        columns = [Column("field"), Column("where"), Column("rows", right=True), Column("erase")]
        print(table(columns, rows) if rows else "Nothing is kept of that.")
        for path in files or ():
            print(f"{path} has it, too.")
    return OK if found is None or found or files else ANSWER_IS_NO
