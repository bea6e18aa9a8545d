"""What the three commands share: read what is stored, and nodes of flags for the one reader of plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from farebox.cli.exits import say
from farebox.cli.publication import publish_home
from farebox.cli.screen import clean
from farebox.errors import UsageError
from farebox.home import Home
from farebox.snapshot import read_snapshot
from farebox.yamltext import Node

if TYPE_CHECKING:
    from farebox.control.billing_terms import Kept

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
