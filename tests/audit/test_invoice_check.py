# ruff: noqa: S608 - statements here are put together from this file's own constants
"""Final invoices are signed when they are issued, and every edit of one, or of a credit note, is found."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from datetime import date
from functools import cache
from pathlib import Path

import msgspec
import pytest
from tests.billing.invoices.billed_customers import ACME, MARKUP, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call
from tests.control.test_audit import mutated

from farebox.audit.invoice_check import check_documents
from farebox.billing.invoices import finalizing, store
from farebox.control import schema
from farebox.control.audit.verification import verify_audit
from farebox.control.database import ControlDatabase
from farebox.control.file_changes import replace_signing_key
from farebox.control.publish import change
from farebox.home import Home
from farebox.signing_key import Signed, encode_signed, is_signed, key_file, known_keys, sign

LONG = bool(os.environ.get("FAREBOX_LONG"))


@cache
def issued(folder: Path) -> tuple[bytes, bytes]:
    """Return the control database and the keys of a home with three invoices and a credit note."""
    home = Home(folder / "issued")
    home.prepare()
    made = Billed(home, MARKUP, customers=(msgspec.structs.replace(ACME, timezone="UTC"),))
    made.subscribe(subscription(MARKUP, date(2026, 9, 1)))
    for month in (9, 10, 11):
        made.usage.add(call("acme", at(f"2026-{month:02}-02T12:00"), output_cost_pico=month * USD))
        made.invoice(f"2026-{month + 1:02}-04T00:00")
    with change(home, made.control) as connection:
        stored = store.stored_invoice(connection, "INV-000002")
        assert stored is not None
        finalizing.credit(connection, stored, {"1": 3}, reason="late", now_ns=at("2026-12-05"), actor="uid:1")
    return home.control.read_bytes(), key_file(home).read_bytes()


@pytest.fixture
def home(away_from_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(away_from_home)
    home.prepare()
    for path, content in zip(
        (home.control, key_file(home)), issued(tmp_path_factory.getbasetemp()), strict=True
    ):
        path.touch(0o600)
        path.write_bytes(content)
    return home


def problems(home: Home) -> list[str]:
    """Return what `farebox audit verify` says."""
    with ControlDatabase(home).reading() as connection:
        number, wrong = check_documents(connection, known_keys(home))
        found = wrong + [each.detail for each in verify_audit(connection).problems]
    assert number <= 4
    return found


def edit(home: Home, *statements: str, values: tuple[object, ...] = ()) -> list[str]:
    with sqlite3.connect(home.control) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            raw.execute(statement, values)
    raw.close()
    return problems(home)


def test_a_final_invoice_is_signed_with_its_checksum_and_the_row_it_is_of(home: Home) -> None:
    assert problems(home) == []
    (key,) = known_keys(home)
    with ControlDatabase(home).reading() as connection:
        rows = connection.execute(schema.invoice.select()).all()
    assert len(rows) == 3
    for row in rows:
        signed = msgspec.json.decode(row.checkpoint, type=Signed)
        assert is_signed(signed) and signed.key == key.public
        lines = signed.text.splitlines()
        assert f"sha256 {row.sha256}" in lines
        assert f"row {row.as_of_seq} {row.as_of_seq:064x}" in lines
        assert f"invoice {row.id} INV-{row.number:06d}" in lines


def test_invoices_of_a_key_that_was_replaced_stay_good(home: Home) -> None:
    replace_signing_key(home, "uid:1", at("2026-12-06"))
    assert problems(home) == []


@pytest.mark.parametrize(
    ("statement", "first"),
    [
        (
            "UPDATE invoice SET document = replace(document, 'Acme', 'Acne') WHERE number = 2",
            "INV-000002: the document is not the one that was issued",
        ),
        ("UPDATE invoice SET terms = terms || ' ' WHERE number = 2", "INV-000002: the terms are not those"),
        ("UPDATE invoice SET as_of_seq = 99 WHERE number = 1", "INV-000001: its as_of_seq is not"),
        ("UPDATE credit_note SET invoice = 'x'", "CN-000001: its invoice is not the document's"),
        ("DELETE FROM invoice WHERE number = 2", "INV-000002 is missing"),
        ("UPDATE invoice SET document = '{}' WHERE number = 3", "INV-000003: the document cannot be read"),
        ("UPDATE invoice SET checkpoint = '[]' WHERE number = 3", "INV-000003: the signature cannot be read"),
        (
            "UPDATE invoice SET checkpoint = (SELECT checkpoint FROM invoice WHERE number = 1) "
            "WHERE number = 3",
            "INV-000003: the signed text does not say what the invoice says",
        ),
    ],
)
def test_an_edit_is_found_with_the_number_of_the_document(home: Home, statement: str, first: str) -> None:
    assert edit(home, statement)[0].startswith(first)


def test_a_signature_that_was_taken_away_or_is_another_keys_is_found(home: Home, tmp_path: Path) -> None:
    (found,) = edit(home, "UPDATE invoice SET checkpoint = NULL WHERE number = 1")
    assert found.startswith("the invoice ") and " is not as entry " in found
    stranger = Home(tmp_path / "stranger")
    stranger.prepare()
    with ControlDatabase(home).reading() as connection:
        row = connection.execute(schema.invoice.select()).all()[1]
    text = msgspec.json.decode(row.checkpoint, type=Signed).text
    forged = encode_signed(sign(stranger, text, 1))
    found = edit(home, "UPDATE invoice SET checkpoint = ? WHERE number = 2", values=(forged,))
    assert found[0] == "INV-000002: it is signed with a key that is not in audit.key"


def test_random_mutations_of_invoices_are_found_and_what_is_whole_is_not(home: Home, tmp_path: Path) -> None:
    """Any value of any invoice or credit note."""
    whole = tmp_path / "whole.db"
    shutil.copy(home.control, whole)
    chance = random.Random(181)
    for turn in range(1_000 if LONG else 25):
        shutil.copy(whole, home.control)
        table = chance.choice((schema.invoice, schema.invoice, schema.credit_note))
        column = chance.choice([each.name for each in table.columns])
        at_row = chance.randrange(3 if table is schema.invoice else 1)
        with sqlite3.connect(home.control) as raw:
            old, id, series, number = raw.execute(
                f"SELECT {column}, id, series, number FROM {table.name} ORDER BY number LIMIT 1 OFFSET ?",
                (at_row,),
            ).fetchone()
        raw.close()
        value = mutated(old, chance)
        if column == "number":
            value = old + 100  # a number that no other one has
        found = edit(home, f"UPDATE {table.name} SET {column} = ? WHERE id = ?", values=(value, id))
        named = (f"{series}-{number:06d}", id)
        assert found, f"turn {turn}: {column} of {series}-{number}"
        assert any(each in found[0] for each in named) or column in ("id", "series", "number"), (turn, found)
    for _ in range(100 if LONG else 3):
        shutil.copy(whole, home.control)
        assert problems(home) == []
