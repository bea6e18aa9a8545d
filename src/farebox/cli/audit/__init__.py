"""`farebox audit`: who changed what, and the proof of it."""

from __future__ import annotations

from cyclopts import App

from farebox.cli.audit.audit_list import list_entries

app = App(name="audit", help="See who changed what; verify and export it, with the record and invoices.")
app.default(list_entries)
_COMMANDS = {
    "list": ("audit_list:list_entries", "List who changed what, the newest first."),
    "show": ("audit_list:show", "Show one entry: what it changed, before and after."),
    "verify": ("audit_proof:verify", "Check that log, record and invoices are as they were written."),
    "export": ("audit_proof:export", "Write a package that an auditor can verify without Farebox."),
    "key": ("audit_proof:key", "Show the public key that checkpoints are signed with; replace it."),
}
for _name, (_target, _help) in _COMMANDS.items():
    app.command(f"farebox.cli.audit.{_target}", name=_name, help=_help)
