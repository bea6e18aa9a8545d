"""The section `exports:` of the home's `farebox.yaml`: which systems usage is handed over to."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from farebox.channels.usage.usage_event import AMOUNTS, QUANTITIES
from farebox.channels.usage.usage_settings import (
    GRANULARITIES,
    USAGE_FORMS,
    UsageForm,
    UsageSettings,
    usual_settings,
)
from farebox.config.configuration import Config, ExportConfig
from farebox.config.receiver_entries import form_of, read_entries, secret_of
from farebox.errors import Finding
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.yamltext import Node

EXPORTS_EXAMPLE = (
    "exports:\n  stripe:\n    stripe: {env: STRIPE_API_KEY}\n    customers: {acme: cus_Q1w2E3r4}\n"
    "    meters: {uncached_input_tokens: llm_input, output_tokens: llm_output}\n"
)
EXPORTS_MAX = 20
CUSTOMERS_MAX = 100_000
KEYS = (
    *("url", "address", "customers", "unmapped", "granularity", "meters", "event", "since"),
    *("max_age", "id_memory"),
)
"""What may stand beside the form's own key."""
_UNMAPPED = ("hold", "same")
_SPAN = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_NAME = re.compile(r"[!-~]{1,100}")


def read_exports(node: Node, config: Config, findings: list[Finding]) -> None:
    """Read the section; it stands in the home's file only, see `Section.home_only`."""
    found = read_entries(
        node,
        read_export,
        findings,
        example="{stripe: {stripe: {env: STRIPE_API_KEY}}}",
        taken={each.name for each in (*config.webhooks, *config.channels)},
        elsewhere="`webhooks:` or `channels:`",
    )
    if found is None:
        return
    if len(found) > EXPORTS_MAX:
        findings.append(node.finding(f"at most {EXPORTS_MAX} exports", f"{len(found)}"))
    config.exports = tuple(found)


def read_export(name: str, entry: Node, findings: list[Finding]) -> ExportConfig | None:
    """Return what an entry says, None and findings where that cannot be used."""
    before = len(findings)
    form = form_of(entry, dict.fromkeys(USAGE_FORMS, KEYS), findings)
    if form is None:
        return None
    url, address = _text(entry, "url", findings), _text(entry, "address", findings)
    said = read_usage_settings(form, entry, findings)
    secret = secret_of(cast("Node", entry.get(form)), findings)
    _check_url(entry, url, address, findings)
    if secret is None or len(findings) > before:
        return None
    return ExportConfig(name=name, url=url or "", address=address, secret=secret, usage=said)


def read_usage_settings(form: UsageForm, entry: Node, findings: list[Finding]) -> UsageSettings:
    """Return what an entry says of an export, apart from where it is and its key."""
    usual = usual_settings(form)
    said: dict[str, Any] = {"form": form, "unmapped": usual.unmapped, "meters": usual.meters}
    said |= {"max_age_s": usual.max_age_s, "id_memory_s": usual.id_memory_s}
    if (node := entry.get("customers")) is not None:
        said["customers"] = _names(node, None, findings)
    if (node := entry.get("meters")) is not None:
        said["meters"] = _meters(node, usual, findings)
    for key, words in (("unmapped", _UNMAPPED), ("granularity", GRANULARITIES)):
        if (node := entry.get(key)) is not None:
            if node.kind == "text" and node.value in words:
                said[key] = node.value
            else:
                findings.append(node.finding(f"one of {', '.join(words)}"))
    if (node := entry.get("event")) is not None:
        if usual.rules.has_meters:
            findings.append(node.finding(f"`meters`: {form} has a meter for each quantity", "an event"))
        elif node.kind != "text" or not _NAME.fullmatch(str(node.value)):
            findings.append(node.finding("a name of 1 to 100 characters without spaces"))
        else:
            said["event"] = str(node.value)
    if (node := entry.get("since")) is not None:
        said["since_ns"] = _since(node, findings)
    for key in ("max_age", "id_memory"):
        if (node := entry.get(key)) is not None:
            said[f"{key}_s"] = _span(node, findings)
    return UsageSettings(**said)


def _meters(node: Node, usual: UsageSettings, findings: list[Finding]) -> dict[str, str]:
    found = _names(node, QUANTITIES, findings)
    if node.kind == "mapping" and not node.value:
        findings.append(node.finding(f"at least one of {', '.join(QUANTITIES)}", "none"))
    if usual.rules.whole_numbers:
        for quantity in AMOUNTS:
            if (wrong := node.get(quantity)) is not None:
                expected = f"tokens or calls: {usual.form} takes whole numbers only"
                findings.append(wrong.finding(expected, f"an amount, {quantity}"))
    if len(set(found.values())) < len(found):
        findings.append(node.finding("a name of its own for each quantity", "one name twice"))
    return found


def _names(node: Node, known: tuple[str, ...] | None, findings: list[Finding]) -> dict[str, str]:
    example = "{acme: cus_Q1w2E3r4}" if known is None else "{output_tokens: llm_output}"
    if node.kind != "mapping":
        findings.append(node.finding(f"a mapping, as in `{example}`"))
        return {}
    found: dict[str, str] = {}
    for name, entry in node.items():
        if known is not None and name not in known:
            hint = f"one of {', '.join(known)}{did_you_mean(name, list(known))}"
            findings.append(entry.finding(hint, f"an unknown quantity, {name!r}"))
        elif entry.kind != "text" or not _NAME.fullmatch(str(entry.value)):
            findings.append(entry.finding("the receiver's name: 1 to 100 characters without spaces"))
        else:
            found[name] = str(entry.value)
    if len(found) > CUSTOMERS_MAX:
        findings.append(node.finding(f"at most {CUSTOMERS_MAX:,} entries", f"{len(found):,}"))
    return found


def _since(node: Node, findings: list[Finding]) -> int | None:
    text = str(node.value) if node.kind == "text" else ""
    if text == "all":
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        findings.append(node.finding("a day or moment, as 2026-11-01 or 2026-11-01T00:00:00Z, or `all`"))
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9


def _span(node: Node, findings: list[Finding]) -> int | None:
    text = str(node.value) if node.kind == "text" else ""
    if text == "none":
        return None
    found = _SPAN.fullmatch(text)
    if found is None and text != "0":
        findings.append(node.finding("a time as 45m, 12h or 35d, 0, or `none` for no limit"))
        return None
    return 0 if found is None else int(found[1]) * _SECONDS[found[2]]


def _check_url(entry: Node, url: str | None, address: str | None, findings: list[Finding]) -> None:
    from farebox.outbound.destination import destination

    node = entry.get("url") or entry.get("address")
    if node is None:
        return
    if url is None:
        findings.append(node.finding("a `url` beside the address", "none"))
        return
    try:
        if "?" in url:
            raise ValueError("without ?, since the API's path is added to it")
        destination(url, address)
    except ValueError as error:
        findings.append(node.finding(str(error), "a URL that nothing is sent to"))


def _text(entry: Node, key: str, findings: list[Finding]) -> str | None:
    node = entry.get(key)
    if node is None:
        return None
    if node.kind != "text" or not str(node.value):
        findings.append(node.finding("text"))
        return None
    return str(node.value)
