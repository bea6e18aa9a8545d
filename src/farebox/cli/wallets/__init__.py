"""`farebox wallets`: prepaid and promotional money of customers."""

from __future__ import annotations

from cyclopts import App

from farebox.cli.wallets.wallet_list import list_wallets

app = App(name="wallets", help="See, fill and empty the wallets that pay customers' invoices.")
app.default(list_wallets)
_COMMANDS = {
    "list": ("wallet_list:list_wallets", "List the wallets: balance, what is usable now, and limits."),
    "show": ("wallet_list:show", "Show one wallet: its grants in the order they pay, and its transactions."),
    "grant": ("wallet_moves:grant", "Put prepaid or promotional money into a wallet."),
    "void": ("wallet_moves:void", "Take back what is left of a grant."),
    "expire": ("wallet_moves:expire", "Post the expiry of every grant whose time is over."),
    "limits": (
        "wallet_moves:limits",
        "Allow an overdraft; say when a wallet is low and what is asked for then.",
    ),
}
for _name, (_target, _help) in _COMMANDS.items():
    app.command(f"farebox.cli.wallets.{_target}", name=_name, help=_help)
