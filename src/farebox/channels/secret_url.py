"""URLs that are secrets: checked without repeating anything of them."""

from __future__ import annotations

from farebox.channels.settings import Form
from farebox.outbound.destination import Destination, destination

_EXAMPLES: dict[Form, str] = {
    "slack": "https://hooks.slack.com/services/…",
    "discord": "https://discord.com/api/webhooks/…",
    "teams": "the https:// URL of a workflow",
    "ntfy": "https://ntfy.sh/TOPIC",
}


def secret_destination(url: str, address: str | None) -> Destination:
    """Return where a URL leads.

    Raises:
        ValueError: With what is expected instead.
    """
    try:
        return destination(url, address)
    except ValueError:
        raise ValueError("a URL as https://…, in ASCII, without a user or #") from None


def problem(form: Form, url: str, address: str | None) -> str | None:
    """Return what is expected instead of a URL, None where it can be used."""
    try:
        found = secret_destination(url, address)
    except ValueError:
        return _EXAMPLES[form]
    if form == "ntfy" and topic(found) is None:
        return _EXAMPLES[form]
    return None


def topic(found: Destination) -> tuple[str, str] | None:
    """Return the path in front of an ntfy topic, and the topic; None where there is no topic."""
    path, question, _ = found.target.partition("?")
    front, _, name = path.rpartition("/")
    good = name.isascii() and 0 < len(name) <= 64 and name.replace("-", "a").replace("_", "a").isalnum()
    return (front, name) if good and not question else None
