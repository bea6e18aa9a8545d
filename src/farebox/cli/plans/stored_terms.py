"""What the three commands share: read what is stored, and nodes of flags for the one reader of plans."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from farebox.cli.exits import say
from farebox.cli.options import Place
from farebox.cli.publication import publish_home
from farebox.cli.screen import clean
from farebox.errors import FareboxError, UsageError
from farebox.home import Home
from farebox.program import command
from farebox.snapshot import read_snapshot
from farebox.yamltext import Node

if TYPE_CHECKING:
    from farebox.control.billing_terms import Kept
    from farebox.ledger.charging.following import Progress

PLACE = "the command line"
Yes = Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask.", negative="")]


def read_kept(home: Home) -> tuple[Kept, list[str]]:
    """Return what is stored, the home's file as it is now, and what is wrong with that."""
    from farebox.control.billing_terms import Kept

    publish_home(home)
    problems = list(read_snapshot(home).problems)
    if not home.control.exists():
        return Kept(customers={}, identities=[], versions=[], subscriptions=[]), problems
    from farebox.control.database import open_control

    with open_control(home).reading() as connection:
        return Kept.of(connection), problems


def apply_to_record(place: Place, home: Home) -> bool:
    """Have calls that are recorded already say what was just published; return whether they do.

    Where that is not possible now it is said, and `farebox up` does it.
    """
    if not home.ledger.exists():
        return True
    from farebox.ledger.charging.waiting import bring_up_to_date

    try:
        done = bring_up_to_date(home, place.configuration(home), _show_progress)
    except FareboxError as error:
        say(f"it is stored; calls that are recorded already are not changed yet: {error}")
        return False
    if not done:
        say(f"it is stored; the record is still being changed, see: {command('status', home)}")
    return done


def _show_progress(progress: Progress) -> None:
    if sys.stderr.isatty() and progress.of:
        end = "\n" if progress.seq >= progress.of else "\r"
        print(f"calls of the record: {progress.seq:,} of {progress.of:,}", end=end, file=sys.stderr)


def say_problems(problems: list[str]) -> None:
    for each in problems:
        say(clean(each))


def node_of(value: Any, key: str = "") -> Node:
    """Return flags as the nodes that a file would have given."""
    if isinstance(value, dict):
        pairs: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return Node({name: node_of(each, name) for name, each in pairs.items()}, PLACE, 0, key)
    if isinstance(value, (list, tuple)):
        items: list[Any] = list(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return Node([node_of(each, key) for each in items], PLACE, 0, key)
    return Node(value, PLACE, 0, key)


def pairs_of(texts: list[str] | None, flag: str) -> dict[str, str]:
    """Return `NAME=VALUE` texts as a mapping.

    Raises:
        UsageError: One of them has no `=`.
    """
    found: dict[str, str] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not name.strip() or not equals:
            raise UsageError(f"{flag} {text!r} is not NAME=VALUE")
        found[name.strip()] = value
    return found
