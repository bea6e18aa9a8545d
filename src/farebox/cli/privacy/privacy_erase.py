"""`farebox privacy erase`: take a person out of everything. Calls, sums and the proof that nothing was edited
stay."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.access import open_ledger, open_questions
from farebox.cli.confirmation import is_confirmed
from farebox.cli.exits import ANSWER_IS_NO, OK, UNAVAILABLE, say
from farebox.cli.options import AsJson, Place
from farebox.cli.privacy.subject_flags import Subject
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, count, table
from farebox.clock import now_ns
from farebox.errors import QuestionError, ReplicaBuildingError
from farebox.home import Home
from farebox.ledger.erasure import files_with, find
from farebox.privacy.erasure import erase as erase_values
from farebox.privacy.places import BECAUSE, OF_CALLS, SubjectPlace, places_of
from farebox.program import command

ERASE_SECONDS = 60.0


class ErasedValue(msgspec.Struct, kw_only=True):
    """One value to be erased."""

    field: str
    """`user`, `customer`, `session`, `task`, `tag.<name>` …"""
    number: int
    """What stands for it from then on: `(erased NUMBER)`."""
    calls: int
    """How many calls have it."""


class EraseAnswer(msgspec.Struct, kw_only=True):
    """`farebox privacy erase --json`."""

    schema: str = "farebox.erase/1"
    erased: bool
    """False for a preview, and where nothing was found."""
    values: list[ErasedValue]
    """Those that calls have."""
    places: list[SubjectPlace]
    """Where values stood before."""
    kept: list[SubjectPlace]
    """Where they stand now, and why; of a preview, what stays unless it is no longer declared."""
    not_found: list[str]
    """Fields and values, as FIELD=VALUE, that stand nowhere."""
    left_in: list[str]
    """Files that may still contain a value: yours, or records that could not be decoded."""


def erase(
    *,
    subject: Subject | None = None,
    yes: Annotated[bool, Parameter(help="Erase without asking.", negative="")] = False,
    dry_run: Annotated[bool, Parameter(help="Show what would be erased, and stop.", negative="")] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Erase values that name a person from the ledger and everything made of it.

    Calls, costs and sums stay, and `verify` still passes; `(erased 12)` stands where the value was. It
    cannot be undone. Invoices stay as the law asks, and what you declared yourself stays until you take it
    out. A call that ends later with the same value brings it back. Backups and exports that you made keep it.
    """
    from farebox.control.audit import command_line

    wanted = (subject or Subject()).required("erase")
    chosen = place or Place()
    home, ledger = open_ledger(chosen)
    if ledger.trouble:
        say(ledger.trouble)
        return UNAVAILABLE
    ledger.close()
    found, there = find(home, wanted), {each: places_of(home, [each]) for each in wanted}
    places = [place for each in there.values() for place in each]
    answer = EraseAnswer(
        erased=False,
        values=[ErasedValue(field=each.field, number=each.number, calls=each.calls) for each in found],
        places=places,
        kept=[each for each in places if each.stays],
        not_found=["=".join(each) for each in wanted if not there[each]],
        left_in=_left_in(home, wanted),
    )
    can_erase = any(not each.stays for each in places)
    if can_erase and not as_json:
        print(_listed(answer))
    if (
        can_erase
        and not dry_run
        and (yes or is_confirmed(f"Erase {count(len(wanted), 'value')} for ever?", as_json=as_json))
    ):
        answer.erased = erase_values(
            home, chosen.configuration(home), wanted, found, command_line(), now_ns(), ERASE_SECONDS
        )
        if not answer.erased:
            say("the ledger process has not erased it yet; it will as soon as it can")
            return UNAVAILABLE
        forget_in_replica(home)
        answer.left_in = _left_in(home, wanted)
        answer.kept = places_of(home, wanted)
    if as_json:
        print_json(answer)
    else:
        print(render(answer))
    return OK if answer.erased or (can_erase and dry_run) else ANSWER_IS_NO


def render(answer: EraseAnswer) -> str:
    """Return what became of the values that were listed, and what else there is to know."""
    lines = [f"Nothing has {clean(each)}." for each in answer.not_found]
    if answer.erased:
        lines.append("Erased. Calls, costs and sums are as they were.")
    elif any(not each.stays for each in answer.places):
        lines.append(f"Nothing was erased. To erase it: {command('privacy erase … --yes')}")
    for stays in ("books", "declared", "waiting"):
        kept = [f"{each.rows:,} in {each.place}" for each in answer.kept if each.stays == stays]
        if kept:
            lines.append(f"{', '.join(kept)}: {BECAUSE[stays]}.")
    lines += [f"It may still be in {path}, which Farebox does not change." for path in answer.left_in]
    return "\n".join(lines)


def _listed(answer: EraseAnswer) -> str:
    numbers = iter(answer.values)
    columns = [Column("field"), Column("where"), Column("rows", right=True), Column("becomes")]
    return table(
        columns,
        [
            [
                clean(each.field),
                each.place,
                f"{each.rows:,}",
                f"(erased {next(numbers).number})" if each.place == OF_CALLS else BECAUSE[each.stays],
            ]
            for each in answer.places
        ],
    )


def _left_in(home: Home, wanted: list[tuple[str, str]]) -> list[str]:
    return [str(path) for path in files_with(home, [value for _, value in wanted])]


def forget_in_replica(home: Home) -> None:
    """Ask a question: whoever answers it finds that values were erased, and makes the replica again."""
    try:
        with open_questions(home) as questions:
            questions.answers()
    except ReplicaBuildingError:
        return  # the earlier one is deleted, and a larger record takes a while to copy
    except QuestionError as error:
        say(f"the copy that answers questions still has it, until the next question: {error}")
