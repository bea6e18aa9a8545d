"""What a `farebox.yaml` in the working directory may say.

A working directory is often somebody else's: a cloned repository, an unpacked archive. Its file may add
what harms nobody and loosens nothing; everything else is a finding that says where it belongs. It can be
trusted as it is (`farebox config trust`), and then it may also move providers that are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from farebox.config.addresses import is_loopback
from farebox.config.configuration import MARKUP_KEYS
from farebox.config.sections import SECTIONS
from farebox.config.settings import SETTINGS
from farebox.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from farebox.yamltext import Node

SIZE_MAX = 1 << 20
"""A larger file is no configuration."""

PRICE_KEYS_REFUSED = (
    *MARKUP_KEYS,
    "priced_as",
    "context_window",
    "max_output_tokens",
)


def allowed_keys() -> list[str]:
    """Return the settings and sections that a working directory's file may have."""
    settings = [key for key, setting in SETTINGS.items() if setting.loosened is not None]
    return [*settings, *(key for key, section in SECTIONS.items() if section.in_directory is not None)]


def misplaced(node: Node, home_file: Path) -> Finding:
    """Return the finding that something belongs in the home's file."""
    return node.finding(
        f"it in {home_file}: a working directory's file may have {', '.join(allowed_keys())}",
        f"`{node.key}`",
    )


def check_providers(node: Node, own: Collection[str], home_file: Path) -> list[Finding]:
    """Return what an untrusted file's `providers:` must not say; `own` are the home's providers."""
    from farebox.catalog.loading import load_data

    known = {*load_data().providers, *own}
    findings: list[Finding] = []
    for name, entry in node.items():
        if name in known:
            findings.append(
                entry.finding(
                    f"it in {home_file}, or this directory trusted (`farebox config trust`): a working "
                    "directory's file must not say where the calls and keys of a known provider go",
                    f"the known provider `{name}`",
                )
            )
            continue
        hosts = entry.get("hosts")
        if hosts is not None:
            findings.append(
                hosts.finding(
                    f"it in {home_file}, or this directory trusted (`farebox config trust`): it would have "
                    "connections to these hosts read",
                    "`hosts` to intercept",
                )
            )
        upstream = entry.get("upstream")
        if upstream is not None and upstream.kind == "text" and _is_clear_text(str(upstream.value)):
            findings.append(
                upstream.finding(
                    f"https, or http to this machine; or it in {home_file}, or this directory trusted "
                    "(`farebox config trust`)"
                )
            )
    return findings


def check_pricing(node: Node, home_file: Path) -> list[Finding]:
    """Return the entries of a working directory's `pricing:` that are more than a price."""
    findings: list[Finding] = []
    for entry in node.value.values() if node.kind == "mapping" else ():
        for each in entry.value if entry.kind == "list" else [entry]:
            findings += [
                stated.finding(
                    f"it in {home_file}: a working directory's file may only price what has no price "
                    "otherwise",
                    f"`{key}`",
                )
                for key, stated in each.items()
                if key in PRICE_KEYS_REFUSED
            ]
    return findings


def _is_clear_text(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and not is_loopback(parts.hostname or "")
    except ValueError:
        return False  # that it is no URL is told elsewhere
