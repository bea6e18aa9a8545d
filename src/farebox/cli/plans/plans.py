"""`farebox plans`: what customers are charged, written in YAML, checked whole, versioned."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from farebox import yamltext
from farebox.billing.plans.views import ChangeState, PlanState, changes_view, plans_view
from farebox.cli.confirmation import is_confirmed
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.plans.stored_terms import Yes, apply_to_record, read_kept, say_problems
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import BOLD, Column, clean, count, paint, table
from farebox.clock import now_ns
from farebox.errors import ConfigError, UsageError
from farebox.program import command

app = App(name="plans", help="See and apply what customers are charged: plans in YAML, with versions.")

Name = Annotated[str, Parameter(help="The plan's name.")]
FILE_BYTES_MAX = 8 << 20


class PlansAnswer(msgspec.Struct, kw_only=True):
    """`farebox plans --json` and `farebox plans show NAME --json`."""

    schema: str = "farebox.plans/1"
    plans: list[PlanState]
    problems: list[str]


class AppliedAnswer(msgspec.Struct, kw_only=True):
    """`farebox plans apply FILE --json`."""

    schema: str = "farebox.applied/1"
    dry_run: bool
    changes: list[ChangeState]


class PlanDifferenceAnswer(msgspec.Struct, kw_only=True):
    """`farebox plans diff NAME --json`."""

    schema: str = "farebox.plan-difference/1"
    name: str
    before: int
    after: int
    lines: list[str]


@app.command(name="list", help="List the plans.")
@app.default
def list_plans(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """List the plans: newest version, base fee, charges, and how many customers are on it."""
    home = (place or Place()).state_to_read()
    kept, problems = read_kept(home)
    found = plans_view(kept, now_ns(), problems=problems)
    if as_json:
        print_json(PlansAnswer(plans=found.plans, problems=problems))
        return OK
    say_problems(problems)
    if not found.plans:
        print("There is no plan yet. Write one, and apply it:")
        print('  plans: {pro: {base: "20.00", charges: [{meter: cost, markup_percent: "20"}]}}')
        print(f"  {command('plans apply plans.yaml --dry-run')}")
        return OK
    columns = [
        Column("plan"),
        Column("version", right=True),
        Column("every", drop=2),
        Column("base", right=True),
        Column("charges", drop=1, width_min=12),
        Column("on it", right=True),
        Column("set by", drop=3),
    ]
    rows = [
        [
            clean(each.name),
            str(each.version),
            each.interval,
            f"{each.base} {each.currency or ''}".strip(),
            clean(", ".join(each.charges)) or "–",
            str(each.active_subscriptions),
            clean(each.origin),
        ]
        for each in found.plans
    ]
    print(table(columns, rows))
    return OK


@app.command(help="Show a plan as YAML, to read, to edit and to apply.")
def show(
    name: Name,
    /,
    *,
    version: Annotated[int | None, Parameter(help="Another than the newest one.")] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Show a plan, its newest version or another one, as YAML that `plans apply` takes."""
    home = (place or Place()).state_to_read()
    kept, problems = read_kept(home)
    found = plans_view(kept, now_ns(), name=name)
    shown = [each for each in found.plans if version in (None, each.version)]
    if not shown:
        raise UsageError(f"{name} has versions {', '.join(str(each.version) for each in found.plans)}")
    if as_json:
        print_json(PlansAnswer(plans=shown if version else found.plans, problems=problems))
        return OK
    say_problems(problems)
    each = shown[0]
    frozen = "frozen: it is used" if each.used else "not used yet: a change stays this version"
    # What is no part of the plan is a comment, so that all of it can be edited and applied.
    print(f"# {paint(clean(each.name), BOLD)} {each.version} ({frozen}), set by {clean(each.origin)}")
    print(f"# {count(each.active_subscriptions, 'customer')} on it now")
    others = [str(one.version) for one in found.plans if one.version != each.version]
    if others:
        print(f"# other versions: {', '.join(others)}; see: {command(f'plans diff {each.name}')}")
    print(each.written, end="")
    return OK


@app.command(help="Show what differs between two versions of a plan.")
def diff(
    name: Name,
    /,
    *,
    before: Annotated[int | None, Parameter(help="A version; the last but one by default.")] = None,
    after: Annotated[int | None, Parameter(help="A version; the newest by default.")] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Show what differs between two versions of a plan, a value a line."""
    from farebox.charges.plan_difference import difference

    kept, _ = read_kept((place or Place()).state_to_read())
    plans_view(kept, now_ns(), name=name)  # that there is one
    versions = {each.plan.version: each.plan for each in kept.versions if each.plan.name == name}
    newer = after or max(versions)
    older = before or newer - 1
    for each in (older, newer):
        if each not in versions:
            raise UsageError(f"{name} has no version {each}; it has {', '.join(map(str, sorted(versions)))}")
    lines = difference(versions[older], versions[newer])
    if as_json:
        print_json(PlanDifferenceAnswer(name=name, before=older, after=newer, lines=lines))
        return OK
    print(f"{clean(name)} {older} → {newer}")
    print("\n".join(f"  {clean(line)}" for line in lines) or "  nothing")
    return OK


@app.command(name="apply", help="Check a file of plans, customers and subscriptions, and store it.")
def apply_file(
    file: Annotated[
        Path, Parameter(help="YAML with `plans:`, `customers:`, `subscriptions:`; - reads stdin.")
    ],
    /,
    *,
    dry_run: Annotated[
        bool, Parameter(help="Show what would change, and change nothing.", negative="")
    ] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Check a file whole, show what it changes, and store it: all of it, or nothing.

    A plan that is in use is never changed: an edit makes its next version, and subscriptions stay on theirs.
    """
    from farebox.billing.plans.changes import apply, read_terms
    from farebox.control import audit

    home = (place or Place()).state()
    publish_home(home)
    if str(file) == "-":
        content, name = sys.stdin.buffer.read(FILE_BYTES_MAX + 1), "standard input"
    else:
        if file.expanduser().absolute() == home.config:
            raise UsageError(f"{file} is in force by itself; see: {command('plans list')}")
        try:
            content, name = file.read_bytes(), str(file)
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None
    if len(content) > FILE_BYTES_MAX:
        raise UsageError(f"{name} is larger than {FILE_BYTES_MAX >> 20} MB")
    root, findings = yamltext.decode(content, name)
    if root is None and findings:
        raise ConfigError(findings)
    terms = read_terms(root, findings)
    found = changes_view(
        apply(home, terms, audit.command_line(), now_ns(), findings=findings, dry_run=dry_run),
        dry_run=dry_run,
    )
    if as_json:
        print_json(AppliedAnswer(dry_run=dry_run, changes=found.changes))
        return OK
    print(render(found.changes, dry_run=dry_run))
    if not dry_run:
        apply_to_record(place or Place(), home)
    return OK


@app.command(help="Let nobody subscribe to a plan any more.")
def remove(name: Name, /, *, yes: Yes = False, place: Place | None = None) -> int:
    """Let nobody subscribe to a plan any more; who is on it stays, until the subscription ends."""
    from farebox.billing.plans.changes import retire_plan
    from farebox.control import audit

    home = (place or Place()).state()
    publish_home(home)
    if not yes and not is_confirmed(f"Remove {clean(name)}? Nobody can subscribe to it then."):
        raise UsageError(f"nothing was removed; to remove it: {command(f'plans remove {name} --yes')}")
    retire_plan(home, name, audit.command_line(), now_ns())
    print(f"Nobody can subscribe to {clean(name)} any more; who is on it stays.")
    return OK


_SIGNS = {"add": "+", "change": "~", "remove": "-", "same": " "}


def render(changes: list[ChangeState], *, dry_run: bool) -> str:
    """Return what changed as lines: what is new, what is different, who stays on an old version."""
    lines: list[str] = []
    for each in changes:
        if each.action == "same":
            continue
        version = f" version {each.version}" if each.version is not None else ""
        lines.append(f"{_SIGNS[each.action]} {each.kind} {clean(each.name)}{version}")
        lines += [f"    {clean(line)}" for line in each.lines if each.action == "change"]
        for stays in each.stay:
            lines.append(f"    stays on its version: {clean(stays)}")
        if each.stay:
            lines.append(
                f"    to move one: {command(f'subscriptions change CUSTOMER {each.name} --at DATE')}"
            )
    same = sum(each.action == "same" for each in changes)
    if not lines:
        return f"Nothing to change: {same} as they were."
    end = (
        "Nothing was stored; without --dry-run it is."
        if dry_run
        else "Stored, and in force within two seconds."
    )
    return "\n".join([*lines, end])
