"""`farebox privacy retention`: erase values that no call has had for some time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.access import open_ledger
from farebox.cli.confirmation import is_confirmed
from farebox.cli.exits import OK, UNAVAILABLE, say
from farebox.cli.options import AsJson, Place
from farebox.cli.privacy.privacy_erase import ERASE_SECONDS, forget_in_replica
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, count, table
from farebox.clock import iso, now_ns
from farebox.errors import UsageError
from farebox.ledger.erasure import PersonalValue, can_be_erased
from farebox.ledger.personal_ages import PersonalAge, personal_ages
from farebox.privacy.erasure import erase
from farebox.program import command
from farebox.time_expressions import moment_ns

AT_ONCE = 1_000
"""Values in one request to the ledger."""
NOT_BY_ITSELF = ("customer",)
"""Fields that are erased only where they are named: invoices rest on them."""


class FieldAges(msgspec.Struct, kw_only=True):
    """The values of one field."""

    field: str
    values: int
    oldest_at: str
    """When the value that was used longest ago was used last."""
    aged: int
    """How many of them are older than was asked."""


class RetentionAnswer(msgspec.Struct, kw_only=True):
    """`farebox privacy retention --json`."""

    schema: str = "farebox.retention/1"
    before: str | None
    """Values that were used last before this moment are erased; null where no age was given."""
    fields: list[FieldAges]
    erased: int
    """How many values were erased; 0 for a preview."""


def retention(
    *,
    older_than: Annotated[
        str | None, Parameter(help="Values that nothing has had for so long: 90d, 52w, 2026-01-01.")
    ] = None,
    field: Annotated[
        list[str] | None,
        Parameter(help="Only of this field: user, session, tag.mail …; all but customer else.", negative=""),
    ] = None,
    yes: Annotated[bool, Parameter(help="Erase without asking.", negative="")] = False,
    dry_run: Annotated[bool, Parameter(help="Show what would be erased, and stop.", negative="")] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Show how long values that name persons have not been used, and erase those that are older.

    Each is erased as `privacy erase` does it; calls and sums stay. Let cron type it every night with --yes:
    then nothing of a person is kept for longer.
    """
    from farebox.control.audit import command_line

    fields = _fields(field)
    chosen = place or Place()
    home, ledger = open_ledger(chosen)
    if ledger.trouble:
        say(ledger.trouble)
        return UNAVAILABLE
    ledger.close()
    now = now_ns()
    before = None if older_than is None else moment_ns(older_than, datetime.fromtimestamp(now // 10**9, UTC))
    ages = [each for each in personal_ages(home) if fields is None or each.field in fields]
    aged = [
        each
        for each in ages
        if before is not None
        and each.last_ns < before
        and (fields is not None or each.field not in NOT_BY_ITSELF)
    ]
    answer = RetentionAnswer(
        before=None if before is None else iso(before), fields=_listed(ages, aged), erased=0
    )
    if not as_json:
        print(_table(answer) if ages else "No call has a value that names a person.")
    if (
        aged
        and not dry_run
        and (yes or is_confirmed(f"Erase {count(len(aged), 'value')} for ever?", as_json=as_json))
    ):
        for at in range(0, len(aged), AT_ONCE):
            some = aged[at : at + AT_ONCE]
            found = [
                PersonalValue(field=each.field, value=each.value, number=each.number, calls=0)
                for each in some
            ]
            wanted = [(each.field, each.value) for each in some]
            if not erase(home, chosen.configuration(home), wanted, found, command_line(), now, ERASE_SECONDS):
                say("the ledger process has not erased all of it yet; it will as soon as it can")
                return UNAVAILABLE
            answer.erased += len(some)
        forget_in_replica(home)
    if as_json:
        print_json(answer)
    elif answer.erased:
        print(f"Erased {count(answer.erased, 'value')}. Calls, costs and sums are as they were.")
    elif aged:
        print(f"Nothing was erased. To erase it: {command('privacy retention --older-than … --yes')}")
    return OK


def _fields(said: list[str] | None) -> set[str] | None:
    for each in said or ():
        if not can_be_erased(each):
            raise UsageError(f"--field {each}: it names no person and is not stored so that it can be erased")
    return set(said) if said else None


def _listed(ages: list[PersonalAge], aged: list[PersonalAge]) -> list[FieldAges]:
    found: dict[str, FieldAges] = {}
    for each in ages:  # the oldest first
        of = found.setdefault(
            each.field, FieldAges(field=each.field, values=0, oldest_at=iso(each.last_ns), aged=0)
        )
        of.values += 1
    for each in aged:
        found[each.field].aged += 1
    return sorted(found.values(), key=lambda of: of.field)


def _table(answer: RetentionAnswer) -> str:
    columns = [Column("field"), Column("values", right=True), Column("oldest"), Column("older", right=True)]
    return table(
        columns, [[clean(of.field), f"{of.values:,}", of.oldest_at, f"{of.aged:,}"] for of in answer.fields]
    )
