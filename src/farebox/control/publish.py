"""Publish what `control.db` and the home's `farebox.yaml` say in the snapshot that everybody else reads."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING

import msgspec

from farebox.clock import now_ns
from farebox.config import Config, KeyConfig, load_config
from farebox.errors import FareboxError
from farebox.home import Home, replace_private
from farebox.snapshot import PublishedToken, Snapshot, decode, encode

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.control.database import ControlDatabase


@contextlib.contextmanager
def change(home: Home, database: ControlDatabase | None = None) -> Generator[Connection]:
    """Change `control.db` in one transaction; what it says then is published before this returns.

    Names and tokens are changed here and nowhere else: the seal is renewed with them.

    Raises:
        ControlError: It cannot be changed, or not be published: then it is at the next change or start.
    """
    from farebox.control import seal
    from farebox.control.database import open_control

    opened = database or open_control(home)
    with opened.writing() as connection:
        opened.check_seal(connection)
        yield connection
        seal.renew(connection)
    publish(home, opened)


def publish(home: Home, database: ControlDatabase | None = None) -> Snapshot:
    """Renew the snapshot and return it.

    The database's write lock is held while it is read and the file replaced: of two who publish at once, the
    later one has read what the other one committed. Without a control database, only the configuration is
    published, and SQLAlchemy is not loaded.

    Raises:
        ControlError: The database cannot be used, or the file not written; the last snapshot stays.
    """
    if database is None and not home.control.exists():
        said = _file_says(home)
        if said is None or not said.webhooks:
            return _replace(home, Snapshot(configured=_keys(home, said)))
    from farebox.control.database import open_control

    opened = database or open_control(home)
    with opened.writing() as connection:
        opened.check_seal(connection)
        said = _file_says(home)
        if said is not None:
            _take_over_receivers(connection, said)
        return _replace(home, _state(home, connection, _keys(home, said)))


def _take_over_receivers(connection: Connection, said: Config) -> None:
    """Write the file's `webhooks:` where whoever enqueues looks: the ledger process reads no YAML."""
    from farebox.control.outbox.receivers import configure
    from farebox.control.outbox.signing_secrets import configured_settings

    configure(connection, {each.name: configured_settings(each) for each in said.webhooks}, now_ns())


def _state(home: Home, connection: Connection, configured: dict[str, KeyConfig]) -> Snapshot:
    from sqlalchemy import select

    from farebox.control.database import damaged
    from farebox.control.keys import labels
    from farebox.control.schema import token

    try:
        tokens = {
            row.hash: PublishedToken(
                id=row.id,
                scope=row.scope,
                binding=msgspec.json.decode(row.binding, type=dict[str, str]),
                expires_at=row.expires_at,
            )
            for row in connection.execute(select(token).where(token.c.revoked_at.is_(None)))
        }
        return Snapshot(configured=configured, labelled=labels(connection), tokens=tokens)
    except msgspec.MsgspecError as error:
        raise damaged(home, str(error)) from error


def _file_says(home: Home) -> Config | None:
    """Return what the home's file says, None while it is wrong."""
    if not home.config.is_file():
        return Config()
    try:
        return load_config(home, home.config, prices=False)
    except FareboxError:
        return None


def _keys(home: Home, said: Config | None) -> dict[str, KeyConfig]:
    """Return `keys:` of the file; while that is wrong, what it said when it was last right."""
    return _published(home).configured if said is None else said.keys


def _published(home: Home) -> Snapshot:
    try:
        return decode(home.snapshot.read_bytes())
    except (OSError, ValueError):
        return Snapshot()


def _replace(home: Home, snapshot: Snapshot) -> Snapshot:
    from farebox.errors import ControlUnwritableError

    content = encode(snapshot)
    with contextlib.suppress(OSError):
        if home.snapshot.read_bytes() == content:
            return snapshot
    try:
        replace_private(home.snapshot, content, durable=True)
    except OSError as error:
        raise ControlUnwritableError(
            f"{home.snapshot} cannot be written: {error.strerror or error}"
        ) from error
    return snapshot
