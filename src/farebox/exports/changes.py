"""Add, change, pause and resume exports, and send again or settle: for commands and the API alike.

Each is one transaction on `control.db` with its entry in the audit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from farebox.channels.usage.usage_settings import UsageSettings
from farebox.config.configuration import ExportConfig
from farebox.errors import UsageError
from farebox.home import Home
from farebox.outbound.connection import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from farebox.control.database import ControlDatabase
    from farebox.control.outbox.receivers import Receiver

_Done = TypeVar("_Done")

PAUSED = "paused"
_TRIAL = Limits(connect=5, silence=8, whole=10)


def export_named(connection: Connection, name: str) -> tuple[Receiver, UsageSettings]:
    """Return one export.

    Raises:
        UsageError: There is none of that name.
    """
    found = exports(connection)
    if name not in found:
        others = f"there are: {', '.join(found)}" if found else "none is set"
        raise UsageError(f"there is no export {name!r}; {others}")
    return found[name]


def exports(connection: Connection) -> dict[str, tuple[Receiver, UsageSettings]]:
    """Return every export, by name."""
    from farebox.control.outbox import receivers

    return {
        each.name: (each, each.settings.usage)
        for each in receivers.receivers(connection)
        if each.settings.usage is not None
    }


class ExportChanges:
    """Changes by one actor."""

    def __init__(self, home: Home, actor: str, now_ns: int, database: ControlDatabase | None = None) -> None:
        self._home = home
        self._actor = actor
        self._now_ns = now_ns
        self._database = database

    def put(self, said: ExportConfig) -> None:
        """Add an export, or change it; one that was paused goes on.

        Raises:
            UsageError: A webhook or a channel has its name.
        """
        from farebox.control.outbox import receivers
        from farebox.control.outbox.signing_secrets import configured_settings

        def do(connection: Connection) -> None:
            there = {each.name: each for each in receivers.receivers(connection)}.get(said.name)
            if there is not None and there.settings.usage is None:
                raise UsageError(f"{said.name!r} is the name of a webhook or channel: choose another one")
            receivers.add(connection, said.name, configured_settings(said), self._now_ns)

        self._change("export.put", said.name, do, {"to": said.usage.form})

    def remove(self, name: str) -> bool:
        """Take away what a command said; return whether the export is gone, and not still in the file.

        How far it has followed, and what its receiver has, is kept: added again, it goes on from there.
        """
        from farebox.control.outbox import receivers

        def do(connection: Connection) -> bool:
            export_named(connection, name)
            return receivers.remove(connection, name)

        return self._change("export.remove", name, do)

    def pause(self, name: str) -> None:
        """Send nothing, and follow no further, until it is resumed."""
        from farebox.control.outbox import receivers

        def do(connection: Connection) -> None:
            export_named(connection, name)
            receivers.stop(connection, name, PAUSED)

        self._change("export.pause", name, do)

    def resume(self, name: str) -> None:
        """Go on from where it was paused or stopped."""
        from farebox.control.outbox import receivers

        def do(connection: Connection) -> None:
            export_named(connection, name)
            receivers.resume(connection, name)

        self._change("export.resume", name, do)

    def replay(self, name: str) -> int:
        """Send refused and cancelled events again; return how many."""
        from farebox.exports.corrections import replay

        def do(connection: Connection) -> int:
            return replay(connection, name, export_named(connection, name)[1], self._now_ns)

        return self._change("export.replay", name, do)

    def settle(self, name: str, *, received: bool, ids: Sequence[str] = ()) -> int:
        """Say what became of events in doubt; return of how many."""
        from farebox.exports.corrections import settle

        def do(connection: Connection) -> int:
            said = export_named(connection, name)[1]
            return settle(connection, name, said, received=received, ids=ids, now_ns=self._now_ns)

        return self._change("export.settle", name, do, {"received": received})

    def _change(
        self,
        action: str,
        name: str,
        do: Callable[[Connection], _Done],
        detail: Mapping[str, object] | None = None,
    ) -> _Done:
        from farebox.control import audit
        from farebox.control.publish import change

        with change(self._home, self._database) as connection:
            done = do(connection)
            audit.note(connection, self._now_ns, self._actor, action, name, detail)
        return done


def check_export(home: Home, name: str, own_ports: frozenset[int] = frozenset()) -> str:
    """Ask an export's receiver whether it knows our key, without handing over any usage; empty where it does.

    Raises:
        UsageError: There is no export of that name.
    """
    from farebox.control.database import open_control
    from farebox.control.outbox.delivery_state import Head
    from farebox.control.outbox.signing_secrets import secret_text
    from farebox.control.outbox.usage_attempt import check_key

    with open_control(home).reading() as connection:
        found, said = export_named(connection, name)
    head = Head("", "", "", name, found.settings, 0, 0)
    return asyncio.run(
        check_key(
            head, said, lambda reference: secret_text(home, reference), own_ports=own_ports, limits=_TRIAL
        )
    )
