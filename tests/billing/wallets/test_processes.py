"""Two processes that pay at once, and one that is killed in the middle of a payment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
from tests.billing.made_invoices import LATER, NO_CHARGES, START, charge, charges, invoice, line
from tests.control_kills import killed_at

from farebox.billing.journal.transactions import all_transactions, of_reference
from farebox.billing.journal.verification import verify
from farebox.billing.settlement import finalized, pay
from farebox.billing.wallets import moves
from farebox.billing.wallets.balance import balance
from farebox.control.database import open_control
from farebox.control.publish import change
from farebox.home import Home

BY = "uid:1"
STRIDE = 1 if os.environ.get("FAREBOX_LONG") else 5
"""Otherwise only some steps are tried."""
CHARGES = charges(charge("chat", ada="30"))


def opened(home: Home, *amounts: int) -> None:
    with change(home) as connection:
        for at, amount in enumerate(amounts):
            moves.grant(connection, "acme", "USD", amount, at_ns=START + at, actor=BY)


def balance_of(home: Home) -> int:
    with open_control(home).reading() as connection:
        found = balance(connection, "acme", LATER)
        assert found is not None and verify(connection).faults == []
        return found.balance_minor


def test_payments_of_several_processes_at_once_take_exactly_what_there_is(home: Home) -> None:
    opened(home, 700, 300)
    processes, each_pays = 4, 12
    children = [
        _forked(lambda process=process: _pay_many(home, process, each_pays)) for process in range(processes)
    ]
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert balance_of(home) == 0, "48 invoices of 31 want 1,488 of 1,000"
    with open_control(home).reading() as connection:
        paid = [each for each in all_transactions(connection) if each.kind == "wallet.pay"]
        amounts = sorted(sum(e.amount_minor for e in each.entries if e.amount_minor > 0) for each in paid)
    assert sum(amounts) == 1_000
    assert amounts == [1_000 - 31 * 32, *[31] * 32], "each paid whole, but for the one that took the rest"


def _pay_many(home: Home, process: int, count: int) -> None:
    database = open_control(home)
    for number in range(count):
        said = invoice(f"{process}-{number}", line("1", 31))
        with database.writing() as connection:
            pay(connection, said, NO_CHARGES, at_ns=LATER, actor=BY)


def _forked(act: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        act()
        status = 0
    finally:
        os._exit(status)


def finalize(home: Home) -> None:
    """What finalizing an invoice does with its customer's money, in one transaction."""
    said = invoice("1", line("1", 1_000, charge="chat", tax="19"))
    with change(home) as connection:
        credits = pay(connection, said, CHARGES, at_ns=LATER, actor=BY)
        due = said.total_minor - sum(each.amount_minor for each in credits)
        stored = msgspec.structs.replace(said, credits=credits, due_minor=due)
        finalized(connection, stored, CHARGES, at_ns=LATER, actor=BY)


def test_a_kill_at_any_step_of_a_payment_leaves_all_of_it_or_nothing(home: Home, tmp_path: Path) -> None:
    opened(home, 500, 200)
    before = tmp_path / "before.db"
    shutil.copy(home.control, before)
    finalize(home)
    with open_control(home).reading() as connection:
        whole = [each.kind for each in of_reference(connection, "1")]
    assert whole == ["wallet.pay", "invoice.final", "payee.share"]
    found, moment, lived = set[int](), 0, False
    while not lived:
        for path in home.path.glob("control.db*"):
            path.unlink()
        shutil.copy(before, home.control)
        lived = killed_at(moment, lambda: finalize(home))
        with open_control(home).reading() as connection:
            posted = [each.kind for each in of_reference(connection, "1")]
        assert posted in ([], whole), f"killed at step {moment}"
        assert balance_of(home) == (0 if posted else 700)
        found.add(len(posted))
        finalize(home)  # again, as whoever was killed does
        assert balance_of(home) == 0
        moment += STRIDE
    assert found == {0, 3} and moment > 40
