"""`farebox privacy`: erase what names a person. Calls, sums and the proof that nothing was edited stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from farebox.cli.access import open_ledger, open_questions
from farebox.cli.confirmation import is_confirmed
from farebox.cli.exits import ANSWER_IS_NO, OK, UNAVAILABLE, say
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, count, table
from farebox.clock import now_ns
from farebox.errors import QuestionError, ReplicaBuildingError, UsageError
from farebox.ledger.alerting.forgetting import forget_in_history
from farebox.ledger.append.dictionaries import PersonalRow
from farebox.ledger.erasure import PersonalValue, can_be_erased, files_with, find, request
from farebox.program import command

if TYPE_CHECKING:
    from farebox.home import Home

ERASE_SECONDS = 60.0

app = App(name="privacy", help="Erase what names a person: a user, a customer, a session, a task, a tag.")


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
    not_found: list[str]
    """Fields and values, as FIELD=VALUE, that no call has."""
    left_in: list[str]
    """Files that may still contain a value: yours, or records that could not be decoded."""


@app.command
def erase(
    *,
    user: Annotated[list[str] | None, Parameter(help="Erase this user.", negative="")] = None,
    customer: Annotated[list[str] | None, Parameter(help="Erase this customer.", negative="")] = None,
    session: Annotated[list[str] | None, Parameter(help="Erase this session.", negative="")] = None,
    task: Annotated[list[str] | None, Parameter(help="Erase this task.", negative="")] = None,
    tag: Annotated[
        list[str] | None, Parameter(help="Erase this value of a tag: feature=summary.", negative="")
    ] = None,
    attribution: Annotated[
        list[str] | None,
        Parameter(help="Erase this value of any other attribution: organization=acme.", negative=""),
    ] = None,
    yes: Annotated[bool, Parameter(help="Erase without asking.", negative="")] = False,
    dry_run: Annotated[bool, Parameter(help="Show what would be erased, and stop.", negative="")] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Erase values that name a person from the ledger and everything made of it.

    Calls, costs and sums stay, and `verify` still passes; `(erased 12)` stands where the value was. It
    cannot be undone. A call that ends later with the same value brings it back. Backups and exports that
    you made keep it.
    """
    wanted = _wanted({"user": user, "customer": customer, "session": session, "task": task}, tag, attribution)
    chosen = place or Place()
    home, ledger = open_ledger(chosen)
    if ledger.trouble:
        say(ledger.trouble)
        return UNAVAILABLE
    ledger.close()
    found = find(home, wanted)
    known = {(each.field, each.value) for each in found}
    answer = EraseAnswer(
        erased=False,
        values=[ErasedValue(field=each.field, number=each.number, calls=each.calls) for each in found],
        not_found=[f"{field}={value}" for field, value in wanted if (field, value) not in known],
        left_in=_left_in(home, wanted),
    )
    if found and not as_json:
        print(_listed(answer))
    if (
        found
        and not dry_run
        and (yes or is_confirmed(f"Erase {count(len(found), 'value')} for ever?", as_json=as_json))
    ):
        answer.erased = request(
            home, chosen.configuration(home), [each.number for each in found], ERASE_SECONDS
        )
        if not answer.erased:
            say("the ledger process has not erased it yet; it will as soon as it can")
            return UNAVAILABLE
        _forget_in_replica(home)
        forget_in_history(home, [PersonalRow(each.number, each.field, each.value) for each in found])
        if home.control.exists():
            _forget_in_audit(home, found)
            publish_home(home)  # a snooze may have named one
        answer.left_in = _left_in(home, wanted)
    if as_json:
        print_json(answer)
    else:
        print(render(answer))
    return OK if answer.erased or (found and dry_run) else ANSWER_IS_NO


def render(answer: EraseAnswer) -> str:
    """Return what became of the values that were listed, and what else there is to know."""
    lines = [f"No call has {clean(each)}." for each in answer.not_found]
    if answer.erased:
        lines.append("Erased. Calls, costs and sums are as they were.")
    elif answer.values:
        lines.append(f"Nothing was erased. To erase it: {command('privacy erase … --yes')}")
    lines += [f"It may still be in {path}, which Farebox does not change." for path in answer.left_in]
    return "\n".join(lines)


def _listed(answer: EraseAnswer) -> str:
    columns = [Column("field"), Column("calls", right=True), Column("becomes")]
    return table(columns, [[clean(e.field), f"{e.calls:,}", f"(erased {e.number})"] for e in answer.values])


def _wanted(
    fields: dict[str, list[str] | None], tags: list[str] | None, others: list[str] | None
) -> list[tuple[str, str]]:
    found = [(name, value) for name, values in fields.items() for value in values or []]
    for flag, texts in (("--tag", tags), ("--attribution", others)):
        for text in texts or []:
            name, equals, value = text.partition("=")
            name = f"tag.{name.strip().lower()}" if flag == "--tag" else name.strip()
            if not equals or not name or not value:
                raise UsageError(f"{flag} {text!r} is not NAME=VALUE")
            if not can_be_erased(name):
                raise UsageError(f"{name!r} names no person and is not stored so that it can be erased")
            found.append((name, value))
    if not found:
        example = command("privacy erase --user alice")
        raise UsageError(f"name what is to be erased, for example: {example}")
    return found


def _left_in(home: Home, wanted: list[tuple[str, str]]) -> list[str]:
    return [str(path) for path in files_with(home, [value for _, value in wanted])]


def _forget_in_audit(home: Home, values: list[PersonalValue]) -> None:
    from farebox.control.audit import command_line
    from farebox.control.audit.erasure import erase_value
    from farebox.control.audit.mentions import Personal
    from farebox.control.publish import change

    with change(home) as connection:
        for each in values:
            erase_value(connection, Personal(each.field, each.value), command_line(), now_ns())


def _forget_in_replica(home: Home) -> None:
    """Ask a question: whoever answers it finds that values were erased, and makes the replica again."""
    try:
        with open_questions(home) as questions:
            questions.answers()
    except ReplicaBuildingError:
        return  # the earlier one is deleted, and a larger record takes a while to copy
    except QuestionError as error:
        say(f"the copy that answers questions still has it, until the next question: {error}")
