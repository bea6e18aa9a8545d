"""Names of API keys, and whose calls are made with them, by the key's fingerprint."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from farebox.config import KeyConfig
from farebox.control.schema import key_label


def labels(connection: Connection) -> dict[str, KeyConfig]:
    """Return every labelled key by fingerprint."""
    rows = connection.execute(select(key_label).order_by(key_label.c.fingerprint))
    return {row.fingerprint: _key(row.label, row.binding) for row in rows}


def label(connection: Connection, fingerprint: str, key: KeyConfig, now_ns: int) -> None:
    """Name a key, or name it anew."""
    said: dict[str, str] = msgspec.to_builtins(key)
    name = said.pop("label", "")
    values = {"label": name, "binding": msgspec.json.encode(said).decode(), "changed_at": now_ns}
    there = key_label.c.fingerprint == fingerprint
    if connection.execute(update(key_label).where(there).values(values)).rowcount == 0:
        connection.execute(insert(key_label).values(fingerprint=fingerprint, **values))


def forget(connection: Connection, fingerprint: str) -> KeyConfig | None:
    """Take a key's name away and return what was known of it; None: nothing was."""
    there = key_label.c.fingerprint == fingerprint
    row = connection.execute(select(key_label).where(there)).first()
    if row is None:
        return None
    connection.execute(delete(key_label).where(there))
    return _key(row.label, row.binding)


def _key(name: str, binding: str) -> KeyConfig:
    return msgspec.convert({**msgspec.json.decode(binding, type=dict[str, str]), "label": name}, KeyConfig)
