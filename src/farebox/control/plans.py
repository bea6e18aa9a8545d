"""Versions of plans. One that a subscription has used is frozen: a change makes the next one."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from farebox.charges.plan import Plan, canonical_json
from farebox.control.schema import plan_version

VersionKey = tuple[str, int]


class KeptPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a plan, and what became of it."""

    plan: Plan
    origin: str
    created_at: int
    used_at: int | None
    """When a subscription or an invoice first had it; from then on it never changes."""
    retired_at: int | None

    @property
    def key(self) -> VersionKey:
        return self.plan.name, self.plan.version


def versions(connection: Connection, plan: str | None = None) -> list[KeptPlan]:
    """Return every version of a plan, or of all, retired ones too, in the order of names and numbers."""
    asked = select(plan_version).order_by(plan_version.c.plan, plan_version.c.version)
    if plan is not None:
        asked = asked.where(plan_version.c.plan == plan)
    return [_kept(row) for row in connection.execute(asked)]


def newest(kept: list[KeptPlan]) -> dict[str, KeptPlan]:
    """Return each plan's newest version, by name; plans that are retired are left out."""
    found = {each.plan.name: each for each in kept}
    return {name: each for name, each in found.items() if each.retired_at is None}


def put(connection: Connection, said: Plan, origin: str, now_ns: int) -> KeptPlan:
    """Set a plan and return its version: the same where it says the same, the next where that one is used."""
    there = versions(connection, said.name)
    last = there[-1] if there else None
    if last is not None and last.plan.digest == said.digest:
        if last.origin == origin and last.retired_at is None:
            return last
        _update(connection, last, origin=origin, retired_at=None)
    elif last is not None and last.used_at is None:
        kept = msgspec.structs.replace(said, version=last.plan.version)
        _update(connection, last, **_values(kept, origin, now_ns))
    else:
        number = 1 if last is None else last.plan.version + 1
        kept = msgspec.structs.replace(said, version=number)
        connection.execute(
            insert(plan_version).values(plan=said.name, version=number, **_values(kept, origin, now_ns))
        )
    return versions(connection, said.name)[-1]


def mark_used(connection: Connection, key: VersionKey, now_ns: int) -> None:
    """Freeze a version: a subscription or an invoice has it."""
    name, version = key
    there = (plan_version.c.plan == name) & (plan_version.c.version == version)
    connection.execute(
        update(plan_version).where(there & plan_version.c.used_at.is_(None)).values(used_at=now_ns)
    )


def retire(connection: Connection, name: str, now_ns: int) -> bool:
    """Let nobody subscribe to a plan any more; return whether anybody could."""
    there = (plan_version.c.plan == name) & plan_version.c.retired_at.is_(None)
    return connection.execute(update(plan_version).where(there).values(retired_at=now_ns)).rowcount > 0


def has_any(connection: Connection) -> bool:
    return bool(connection.execute(select(func.count()).select_from(plan_version)).scalar())


def _values(plan: Plan, origin: str, now_ns: int) -> dict[str, Any]:
    return {
        "definition": canonical_json(plan).decode(),
        "digest": plan.digest,
        "origin": origin,
        "created_at": now_ns,
        "retired_at": None,
    }


def _update(connection: Connection, kept: KeptPlan, **values: Any) -> None:
    there = (plan_version.c.plan == kept.plan.name) & (plan_version.c.version == kept.plan.version)
    connection.execute(update(plan_version).where(there).values(**values))


def _kept(row: Any) -> KeptPlan:
    return KeptPlan(
        plan=msgspec.json.decode(row.definition, type=Plan),
        origin=row.origin,
        created_at=row.created_at,
        used_at=row.used_at,
        retired_at=row.retired_at,
    )
