"""`farebox budget`: limits on what may be spent."""

from __future__ import annotations

from cyclopts import App

from farebox.cli.budgets.budget_list import list_budgets

app = App(name="budget", help="Limit what may be spent: by customer, session, model, tag, or in all.")
app.default(list_budgets)
_COMMANDS = {
    "list": ("budget_list:list_budgets", "List the budgets: spent, reserved, left, and when each resets."),
    "show": ("budget_list:show", "Show one budget, its settings and who spent most of it."),
    "set": ("budget_setting:set_budget", "Set a budget, or change what you name of one."),
    "remove": ("budget_setting:remove", "Take a budget away."),
    "simulate": ("budget_simulation:simulate", "Show what a budget would have blocked so far."),
}
for _name, (_target, _help) in _COMMANDS.items():
    app.command(f"farebox.cli.budgets.{_target}", name=_name, help=_help)
