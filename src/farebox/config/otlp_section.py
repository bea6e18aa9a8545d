"""The section `otlp:` of the home's `farebox.yaml`: where spans and metrics of calls are sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.config.configuration import Config, OtlpConfig
from farebox.errors import Finding
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.config.secret_reference import SecretReference
    from farebox.yamltext import Node

OTLP_EXAMPLE = (
    "otlp:\n  endpoint: https://otel.example.com:4318\n"
    "  headers: {authorization: {env: OTEL_AUTHORIZATION}}\n"
)
SIGNALS = ("traces", "metrics")
_KEYS = ["endpoint", "headers", "address", "signals"]
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_OURS = frozenset(("host", "content-length", "content-type", "content-encoding", "connection"))


def read_otlp(node: Node, config: Config, findings: list[Finding]) -> None:
    """Read the section; it stands in the home's file only, see `Section.home_only`."""
    from farebox.outbound.destination import destination

    if node.kind != "mapping":
        findings.append(node.finding("a mapping, as in `{endpoint: https://otel.example.com:4318}`"))
        return
    before = len(findings)
    texts: dict[str, str] = {}
    headers: list[tuple[str, SecretReference]] = []
    signals: tuple[str, ...] = SIGNALS
    for key, entry in node.items():
        if key not in _KEYS:
            hint = f"one of {', '.join(_KEYS)}{did_you_mean(key, _KEYS)}"
            findings.append(entry.finding(hint, "an unknown key"))
        elif key == "headers":
            headers = _headers(entry, findings)
        elif key == "signals":
            signals = _signals(entry, findings)
        elif entry.kind != "text":
            findings.append(entry.finding("text"))
        else:
            texts[key] = str(entry.value)
    endpoint = node.get("endpoint")
    if endpoint is None:
        findings.append(node.finding("an endpoint", "none"))
    elif "endpoint" in texts:
        try:
            if "?" in texts["endpoint"]:
                raise ValueError("without ?, since /v1/traces is added to it; keys go into `headers`")
            destination(texts["endpoint"], texts.get("address"))
        except ValueError as error:
            findings.append(endpoint.finding(str(error), "a URL that nothing is sent to"))
    if len(findings) == before:
        config.otlp = OtlpConfig(
            endpoint=texts["endpoint"].rstrip("/"),
            address=texts.get("address"),
            headers=tuple(headers),
            signals=signals,
        )


def _headers(node: Node, findings: list[Finding]) -> list[tuple[str, SecretReference]]:
    from farebox.config.secret_reference import read_secret
    from farebox.home import Home

    if node.kind != "mapping":
        findings.append(
            node.finding("a mapping of names, as in `{authorization: {env: OTEL_AUTHORIZATION}}`")
        )
        return []
    found: list[tuple[str, SecretReference]] = []
    for name, entry in node.items():
        if not _HEADER.fullmatch(name) or name.lower() in _OURS:
            findings.append(entry.finding("the name of a header that is yours to set", repr(name)))
            continue
        reference = read_secret(entry, Home(Path(entry.file).parent), findings)
        if reference is not None:
            found.append((name, reference))
    return found


def _signals(node: Node, findings: list[Finding]) -> tuple[str, ...]:
    wanted = [str(item.value) for item in node.value] if node.kind == "list" else []
    if not wanted or not set(wanted) <= set(SIGNALS):
        findings.append(node.finding(f"a list of {' and '.join(SIGNALS)}"))
        return SIGNALS
    return tuple(dict.fromkeys(wanted))
