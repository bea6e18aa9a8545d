"""`farebox prices`: look at prices, check them, set, import and update them."""

from __future__ import annotations

from cyclopts import App

app = App(name="prices", help="Look at prices, check them, set, import and update them.")
_COMMANDS = {
    "list": ("show:list_prices", "List the prices in force, one line a unit of a model."),
    "show": ("show:show", "Show a model's prices, each with its id, date and source."),
    "check": ("check:check", "Validate price files; find gaps, disagreements and drift."),
    "set": ("change:set_price", "Set your own price of a model, from a date on."),
    "import": ("change:import_file", "Import a YAML, JSON or CSV file of prices."),
    "diff": ("update:diff", "Show what changed between snapshots of the lists."),
    "update": ("update:update", "Fetch a newer price list and append what is new."),
    "review": ("review:review", "Show the list that waits for you: why, and every price before and after."),
    "accept": ("review:accept", "Take over the list that waits."),
    "reject": ("review:reject", "Drop the list that waits."),
    "unpriced": ("unpriced:unpriced", "List models seen without a price."),
}
for _name, (_target, _help) in _COMMANDS.items():
    app.command(f"farebox.cli.prices.{_target}", name=_name, help=_help)
