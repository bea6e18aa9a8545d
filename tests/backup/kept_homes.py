"""A home with something of everything: calls without a price or usage, tags, names of keys, files."""

from __future__ import annotations

from decimal import Decimal

from calls import MINUTE, NOON, TestLedger, done
from sqlalchemy import Connection
from tests.billing.made_invoices import LATER, START, charge, charges, invoice, line

from farebox.billing.customer_terms import give_add_on, give_coupon
from farebox.billing.payees.statements import Payee, put
from farebox.billing.settlement import finalized, pay
from farebox.billing.wallets import moves
from farebox.budgets.budget import Budget, Period, Stop
from farebox.charges.plan import AddOn, Discount
from farebox.config import KeyConfig
from farebox.control import budgets, keys
from farebox.control.publish import change
from farebox.home import Home
from farebox.journal.records import Done

FINGERPRINT = "0123456789abcdef"
DAILY = Budget(name="daily", limit_pico=10**12, period=Period(kind="day"), where={"customer": ("acme",)})
STOPPED = Stop(dimension="session", value="s1", reason="runs away", since_ns=1, by="uid:0")


def calls(count: int, first: int = 0) -> list[Done]:
    """Return calls of many kinds."""
    return [
        done(
            NOON + number * MINUTE,
            model="unheard-of" if number % 7 == 3 else "gpt-4o",
            input_tokens=number * 1_000,
            completeness="none" if number % 11 == 5 else "final",
            response_id=f"r-{number}",
            attribution={"user": f"user {number % 5}", "tag.feature": "summary", "app": "crm"},
            attribution_from={"user": "header:x-farebox-user", "tag.feature": "header", "app": "env"},
        )
        for number in range(first, first + count)
    ]


def nothing_told(what: str, done: int, total: int) -> None:
    """Take progress and do nothing."""


def fill(home: Home) -> None:
    """Put something of everything into a state directory."""
    ledger = TestLedger(home)
    ledger.append(*calls(40))
    ledger.append(*calls(20, first=40))
    ledger.connection.close()
    home.config.write_text(f'keys: {{"{FINGERPRINT}": {{label: ours}}}}\n')
    home.secret()
    (home.path / "prices.d").mkdir(mode=0o700)
    (home.path / "prices.d" / "own.yaml").write_text("# prices of our own\n")
    (home.path / "ca").mkdir(mode=0o700)
    (home.path / "ca" / "key.pem").write_text("PRIVATE")
    with change(home) as connection:
        keys.label(connection, "f" * 16, KeyConfig(label="backend", customer="acme"), 1)
        budgets.put(connection, DAILY, 1)
        budgets.stop(connection, STOPPED)
        fill_wallets(connection)


def fill_wallets(connection: Connection) -> None:
    """Put a grant, an invoice that it pays, a share, a coupon and an add-on into `control.db`."""
    moves.grant(connection, "acme", "USD", 5_000, at_ns=START, actor="uid:0", charges=("chat",))
    put(connection, Payee(id="ada", name="Ada L."), 1)
    shares = charges(charge("chat", ada="30"))
    said = invoice("1", line("1", 1_000, charge="chat", tax="19"))
    pay(connection, said, shares, at_ns=LATER, actor="uid:0")
    coupon = Discount(kind="percentage", value=Decimal(10), name="LAUNCH")
    used = give_coupon(connection, "acme", coupon, 1).id
    give_add_on(connection, "acme", AddOn(name="Setup", amount=Decimal(5)), 1)
    finalized(connection, said, shares, at_ns=LATER, actor="uid:0", used=[used])
