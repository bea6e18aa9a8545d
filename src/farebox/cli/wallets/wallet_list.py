"""`farebox wallets list` and `show`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import BOLD, Column, clean, paint, table
from farebox.clock import now_ns
from farebox.errors import UsageError
from farebox.home import Home
from farebox.program import command
from farebox.server.api.billing.wallet_views import (
    GrantState,
    Wallets,
    WalletShown,
    WalletState,
    shown_wallet_view,
    wallets_view,
)

Customer = Annotated[str, Parameter(help="The customer whose wallet it is.")]


class WalletsAnswer(Wallets, kw_only=True):
    """`farebox wallets list --json`."""

    schema: str = "farebox.wallets/1"


class WalletAnswer(WalletShown, kw_only=True):
    """`farebox wallets show CUSTOMER --json`, and of `wallets limits`."""

    schema: str = "farebox.wallet/1"


def list_wallets(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """List the wallets: balance, what is usable now, and limits."""
    found = _wallets((place or Place()).state_to_read())
    if as_json:
        print_json(WalletsAnswer(wallets=found))
        return OK
    if not found:
        print("There is no wallet yet. To put money into one:")
        print(f"  {command('wallets grant CUSTOMER 100.00 --note Order-7')}")
        return OK
    columns = [
        Column("customer"),
        Column("balance", right=True),
        Column("usable", right=True),
        Column("overdraft", right=True, drop=2),
        Column("low below", right=True, drop=1),
        Column("state"),
    ]
    rows = [
        [
            clean(each.customer),
            f"{each.balance} {each.currency}",
            each.usable,
            each.overdraft,
            each.low or "",
            _state(each),
        ]
        for each in found
    ]
    print(table(columns, rows))
    return OK


def show(customer: Customer, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show one wallet: its grants in the order they pay, and its newest transactions."""
    home = (place or Place()).state_to_read()
    found = read_wallet(home, customer)
    if found is None:
        raise UsageError(
            f"{customer} has no wallet; to make one: {command(f'wallets grant {customer} 100.00')}"
        )
    if as_json:
        print_json(WalletAnswer(wallet=found.wallet, transactions=found.transactions))
        return OK
    print(headline(found.wallet))
    print(grants_table(found.wallet.grants))
    if found.transactions:
        columns = [Column("when"), Column("what"), Column("amount", right=True), Column("about", width_min=8)]
        moves = [
            [f"{each.at[:10]} {each.at[11:16]}Z", each.kind, each.amount, clean(each.reference)]
            for each in found.transactions
        ]
        print()
        print(table(columns, moves))
    return OK


def read_wallet(home: Home, customer: str) -> WalletShown | None:
    """Return a wallet, None where there is none."""
    from farebox.control.database import open_control

    if not home.control.exists():
        return None
    with open_control(home).reading() as connection:
        return shown_wallet_view(connection, customer, now_ns())


def headline(found: WalletState) -> str:
    """Return what is in a wallet, as a sentence or two."""
    words = (
        f"{paint(clean(found.customer), BOLD)}: {found.balance} {found.currency}, {found.usable} usable now"
    )
    if found.overdrawn.strip("0."):
        words += f", {found.overdrawn} overdrawn"
    if found.overdraft.strip("0."):
        words += f"; it may go {found.overdraft} below zero"
    if found.low is not None:
        words += f"; low below {found.low}"
        words += f", then {found.top_up} is asked for" if found.top_up is not None else ""
    return f"{words}."


def grants_table(grants: list[GrantState]) -> str:
    """Return the grants in the order in which they pay."""
    columns = [
        Column("grant"),
        Column("kind"),
        Column("left", right=True),
        Column("of", right=True),
        Column("priority", right=True, drop=2),
        Column("expires"),
        Column("pays", drop=1, width_min=8),
        Column("state"),
        Column("note", drop=3, width_min=8),
    ]
    rows = [
        [
            each.id,
            each.kind,
            each.left,
            each.amount,
            str(each.priority),
            "never" if each.expires_at is None else f"{each.expires_at[:10]} {each.expires_at[11:16]}Z",
            clean(", ".join([*each.charges, *each.meters]) or "everything"),
            each.state,
            clean(each.note),
        ]
        for each in grants
    ]
    return table(columns, rows)


def _wallets(home: Home) -> list[WalletState]:
    from farebox.control.database import open_control

    if not home.control.exists():
        return []
    with open_control(home).reading() as connection:
        return wallets_view(connection, now_ns()).wallets


def _state(found: WalletState) -> str:
    if found.overdrawn.strip("0."):
        return "overdrawn"
    return "low" if found.low_since is not None else ""
