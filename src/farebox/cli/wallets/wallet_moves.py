"""`farebox wallets grant`, `void`, `expire` and `limits`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from farebox.cli.confirmation import is_confirmed
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import clean
from farebox.cli.wallets.wallet_list import Customer, WalletAnswer, headline, read_wallet
from farebox.clock import now_ns
from farebox.errors import UsageError
from farebox.home import Home
from farebox.program import command
from farebox.server.api.billing.wallet_views import (
    ExpiredGrant,
    GrantState,
    WalletShown,
    WalletState,
    expired_view,
)

Yes = Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask.", negative="")]


class GrantAnswer(msgspec.Struct, kw_only=True):
    """`farebox wallets grant --json` and `wallets void --json`."""

    schema: str = "farebox.grant/1"
    grant: GrantState
    wallet: WalletState


class ExpiredAnswer(msgspec.Struct, kw_only=True):
    """`farebox wallets expire --json`."""

    schema: str = "farebox.expired_grants/1"
    expired: list[ExpiredGrant]


def grant(
    customer: Customer,
    amount: Annotated[str, Parameter(help="How much, in the customer's currency: 100.00.")],
    /,
    *,
    kind: Annotated[
        Literal["paid", "promotional"], Parameter(help="Whether the customer paid for it.")
    ] = "paid",
    priority: Annotated[int, Parameter(help="From 0, which pays first, to 100.")] = 50,
    effective: Annotated[
        str | None, Parameter(help="From when it may pay, in the customer's zone: 2026-12-01.")
    ] = None,
    expires: Annotated[str | None, Parameter(help="From when it may not any more: 2027-12-01.")] = None,
    charge: Annotated[
        list[str] | None,
        Parameter(help="May pay lines of this charge only; `*` matches anything. Repeatable.", negative=""),
    ] = None,
    meter: Annotated[
        list[str] | None, Parameter(help="May pay lines of this meter only. Repeatable.", negative="")
    ] = None,
    note: Annotated[str, Parameter(help="What the invoice calls it.")] = "",
    key: Annotated[
        str | None, Parameter(help="Made once: a key that was used before makes no second grant.")
    ] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Put prepaid or promotional money into a customer's wallet.

    It pays invoices that are made final from then on, by priority, then by what expires first.
    """
    from farebox.billing.wallets import changes
    from farebox.control import audit

    home = (place or Place()).state()
    publish_home(home)
    asked = changes.GrantRequest(
        customer=customer,
        amount=amount,
        kind=kind,
        priority=priority,
        effective=effective,
        expires=expires,
        charges=tuple(charge or ()),
        meters=tuple(meter or ()),
        note=note,
        key=key,
    )
    made = changes.grant(home, asked, audit.command_line(), now_ns())
    found, state = _after(home, customer, made.id)
    if as_json:
        print_json(GrantAnswer(grant=state, wallet=found.wallet))
        return OK
    print(f"Granted {state.amount} {found.wallet.currency} to {clean(customer)} ({state.kind}): {state.id}")
    print(headline(found.wallet))
    return OK


def void(
    grant: Annotated[str, Parameter(help="The grant's id, or its beginning.")],
    /,
    *,
    reason: Annotated[str, Parameter(help="Why, for the audit.")] = "",
    yes: Yes = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Take back what is left of a grant. What it has paid stays paid."""
    from farebox.billing.wallets import changes
    from farebox.control import audit

    home = (place or Place()).state()
    if not yes and not is_confirmed(f"Take back what is left of {clean(grant)}?", as_json=as_json):
        raise UsageError(f"nothing was voided; to void it: {command(f'wallets void {grant} --yes')}")
    voided, _ = changes.void_grant(home, grant, reason, audit.command_line(), now_ns())
    found, state = _after(home, voided.customer, voided.id)
    if as_json:
        print_json(GrantAnswer(grant=state, wallet=found.wallet))
        return OK
    print(f"What was left of {voided.id} is taken back.")
    print(headline(found.wallet))
    return OK


def expire(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """Post the expiry of every grant whose time is over.

    A wallet does so by itself before it pays; this is for histories and messages that should not wait for it.
    """
    from farebox.billing.wallets import changes
    from farebox.control import audit
    from farebox.control.database import open_control

    home = (place or Place()).state()
    expired = changes.expire_due(home, audit.command_line(), now_ns())
    with open_control(home).reading() as connection:
        found = expired_view(connection, expired).expired
    if as_json:
        print_json(ExpiredAnswer(expired=found))
        return OK
    for each in found:
        print(f"{clean(each.customer)}: {each.expired} {each.currency} of {each.grant} expired")
    if not found:
        print("No grant has expired.")
    return OK


def limits(
    customer: Customer,
    /,
    *,
    overdraft: Annotated[
        str | None, Parameter(help="How far below zero it may go; 0 for not at all.")
    ] = None,
    low: Annotated[
        str | None, Parameter(help="`wallet.low` is sent once when less than this is usable; none.")
    ] = None,
    top_up: Annotated[
        str | None, Parameter(help="What `wallet.topup_requested` asks for at the same time; none.")
    ] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Allow an overdraft; say when a wallet is low and how much is asked for then.

    Messages go to the receivers of `farebox outbox receivers`. What you do not name stays as it was.
    """
    from farebox.billing.wallets import changes
    from farebox.control import audit

    home = (place or Place()).state()
    publish_home(home)
    asked = changes.LimitsRequest(customer=customer, overdraft=overdraft, low=low, top_up=top_up)
    changes.set_limits(home, asked, audit.command_line(), now_ns())
    found = _shown(home, customer)
    if as_json:
        print_json(WalletAnswer(wallet=found.wallet, transactions=found.transactions))
        return OK
    print(headline(found.wallet))
    return OK


def _after(home: Home, customer: str, grant: str) -> tuple[WalletShown, GrantState]:
    found = _shown(home, customer)
    return found, next(each for each in found.wallet.grants if each.id == grant)


def _shown(home: Home, customer: str) -> WalletShown:
    found = read_wallet(home, customer)
    assert found is not None  # noqa: S101 - it was just written
    return found
