"""The rows of a view of `farebox top`: filtered, sorted, as a tree or flat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from farebox.cli.screen import clean
from farebox.cli.top.snapshot import TopAnswer, TopGroup
from farebox.money import display_usd

View = Literal["sessions", "processes", "models"]
VIEWS: tuple[View, ...] = ("sessions", "processes", "models")
Order = Literal["cost", "calls", "tokens", "latest", "name"]
ORDERS: dict[str, Order] = {"c": "cost", "n": "calls", "o": "tokens", "l": "latest", "m": "name"}
"""Keys to what they sort by."""


class Look(NamedTuple):
    """How a view is looked at."""

    view: View = "sessions"
    order: Order = "cost"
    is_tree: bool = False
    """With the agents of a session beneath it."""
    filter: str = ""


class TopLine(NamedTuple):
    """A row of the table."""

    key: str
    """The same for the same group at the next look."""
    dimension: str | None
    """What `k` would stop: `session` or `process`; None where that cannot be stopped."""
    value: str
    name: str
    depth: int
    sums: TopGroup


def lines(found: TopAnswer, look: Look) -> list[TopLine]:
    """Return the rows of a view."""
    if look.view == "sessions":
        return _sessions(found.sessions, look)
    if look.view == "processes":
        made = [
            TopLine(f"process {each.process}", "process", each.process or "", _process_name(each), 0, each)
            for each in found.processes
        ]
    else:
        made = [
            TopLine(f"model {each.model}", None, "", clean(each.model or "–"), 0, each)
            for each in found.models
        ]
    return _sorted([each for each in made if _matches(each.name, look.filter)], look.order)


def _sessions(groups: Iterable[TopGroup], look: Look) -> list[TopLine]:
    by_session: dict[str, list[TopGroup]] = {}
    for each in groups:
        by_session.setdefault(each.session or "", []).append(each)
    whole: list[TopLine] = []
    for session, parts in by_session.items():
        names = [clean(session), *(clean(each.agent) for each in parts if each.agent)]
        if any(_matches(name, look.filter) for name in names):
            line = TopLine(f"session {session}", "session", session, clean(session), 0, added(parts))
            whole.append(line)
    shown: list[TopLine] = []
    for line in _sorted(whole, look.order):
        shown.append(line)
        if look.is_tree:
            agents = [
                TopLine(
                    f"{line.key} agent {each.agent}",
                    "session",
                    line.value,
                    clean(each.agent or "(no agent)"),
                    1,
                    each,
                )
                for each in by_session[line.value]
            ]
            shown += _sorted(agents, look.order)
    return shown


def added(parts: Sequence[TopGroup]) -> TopGroup:
    """Return the sums of several groups of one session."""
    return TopGroup(
        session=parts[0].session,
        calls=sum(each.calls for each in parts),
        errors=sum(each.errors for each in parts),
        unpriced_calls=sum(each.unpriced_calls for each in parts),
        cost_pico=sum(each.cost_pico for each in parts),
        tokens=sum(each.tokens for each in parts),
        last_at=max((each.last_at for each in parts if each.last_at), default=None),
        stopped=any(each.stopped for each in parts),
    )


def group_money(found: TopGroup) -> str:
    """Return what a group cost; calls without a price make it a lower bound."""
    return f"{'≥ ' if found.unpriced_calls else ''}{display_usd(found.cost_pico)}"


def _process_name(found: TopGroup) -> str:
    return clean(f"{found.process} {found.command or ''}").strip()


def _matches(name: str, text: str) -> bool:
    return text.lower() in name.lower()


_BY: dict[Order, Callable[[TopLine], Any]] = {
    "cost": lambda line: (-line.sums.cost_pico, line.name),
    "calls": lambda line: (-line.sums.calls, line.name),
    "tokens": lambda line: (-line.sums.tokens, line.name),
    "name": lambda line: line.name.lower(),
}


def _sorted(found: list[TopLine], order: Order) -> list[TopLine]:
    if order == "latest":
        by_name = sorted(found, key=lambda line: line.name)
        return sorted(by_name, key=lambda line: line.sums.last_at or "", reverse=True)
    return sorted(found, key=_BY[order])
