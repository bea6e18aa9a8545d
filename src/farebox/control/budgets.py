"""Budgets and stops that commands and the API set; those of `farebox.yaml` stand beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from farebox.budgets.budget import Budget, Stop
from farebox.control.schema import budget as budget_table
from farebox.control.schema import stop as stop_table

STOPS_MAX = 10_000


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Said = TypeVar("Said", bound=_Named)


def budgets(connection: Connection) -> dict[str, Budget]:
    """Return the budgets that were set by command, by name."""
    rows = connection.execute(select(budget_table).order_by(budget_table.c.name))
    return {row.name: msgspec.json.decode(row.definition, type=Budget) for row in rows}


def put(connection: Connection, said: Budget, now_ns: int) -> Budget | None:
    """Set a budget and return the one of its name that was there before."""
    before = budgets(connection).get(said.name)
    values = {"definition": msgspec.json.encode(said, order="sorted").decode(), "changed_at": now_ns}
    there = update(budget_table).where(budget_table.c.name == said.name).values(values)
    if connection.execute(there).rowcount == 0:
        connection.execute(insert(budget_table).values(name=said.name, **values))
    return before


def remove(connection: Connection, name: str) -> bool:
    """Take a budget away; return whether it was there."""
    return connection.execute(delete(budget_table).where(budget_table.c.name == name)).rowcount > 0


def stops(connection: Connection) -> list[Stop]:
    """Return the stops in force, the newest first."""
    rows = connection.execute(select(stop_table).order_by(stop_table.c.since.desc(), stop_table.c.value))
    return [
        Stop(dimension=row.dimension, value=row.value, reason=row.reason, since_ns=row.since, by=row.actor)
        for row in rows
    ]


def stop(connection: Connection, said: Stop) -> bool:
    """Refuse calls from now on; return False where they were refused already, and the reason is new."""
    there = (stop_table.c.dimension == said.dimension) & (stop_table.c.value == said.value)
    if connection.execute(update(stop_table).where(there).values(reason=said.reason)).rowcount:
        return False
    connection.execute(
        insert(stop_table).values(
            dimension=said.dimension,
            value=said.value,
            reason=said.reason,
            since=said.since_ns,
            actor=said.by,
        )
    )
    return True


def lift(connection: Connection, dimension: str, value: str) -> bool:
    """Let calls pass again; return whether they were refused."""
    there = (stop_table.c.dimension == dimension) & (stop_table.c.value == value)
    return connection.execute(delete(stop_table).where(there)).rowcount > 0


def together(configured: Sequence[Said], commanded: Sequence[Said]) -> tuple[Said, ...]:
    """Return both by name; of one that stands in both, what the file says."""
    return tuple(
        sorted({each.name: each for each in (*commanded, *configured)}.values(), key=lambda each: each.name)
    )
