"""What files of the home say, kept beside what commands set: so a change of a file is a change in the audit.

A file and a database cannot change in one step. What was changed in a file and not written down, because
somebody edited it or a process was killed in between, is written down at the next publication.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from farebox.budgets.budget import COMMAND
from farebox.control.schema import file_definition as said
from farebox.home import Home
from farebox.signing_key import known_keys
from farebox.snapshot import Snapshot
from farebox.yamltext import parse

Key = tuple[str, str, str]
"""File, section, name."""

FILES = "files"
"""Who acts where a file of the home was found changed."""

_PRICE_FILE, _PRICE_LIST, _PRICE = "price_file", "price_list", "price"
_SIGNING_KEY = "signing_key"


def take_over_files(connection: Connection, home: Home, published: Snapshot) -> None:
    """Write down what the home's `farebox.yaml` says, and the price files."""
    found: dict[Key, Any] = {}
    for section, each_of in (("budget", published.budgets), ("alert", published.alerts)):
        for each in each_of:
            if each.origin != COMMAND:
                plain = msgspec.to_builtins(msgspec.structs.replace(each, origin=""))
                found["farebox.yaml", section, each.name] = plain
    for fingerprint, key in published.configured.items():
        found["farebox.yaml", "key", fingerprint] = msgspec.to_builtins(key)
    _replace(connection, {key: _text(value) for key, value in found.items()}, said.c.file == "farebox.yaml")
    take_over_prices(connection, home)
    take_over_keys(connection, home)


def take_over_keys(connection: Connection, home: Home) -> None:
    """Write down the public keys that checkpoints are signed with, where there are any yet."""
    found = {("audit.key", _SIGNING_KEY, each.public): "{}" for each in known_keys(home)}
    if found:
        _replace(connection, found, said.c.file == "audit.key")


def take_over_prices(connection: Connection, home: Home) -> None:
    """Write down what the files of `prices.d/` say, and which fetched list is in force."""
    paths = {f"prices.d/{path.name}": path for path in sorted((home.path / "prices.d").glob("*.yaml"))}
    known = {
        row.file: row.definition
        for row in connection.execute(select(said).where(said.c.section == _PRICE_FILE))
    }
    for file in sorted(known.keys() | paths.keys()):
        content = paths[file].read_bytes() if file in paths else None
        digest = None if content is None else _text({"sha256": hashlib.sha256(content).hexdigest()})
        if digest != known.get(file):
            entries = {} if content is None else _prices_of(content, file)
            if digest is not None:
                entries[file, _PRICE_FILE, file] = digest
            _replace(connection, entries, said.c.file == file)
    lists = sorted(path.name for path in (home.path / "prices").glob("*.json"))[-1:]
    in_force: dict[Key, str] = {}
    if lists:
        in_force["prices", _PRICE_LIST, "in force"] = _text({"snapshot": lists[0]})
    _replace(connection, in_force, said.c.file == "prices")


def _prices_of(content: bytes, file: str) -> dict[Key, str]:
    """Return the entries of each model; none of a file that cannot be read: its digest has changed."""
    root, _ = parse(content.decode("utf-8", "replace"), file)
    section = root.get("pricing") if root is not None and root.kind == "mapping" else None
    if section is None or section.kind != "mapping":
        return {}
    return {(file, _PRICE, str(model)): _text(node.plain()) for model, node in section.items()}


def _replace(connection: Connection, wanted: Mapping[Key, str], of: Any) -> None:
    known: dict[Key, str] = {
        (row.file, row.section, row.name): row.definition
        for row in connection.execute(select(said).where(of))
    }
    for key, text in wanted.items():
        if known.get(key) == text:
            continue
        if key in known:
            connection.execute(update(said).where(*_is(key)).values(definition=text))
        else:
            file, section, name = key
            connection.execute(insert(said).values(file=file, section=section, name=name, definition=text))
    for key in known.keys() - wanted.keys():
        connection.execute(delete(said).where(*_is(key)))


def _is(key: Key) -> tuple[Any, Any, Any]:
    return said.c.file == key[0], said.c.section == key[1], said.c.name == key[2]


def _text(plain: Any) -> str:
    return msgspec.json.encode(plain, order="sorted").decode()
