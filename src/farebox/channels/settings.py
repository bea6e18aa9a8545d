"""What the owner says of a channel, apart from its secrets: shared by the configuration and `control.db`."""

from __future__ import annotations

from typing import Literal

import msgspec

Form = Literal["webhook", "slack", "discord", "teams", "email", "pagerduty", "ntfy", "desktop"]
FORMS: tuple[Form, ...] = ("webhook", "slack", "discord", "teams", "email", "pagerduty", "ntfy", "desktop")

SECRET_URL: tuple[Form, ...] = ("slack", "discord", "teams", "ntfy")
"""Forms whose URL is their secret: whoever knows it can write there."""

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"

RECIPIENTS_MAX = 20


class MailSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How mail is sent. The password is a secret and not here."""

    server: str
    """`host:port`."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    sender: str
    to: tuple[str, ...]
    user: str = ""


def server_address(server: str) -> tuple[str, int] | None:
    """Return host and port of `smtp.example.com:587` or `[::1]:25`, None for anything else."""
    host, colon, port = server.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        return None
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return None
    return (host.lower(), int(port)) if host else None
