"""Invariant 6: a balance is the sum of its transactions, and never below zero without an overdraft."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.billing.made_invoices import DAY, NO_CHARGES, START, charge, charges, credit_note, invoice, line

from farebox.billing.documents.document import Invoice
from farebox.billing.journal.transactions import all_transactions, balances
from farebox.billing.journal.verification import WALLET_ACCOUNTS, verify
from farebox.billing.settlement import credited, finalized, pay, voided
from farebox.billing.wallets import moves
from farebox.billing.wallets.balance import balance, standings
from farebox.billing.wallets.balance import balances as wallets_of
from farebox.control.database import ControlDatabase, open_control
from farebox.errors import UsageError
from farebox.home import Home
from farebox.ledger.alerting.outside_facts import OutsideFacts

BY = "uid:1"
CHARGES = charges(charge("chat", "output_tokens", ada="30"), charge("images", "calls", bob="12.5"))

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("grant"),
            st.integers(1, 500),
            st.sampled_from(["paid", "promotional"]),
            st.integers(0, 3),
            st.sampled_from([None, 2, 5, 9, 40]),
            st.sampled_from([(), ("chat",), ("im*",)]),
        ),
        st.tuples(
            st.just("invoice"),
            st.integers(-200, 700),
            st.integers(0, 400),
            st.sampled_from([None, "19"]),
            st.sampled_from([-2, 0, 3]),
        ),
        st.tuples(st.just("void"), st.integers(0, 9)),
        st.tuples(st.just("credit"), st.integers(0, 9), st.integers(1, 300)),
        st.tuples(st.just("void grant"), st.integers(0, 9)),
        st.tuples(st.just("overdraft"), st.sampled_from([0, 100])),
        st.tuples(st.just("expire")),
    ),
    min_size=1,
    max_size=14,
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = Home(tmp_path_factory.mktemp("empty") / "home")
    home.prepare()
    open_control(home)
    yield home.control


@given(STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_invariant_6_any_history_keeps_the_balance_the_sum_of_its_transactions(
    empty: Path, home: Home, steps: list[Any]
) -> None:
    shutil.copy(empty, home.control)
    database = ControlDatabase(home)
    world = World()
    for at, step in enumerate(steps):
        world.now = START + at * DAY
        with database.writing() as connection:
            world.take(connection, step, str(at))
            world.check(connection)
    with database.reading() as connection:
        found = verify(connection)
        assert found.faults == [] and not any(found.totals.values())
        usable = {each.customer: each.usable_minor * 10**10 for each in wallets_of(connection, world.now)}
    # Alerts read it without this code, in the ledger process.
    facts = OutsideFacts(home, str, lambda: world.now)(frozenset({"wallet"}))
    assert {each.customer: each.left for each in facts.wallets or ()} == usable


class World:
    """A customer's wallet and invoices, one step a day."""

    def __init__(self) -> None:
        self.now = START
        self.invoices: list[Invoice] = []
        self.credited: dict[str, int] = {}
        self.overdraft = 0

    def take(self, connection: Any, step: tuple[Any, ...], name: str) -> None:
        match step:
            case ("grant", amount, kind, priority, days, scope):
                expires = None if days is None else self.now + days * DAY
                more = {"kind": kind, "priority": priority, "expires_at": expires, "charges": scope}
                moves.grant(connection, "acme", "USD", amount, at_ns=self.now, actor=BY, **more)
            case ("invoice", chat, images, tax, ended):
                lines = (line("1", chat, charge="chat", tax=tax), line("2", images, charge="images"))
                said = invoice(name, *lines)
                if said.total_minor >= 0:
                    self.finalize(connection, msgspec.structs.replace(said, until_ns=self.now + ended * DAY))
            case ("void", at) if self.invoices:
                said = self.invoices.pop(at % len(self.invoices))
                voided(connection, said, at_ns=self.now, actor=BY, reason="test")
            case ("credit", at, amount) if self.invoices:
                said = self.invoices[at % len(self.invoices)]
                rest = said.lines[1].amount_minor - self.credited.get(said.id, 0)
                if min(amount, rest) > 0:
                    self.credited[said.id] = self.credited.get(said.id, 0) + min(amount, rest)
                    note = credit_note(f"c{name}", said, **{"2": min(amount, rest)})
                    credited(connection, said, note, CHARGES, at_ns=self.now, actor=BY)
            case ("void grant", at) if found := [e for e in standings(connection, "acme") if e.left_minor]:
                moves.void(connection, found[at % len(found)].grant.id, "test", at_ns=self.now, actor=BY)
            case ("overdraft", amount) if balance(connection, "acme", self.now) is not None:
                self.overdraft = max(self.overdraft, amount)
                limits = {"overdraft_minor": self.overdraft, "low_minor": 50, "top_up_minor": None}
                moves.set_limits(connection, "acme", "USD", at_ns=self.now, **limits)
            case ("expire",):
                moves.expire(connection, at_ns=self.now, actor=BY)
            case _:
                pass

    def finalize(self, connection: Any, said: Invoice) -> None:
        credits = pay(connection, said, CHARGES, at_ns=self.now, actor=BY)
        paid = sum(each.amount_minor for each in credits)
        assert 0 <= paid <= said.total_minor and all(each.amount_minor > 0 for each in credits)
        stored = msgspec.structs.replace(said, credits=credits, due_minor=said.total_minor - paid)
        finalized(connection, stored, CHARGES, at_ns=self.now, actor=BY)
        self.invoices.append(stored)

    def check(self, connection: Any) -> None:
        found = balance(connection, "acme", self.now)
        if found is None:
            return
        moved = sum(
            entry.amount_minor
            for each in all_transactions(connection)
            for entry in each.entries
            if entry.party == "acme" and entry.account in WALLET_ACCOUNTS
        )
        assert found.balance_minor == -moved
        assert all(each.left_minor >= 0 and each.expired_minor >= 0 for each in found.grants)
        assert all(each.left_minor <= each.grant.amount_minor for each in found.grants)
        assert found.balance_minor >= -self.overdraft and 0 <= found.overdrawn_minor <= self.overdraft
        by_account = {each.account: each.amount_minor for each in balances(connection)}
        assert sum(by_account.values()) == 0


def test_without_an_overdraft_no_amount_takes_a_wallet_below_zero(home: Home) -> None:
    """The negative control: a move that would, is refused where grants are emptied by hand."""
    database = open_control(home)
    with database.writing() as connection:
        made = moves.grant(connection, "acme", "USD", 10, at_ns=START, actor=BY)
        said = invoice("1", line("1", 1_000))
        assert pay(connection, said, NO_CHARGES, at_ns=START, actor=BY)[0].amount_minor == 10
        with pytest.raises(UsageError, match="nothing is left"):
            moves.void(connection, made.id, "again", at_ns=START, actor=BY)
