"""Who changed what, and when: written in the transaction of the change itself."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, insert

from farebox.clock import uuid7, uuid_text
from farebox.control.schema import audit


def command_line() -> str:
    """Return who acts where a person types a command."""
    return f"uid:{os.getuid()}"


def note(
    connection: Connection,
    now_ns: int,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Write one entry, as (`uid:1000`, `key.label`, a fingerprint). `detail` becomes JSON and holds no
    secret."""
    connection.execute(
        insert(audit).values(
            id=uuid_text(uuid7(now_ns)),
            at=now_ns,
            actor=actor,
            action=action,
            subject=subject,
            detail=msgspec.json.encode(dict(detail or {})).decode(),
        )
    )
