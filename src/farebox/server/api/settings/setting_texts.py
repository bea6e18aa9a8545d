"""What people may write as a name in the settings: a line of visible characters, and no API key."""

from __future__ import annotations

from farebox.server.api.errors import invalid_parameter
from farebox.wire.keys import without_keys


def check_text(name: str, value: str | None, most: int) -> None:
    """Raise the 422 for a text that is empty, too long, has invisible characters or holds a key."""
    if value is None:
        return
    if not value.strip() or len(value) > most or not value.isprintable() or without_keys(value) != value:
        raise invalid_parameter(name, "", [f"text of 1 to {most} characters, without an API key"])
