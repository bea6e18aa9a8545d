"""The section `webhooks:` of the home's `farebox.yaml`: who is told what, and where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.config.configuration import Config, WebhookConfig
from farebox.errors import Finding
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.yamltext import Node

RECEIVER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
RECEIVERS_MAX = 100
EXAMPLE = (
    "webhooks:\n  - {name: ops, url: https://ops.example.com/hook, secret: {env: OPS_WEBHOOK_SECRET}, "
    "kinds: [prices.*]}\n"
)
_KEYS = ["name", "url", "secret", "kinds", "address"]
_SUBSCRIPTION = re.compile(r"\*|[a-z0-9_]+(?:\.[a-z0-9_]+)*(?:\.\*)?")


def read_webhooks(node: Node, config: Config, findings: list[Finding]) -> None:
    """Read the section; it stands in the home's file only, see `Section.home_only`."""
    if node.kind != "list":
        findings.append(
            node.finding("a list, as in `[{name: ops, url: https://…, secret: {env: OPS_WEBHOOK_SECRET}}]`")
        )
        return
    found: dict[str, WebhookConfig] = {}
    for entry in node.value:
        webhook = _webhook(entry, findings)
        if webhook is None:
            continue
        if webhook.name in found:
            findings.append(entry.finding("another name", f"{webhook.name!r} twice"))
        if webhook.name in {each.name for each in (*config.channels, *config.exports)}:
            twice = f"{webhook.name!r}, which `channels:` or `exports:` names, too"
            findings.append(entry.finding("another name", twice))
        found[webhook.name] = webhook
    if len(found) > RECEIVERS_MAX:
        findings.append(node.finding(f"at most {RECEIVERS_MAX} receivers", f"{len(found)}"))
    config.webhooks = tuple(found.values())


def subscription_problem(kind: str) -> str | None:
    """Return what a receiver may subscribe to, where `kind` is none of it."""
    return None if _SUBSCRIPTION.fullmatch(kind) else "a kind as prices.updated, a group as prices.*, or *"


def _webhook(entry: Node, findings: list[Finding]) -> WebhookConfig | None:
    from farebox.config.secret_reference import read_secret
    from farebox.home import Home
    from farebox.outbound.destination import destination

    before = len(findings)
    if entry.kind != "mapping":
        findings.append(entry.finding(f"a mapping with {', '.join(_KEYS)}"))
        return None
    texts: dict[str, str] = {}
    kinds: list[str] = []
    for key, node in entry.items():
        if key not in _KEYS:
            hint = f"one of {', '.join(_KEYS)}{did_you_mean(key, _KEYS)}"
            findings.append(node.finding(hint, "an unknown key"))
        elif key == "kinds":
            kinds = read_kinds(node, findings)
        elif key != "secret" and node.kind != "text":
            findings.append(node.finding("text"))
        elif key != "secret":
            texts[key] = str(node.value)
    name, url, secret = entry.get("name"), entry.get("url"), entry.get("secret")
    if name is None or url is None or secret is None:
        findings.append(entry.finding("a name, a url and a secret", "less"))
        return None
    if "name" in texts and not RECEIVER_NAME.fullmatch(texts["name"]):
        findings.append(name.finding("a name of a-z, 0-9, `-` and `_`"))
    try:
        if "url" in texts:
            destination(texts["url"], texts.get("address"))
    except ValueError as error:
        findings.append(url.finding(str(error), "a URL that nothing is sent to"))
    reference = read_secret(secret, Home(Path(entry.file).parent), findings)
    if reference is None or len(findings) > before:
        return None
    return WebhookConfig(
        name=texts["name"],
        url=texts["url"],
        address=texts.get("address"),
        kinds=tuple(kinds) or ("*",),
        secret=reference,
    )


def read_kinds(node: Node, findings: list[Finding]) -> list[str]:
    """Return the kinds and groups of kinds that a list names."""
    if node.kind != "list":
        findings.append(node.finding("a list, as in `[prices.*]`"))
        return []
    kinds: list[str] = []
    for item in node.value:
        problem = subscription_problem(str(item.value)) if item.kind == "text" else "text"
        if problem is None:
            kinds.append(str(item.value))
        else:
            findings.append(item.finding(problem))
    return kinds
