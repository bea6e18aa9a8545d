"""`farebox audit list` and `show`: who changed what, with what it was before."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
from cyclopts import Parameter

from farebox.cli.exits import OK
from farebox.cli.options import AsJson, PeriodFlags, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, table
from farebox.errors import UsageError
from farebox.home import Home
from farebox.nearest import did_you_mean
from farebox.program import command
from farebox.server.api.audit.audit_views import AuditEntry, entry_view

if TYPE_CHECKING:
    from farebox.control.audit.entries import Filter

SHOWN = 50
SHOWN_MAX = 100_000
_VALUE_MAX = 100

_COLUMNS = [
    Column("no.", right=True),
    Column("when", drop=2),
    Column("who"),
    Column("did"),
    Column("what", width_min=16),
    Column("changed", drop=1, width_min=20),
]


class AuditAnswer(msgspec.Struct, kw_only=True):
    """`farebox audit --json`."""

    schema: str = "farebox.audit/1"
    entries: list[AuditEntry]
    """The newest first."""


def list_entries(
    *,
    actor: Annotated[str | None, Parameter(help="Only what this one did: uid:1000, owner, token:ID.")] = None,
    kind: Annotated[str | None, Parameter(help="Only changes of this kind: customer, plan, budget …")] = None,
    name: Annotated[str | None, Parameter(help="Only changes of what is called so.")] = None,
    limit: Annotated[int, Parameter(help="How many, the newest first.")] = SHOWN,
    period: PeriodFlags | None = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """List who changed what, the newest first."""
    from farebox.control.audit.entries import Filter

    home = (place or Place()).state_to_read()
    span = (period or PeriodFlags()).period()
    asked = Filter(actor=actor, kind=kind, name=name, since_ns=span.since_ns, until_ns=span.until_ns)
    found = _entries(home, asked, max(1, min(limit, SHOWN_MAX)))
    if as_json:
        print_json(AuditAnswer(entries=found))
    elif found:
        print(table(_COLUMNS, [_cells(each, span.zone) for each in found]))
        print(f"What an entry changed:  {command(f'audit show {found[0].number}', home)}")
    else:
        print("Nothing of that kind." if actor or kind or name or period else "Nothing was changed yet.")
    return OK


def show(
    number: Annotated[int, Parameter(help="Its number, as the list shows it.")],
    /,
    *,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Show one entry: what it changed, before and after."""
    from farebox.control.audit.entries import Filter

    home = (place or Place()).state_to_read()
    found = [each for each in _entries(home, Filter(before=number + 1), 1) if each.number == number]
    if not found:
        raise UsageError(f"there is no entry {number}; see: {command('audit', home)}")
    (entry,) = found
    if as_json:
        print_json(AuditAnswer(entries=found))
        return OK
    print(f"{entry.number}  {entry.at}  {clean(entry.actor)}  {clean(entry.action)}  {clean(entry.subject)}")
    if entry.erased:
        print("What it said was erased.")
    for key, value in entry.detail.items():
        print(f"  {clean(key)}: {_said(value)}")
    for each in entry.changes:
        print(f"{clean(each.kind)} {clean(each.name)}")
        before, after = each.before or {}, each.after or {}
        for field in [*before, *(name for name in after if name not in before)]:
            old, new = before.get(field), after.get(field)
            if each.before is None or each.after is None or old != new:
                print(f"  {clean(field)}: {_change(each.before, each.after, old, new)}")
    print(f"hash {entry.hash}")
    return OK


def _change(before: Any, after: Any, old: Any, new: Any) -> str:
    if before is None:
        return _said(new)
    return f"{_said(old)} → gone" if after is None else f"{_said(old)} → {_said(new)}"


def _entries(home: Home, asked: Filter, limit: int) -> list[AuditEntry]:
    if not home.control.exists():
        return []
    from farebox.control.audit import entries
    from farebox.control.database import open_control

    with open_control(home).reading() as connection:
        found = entries.entries(connection, asked, limit)
        if not found:
            _refuse_mistyped(asked, entries.known_words(connection))
    return [entry_view(each) for each in found]


def _refuse_mistyped(asked: Filter, known: dict[str, list[str]]) -> None:
    """Raise for a filter whose word stands in no entry at all, with what was probably meant."""
    for flag in ("actor", "kind", "name"):
        said = getattr(asked, flag)
        if said is not None and said not in known[flag]:
            there = ", ".join(known[flag][:12]) if flag != "name" else ""
            hint = did_you_mean(said, known[flag]) or (f"; there are: {there}" if there else "")
            raise UsageError(f"--{flag} {said}: no entry of the audit has it{hint}")


def _cells(each: AuditEntry, zone: tzinfo) -> list[str]:
    when = datetime.fromisoformat(each.at).astimezone(zone or UTC)
    changed = (
        "erased" if each.erased else ", ".join(_short(row.before, row.after) for row in each.changes[:3])
    )
    return [
        str(each.number),
        f"{when:%Y-%m-%d %H:%M}",
        clean(each.actor),
        each.action,
        clean(each.subject),
        clean(changed),
    ]


def _short(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    if before is None:
        return "new"
    if after is None:
        return "gone"
    return ", ".join(_differences("", before, after)) or "its secret part"


def _differences(path: str, before: Any, after: Any) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        old, new = cast("dict[str, Any]", before), cast("dict[str, Any]", after)
        return [
            line
            for key in [*old, *(key for key in new if key not in old)]
            if key != "changed"
            for line in _differences(key, old.get(key), new.get(key))
        ]
    return [] if before == after else [f"{path} {_said(before)} → {_said(after)}"]


def _said(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return clean(text if len(text) <= _VALUE_MAX else f"{text[:_VALUE_MAX]}…")
