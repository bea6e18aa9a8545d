"""No secret reaches the audit: not of any table that it follows, not of any form of receiver."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from sqlalchemy import Integer, Table, insert
from tests.config.test_channels_section import ALL, SECRETS, SIGNING

from farebox.channels.usage.usage_settings import USAGE_FORMS
from farebox.control import schema
from farebox.control.audit.audited_tables import AUDITED
from farebox.control.audit.verification import verify_audit
from farebox.control.database import ControlDatabase, open_control
from farebox.control.publish import publish
from farebox.home import Home

CANARY = "canary7c1f"
CONSTRAINED = {
    "key_label": {"fingerprint": "0123456789abcdef"},
    "token": {"scope": "read", "hash": (CANARY * 7)[:64]},
    "outbox_receiver": {"state": "active"},
    "wallet_grant": {"kind": "paid"},
    "invoice": {"kind": "period"},
}
"""Columns of which the database takes some values only."""


def row_of(table: Table) -> dict[str, object]:
    """Return a row with a canary in every URL, and in every column that the audit does not tell."""
    audited = AUDITED[table.name]
    found: dict[str, object] = {}
    for column in table.columns:
        if isinstance(column.type, Integer):
            found[column.name] = 1
        elif column.primary_key or column.foreign_keys:
            found[column.name] = "k"
        elif column.name in audited.texts:
            url = f"https://{CANARY}:{CANARY}@hooks.example.com:8443/{CANARY}?key={CANARY}#{CANARY}"
            found[column.name] = f'{{"url":"{url}","kept":"yes"}}'
        else:
            found[column.name] = "told" if column.name in audited.columns else CANARY
    return found | CONSTRAINED.get(table.name, {})


def told(home: Home) -> str:
    with contextlib.closing(sqlite3.connect(home.control)) as raw:
        return "\n".join(str(row) for row in raw.execute("SELECT * FROM audit"))


@pytest.mark.parametrize("changes", [False, True], ids=["added", "changed"])
def test_what_a_table_keeps_beside_what_is_told_is_not_in_it(home: Home, changes: bool) -> None:
    database = open_control(home)
    followed = [table for table in schema.metadata.sorted_tables if table.name in AUDITED]
    with database.writing() as connection:
        for table in followed:
            connection.execute(insert(table).values(row_of(table)))
    if changes:
        with database.writing() as connection:
            receiver = schema.outbox_receiver
            other = row_of(receiver)["commanded"].replace("?key=", "?other=")  # type: ignore[attr-defined]
            connection.execute(receiver.update().values(commanded=other, configured=None))
    text = told(home)
    assert CANARY in home.control.read_bytes().decode("latin-1")
    assert CANARY not in text
    assert text.count('"kept":"yes"') >= 10 and "https://hooks.example.com:8443/[hidden]" in text
    assert all(f'"table":"{table.name}"' in text for table in followed)
    with ControlDatabase(home).reading() as connection:
        assert verify_audit(connection).problems == []


def test_no_secret_of_a_receiver_of_the_homes_file_is_in_it(home: Home) -> None:
    exports = "\n".join(f"  e-{form}: {{{form}: {CANARY}-{form}}}" for form in USAGE_FORMS)
    home.config.write_text(f"{ALL}exports:\n{exports}\n")
    home.config.chmod(0o600)
    assert publish(home).problems == ()
    text = told(home)
    assert all(f'"name":"e-{form}"' in text for form in USAGE_FORMS) and '"name":"phone"' in text
    assert [each for each in (CANARY, SIGNING, "canary", *SECRETS.values()) if each in text] == []
