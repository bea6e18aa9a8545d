"""`farebox invoices`: bills of customers, from the plans they are on and the usage in the record."""

from __future__ import annotations

from cyclopts import App

from farebox.cli.invoices.invoice_list import list_invoices

app = App(name="invoices", help="Draft, issue, show and credit customers' invoices.")
app.default(list_invoices)
_COMMANDS = {
    "list": ("invoice_list:list_invoices", "List drafts, invoices and credit notes."),
    "show": ("invoice_list:show", "Show one invoice with its lines."),
    "export": ("invoice_list:export", "Write an invoice or credit note as PDF, HTML, CSV, JSON or e-mail."),
    "preview": ("invoice_issue:preview", "Show what a customer's period comes to so far; nothing is saved."),
    "run": ("invoice_issue:run", "Draft every period that has ended; issue those past their grace period."),
    "finalize": ("invoice_issue:finalize", "Issue one draft now, before its grace period is over."),
    "void": ("invoice_changes:void", "Void a final invoice; it keeps its number."),
    "credit": ("invoice_changes:credit", "Issue a credit note for lines of a final invoice."),
}
for _name, (_target, _help) in _COMMANDS.items():
    app.command(f"farebox.cli.invoices.{_target}", name=_name, help=_help)
