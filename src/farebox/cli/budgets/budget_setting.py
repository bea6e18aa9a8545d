"""`farebox budget set` and `remove`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from farebox.budgets.budget import Budget
from farebox.budgets.loosening import loosened
from farebox.cli.budgets.budget_list import BudgetsAnswer, Name, dollars, resets, settings
from farebox.cli.budgets.definition_flags import DefinitionFlags, WhereFlags, definition
from farebox.cli.confirmation import is_confirmed
from farebox.cli.exits import ANSWER_IS_NO, OK
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import clean
from farebox.clock import now_ns
from farebox.errors import UsageError
from farebox.home import Home
from farebox.program import command
from farebox.server.api.limits.budget_views import Budgets, budgets_view
from farebox.snapshot import read_snapshot

Yes = Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask.", negative="")]


def set_budget(
    name: Annotated[str, Parameter(help="What to call it: a-z, 0-9, `-`, `_` and `.`.")],
    /,
    *,
    limits: DefinitionFlags | None = None,
    where: WhereFlags | None = None,
    yes: Yes = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Set a budget. Of one that there is, what you do not name stays as it was.

    It is in force within two seconds, for calls that begin from then on. You are asked first where it
    allows more than before.
    """
    home = (place or Place()).state()
    publish_home(home)
    from farebox.control import audit
    from farebox.control.budget_changes import refuse_name_of_file, set_budget

    published = read_snapshot(home)
    refuse_name_of_file(published, name)
    before = next((each for each in published.budgets if each.name == name), None)
    said = definition(name, where, limits, before)
    if not _may_loosen(before, said, yes=yes, as_json=as_json):
        print("Nothing was changed.")
        return ANSWER_IS_NO
    set_budget(home, said, audit.command_line(), now_ns())
    found = budgets_view(home, now_ns(), name=name)
    if as_json:
        print_json(BudgetsAnswer(budgets=found.budgets, problems=found.problems))
        return OK
    print(settings(found.budgets[0]))
    print(_when(home, found))
    return OK


def remove(name: Name, /, *, yes: Yes = False, place: Place | None = None) -> int:
    """Take a budget away: its calls are not limited by it any more."""
    home = (place or Place()).state()
    publish_home(home)
    from farebox.control import audit
    from farebox.control.budget_changes import refuse_name_of_file, remove_budget, unknown_budget

    published = read_snapshot(home)
    refuse_name_of_file(published, name)
    if all(each.name != name for each in published.budgets):
        raise UsageError(unknown_budget(published, name))
    if not yes and not is_confirmed(f"Remove {clean(name)}? Its calls are not limited by it any more."):
        raise UsageError(f"nothing was removed; to remove it: {command(f'budget remove {name} --yes')}")
    remove_budget(home, name, audit.command_line(), now_ns())
    print(f"{clean(name)} is removed; within two seconds it limits nothing.")
    return OK


def _may_loosen(before: Budget | None, said: Budget, *, yes: bool, as_json: bool) -> bool:
    """Return whether it may be set: asked where it allows more than before.

    Raises:
        UsageError: Nobody can be asked.
    """
    words = [] if before is None else loosened(before, said)
    if not words or yes:
        return True
    import sys

    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(f"this allows more than before: {'; '.join(words)}. Add --yes to do it")
    return is_confirmed(f"This allows more than before: {clean('; '.join(words))}.")


def _when(home: Home, found: Budgets) -> str:
    """Return from when it is in force, and what is worth knowing now."""
    state = found.budgets[0]
    figures = state.figures
    words = "It is in force within two seconds."
    if figures is not None and not figures.opening:
        words += f" {dollars(figures.left_pico)} is left; it resets {resets(state)}."
    return f"{words} What it would have blocked so far: {command(f'budget simulate {state.name}', home)}"
