"""The section `portal:` of `farebox.yaml`: where customers find their own pages, and how these look."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from farebox.config.addresses import is_loopback
from farebox.config.billing_section import logo_problem
from farebox.config.configuration import Config, PortalConfig
from farebox.config.settings import address, public_url
from farebox.errors import Finding
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.yamltext import Node

PORTAL_EXAMPLE = (
    "portal:\n  listen: 127.0.0.1:3276\n  public_url: https://usage.example.com\n  name: Example Labs\n"
    '  logo: logo.png\n  colour: "#0a7558"\n  frame_ancestors: [https://app.example.com]\n'
)
NAME_MAX = 80
_KEYS = ("listen", "public_url", "name", "logo", "colour", "frame_ancestors")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_HOST = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")


def read_portal(node: Node, config: Config, findings: list[Finding]) -> None:
    """Read the section."""
    if node.kind != "mapping":
        findings.append(node.finding(f"a mapping with {', '.join(_KEYS)}"))
        return
    values: dict[str, Any] = {}
    for key, entry in node.items():
        if key not in _KEYS:
            findings.append(
                entry.finding(f"one of {', '.join(_KEYS)}{did_you_mean(key, list(_KEYS))}", "an unknown key")
            )
        elif key == "frame_ancestors":
            values[key] = _origins(entry, findings)
        elif entry.kind == "nothing":
            continue
        elif entry.kind != "text":
            findings.append(entry.finding("text"))
        else:
            try:
                values[key] = _value(key, str(entry.value), Path(entry.file).parent)
            except ValueError as error:
                findings.append(entry.finding(str(error)))
    config.portal = PortalConfig(**values)


def _value(key: str, text: str, folder: Path) -> Any:
    if key == "listen":
        return address(text, folder)
    if key == "public_url":
        return public_url(text, folder)
    if key == "name" and not (0 < len(text) <= NAME_MAX and text.isprintable()):
        raise ValueError(f"a name of 1 to {NAME_MAX} characters")
    if key == "colour" and not _COLOUR.fullmatch(text):
        raise ValueError('a colour as in `"#0a7558"`, in quotes')
    if key == "logo":
        file = folder / Path(text).expanduser()
        wrong = logo_problem(file)
        if wrong:
            raise ValueError(wrong)
        return str(file.absolute())
    return text


def _origins(node: Node, findings: list[Finding]) -> tuple[str, ...]:
    """Return origins as browsers write them: no path, no wildcard, nothing that could end the directive."""
    entries = node.value if node.kind == "list" else None
    if entries is None:
        findings.append(node.finding("a list of origins, as in `[https://app.example.com]`"))
        return ()
    found: list[str] = []
    for entry in entries:
        origin = _origin(str(entry.value)) if entry.kind == "text" else None
        if origin is None:
            expected = (
                "an origin, https:// and a name, as in `https://app.example.com` (http on loopback only)"
            )
            findings.append(entry.finding(expected))
        else:
            found.append(origin)
    return tuple(dict.fromkeys(found))


def _origin(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) or parts.username is not None or parts.path.strip("/"):
        return None
    if parts.query or parts.fragment or text.endswith(("?", "#")) or port == 0:
        return None
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        return None
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}"
