"""The sections of `farebox.yaml` that hold more than single values: one reader each, declared once.

A reader puts into the `Config` what it understands and adds a finding for everything that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from farebox.config.addresses import parse_address, upstream_problem
from farebox.config.alerts_section import ALERTS_EXAMPLE, read_alerts_section
from farebox.config.billing_section import BILLING_EXAMPLE, read_billing
from farebox.config.channels_section import CHANNELS_EXAMPLE, read_channels
from farebox.config.configuration import Config, InterceptionConfig, KeyConfig, ProviderConfig
from farebox.config.exports_section import EXPORTS_EXAMPLE, read_exports
from farebox.config.otlp_section import OTLP_EXAMPLE, read_otlp
from farebox.config.portal_section import PORTAL_EXAMPLE, read_portal
from farebox.config.webhooks_section import EXAMPLE, read_webhooks
from farebox.errors import Finding
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.yamltext import Node

FINGERPRINT = re.compile(r"[0-9a-f]{16}")
PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
HOST_PATTERN = re.compile(r"(?=.{1,253}\Z)[a-z0-9*_-]{1,63}(?:\.[a-z0-9*_-]{1,63})+")


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One section: what it is for, an example, and how it is read."""

    key: str
    help: str
    example: str
    read: Callable[[Node, Config, list[Finding]], None]
    at_once: bool = False
    """Whether running processes follow a change of the file."""
    home_only: bool = False
    """Whether it stands in the home's own file only, and in no named one: what commands add goes with it."""
    in_directory: str | None = None
    """What a working directory's file may say here, in words; None: nothing."""


def _read_providers(node: Node, config: Config, findings: list[Finding]) -> None:
    if node.kind != "mapping":
        findings.append(node.finding('a mapping of names, as in `my-llm: {upstream: "http://gpu-box:8000"}`'))
        return
    providers: dict[str, ProviderConfig] = {}
    for name, entry in node.items():
        if not PROVIDER_NAME.fullmatch(name):
            findings.append(
                entry.finding(
                    "a name of a-z, 0-9, `.`, `_`, `-`: it becomes the path's first segment", repr(name)
                )
            )
        provider = _provider(entry, findings)
        if provider is not None:
            providers[name] = provider
    findings.extend(_check_names(node, providers))
    config.providers = providers


def _read_keys(node: Node, config: Config, findings: list[Finding]) -> None:
    example = "`0123456789abcdef: {label: backend, customer: acme}`"
    if node.kind != "mapping":
        findings.append(node.finding(f"a mapping of fingerprints, as in {example}"))
        return
    known = [field.name for field in msgspec.structs.fields(KeyConfig)]
    keys: dict[str, KeyConfig] = {}
    for name, entry in node.items():
        if not FINGERPRINT.fullmatch(name):
            # The name itself is not repeated: it may be the API key, put there by mistake.
            wanted = "a fingerprint of 16 hex digits, in quotes where it is all digits (`farebox keys`)"
            findings.append(entry.finding(wanted, "something else"))
            continue
        if entry.kind != "mapping":
            findings.append(entry.finding(f"what is known of the key, as in {example}"))
            continue
        values: dict[str, str] = {}
        for key, value in entry.items():
            if key not in known:
                hint = f"one of {', '.join(known)}{did_you_mean(key, known)}"
                findings.append(value.finding(hint, "an unknown key"))
            elif value.kind != "text":
                findings.append(value.finding("text"))
            else:
                values[key] = value.value
        keys[name] = KeyConfig(**values)
    config.keys = keys


def _check_names(node: Node, providers: dict[str, ProviderConfig]) -> list[Finding]:
    """Return the providers that the catalog does not know and that do not say what they speak."""
    from farebox.catalog.loading import load_data

    known = sorted(load_data().providers)
    findings: list[Finding] = []
    for name, provider in providers.items():
        entry = node.get(name)
        if entry is None:
            continue
        if provider.speaks is not None and provider.speaks not in known:
            where = entry.get("speaks") or entry
            hint = did_you_mean(provider.speaks, known)
            findings.append(where.finding(f"a provider of the catalog, as openai{hint}"))
        elif provider.speaks is None and name not in known:
            hint = did_you_mean(name, known)
            findings.append(
                entry.finding(f"`speaks: openai` beside it, or a provider of the catalog{hint}", "a new name")
            )
        elif provider.upstream is None and name not in known and not provider.hosts:
            findings.append(
                entry.finding("an `upstream` to send its calls to, or `hosts` to intercept", "neither")
            )
    return findings


def _read_interception(node: Node, config: Config, findings: list[Finding]) -> None:
    if node.kind != "mapping":
        findings.append(node.finding("a mapping, as in `{never: [api.example.com]}`"))
        return
    known = ["addresses", "ca_file", "never", "ports"]
    addresses: dict[str, str] = {}
    never: tuple[str, ...] = ()
    ports: list[int] = []
    ca_file: str | None = None
    for key, entry in node.items():
        if key == "addresses" and entry.kind == "mapping":
            for host, where in entry.items():
                if where.kind == "text" and parse_address(where.value) is not None:
                    addresses[host.lower()] = where.value
                else:
                    findings.append(where.finding("host:port, as in `10.0.0.7:443`"))
        elif key == "ca_file" and entry.kind == "text":
            file = Path(node.file).parent / Path(entry.value).expanduser()
            ca_file = str(file)
            if not file.is_file():
                findings.append(entry.finding("a PEM file that is there"))
        elif key == "never":
            never = _hosts(entry, findings)
        elif key == "ports" and entry.kind == "list":
            for item in entry.value:
                text = str(item.value)
                if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
                    ports.append(int(text))
                else:
                    findings.append(item.finding("a port, 1 to 65535"))
        elif key in known:
            findings.append(
                entry.finding(
                    "a mapping" if key == "addresses" else "a file" if key == "ca_file" else "a list"
                )
            )
        else:
            findings.append(
                entry.finding(f"one of {', '.join(known)}{did_you_mean(key, known)}", "an unknown key")
            )
    config.interception = InterceptionConfig(
        addresses=addresses, ca_file=ca_file, never=never, ports=tuple(ports)
    )


def _hosts(node: Node, findings: list[Finding]) -> tuple[str, ...]:
    """Return a list of host patterns."""
    if node.kind != "list":
        findings.append(node.finding("a list of hosts, as in `[llm.example.com]`"))
        return ()
    found: list[str] = []
    for item in node.value:
        if item.kind == "text" and HOST_PATTERN.fullmatch(item.value.lower()):
            found.append(item.value.lower())
        else:
            findings.append(
                item.finding("a host without scheme or port, as in `llm.example.com` or `*.example.com`")
            )
    return tuple(found)


def _read_pricing(node: Node, config: Config, findings: list[Finding]) -> None:
    config.pricing = node


def _read_contracts(node: Node, config: Config, findings: list[Finding]) -> None:
    config.contracts = node


def _read_budgets(node: Node, config: Config, findings: list[Finding]) -> None:
    from farebox.budgets.definition import read_budgets

    config.budgets = read_budgets(node, findings)


def _read_billing_terms(node: Node, config: Config, findings: list[Finding]) -> None:
    """Leave the section to `farebox.config.layers`, which reads the three of them together."""


def _provider(entry: Node, findings: list[Finding]) -> ProviderConfig | None:
    if entry.kind != "mapping":
        findings.append(entry.finding('a mapping, as in `{upstream: "http://127.0.0.1:9001"}`'))
        return None
    known = ["upstream", "speaks", "hosts"]
    values: dict[str, str] = {}
    hosts: tuple[str, ...] = ()
    before = len(findings)
    for key, node in entry.items():
        if key not in known:
            findings.append(
                node.finding(f"one of {', '.join(known)}{did_you_mean(key, known)}", "an unknown key")
            )
        elif key == "hosts":
            hosts = _hosts(node, findings)
        elif node.kind != "text":
            findings.append(node.finding("text"))
        else:
            values[key] = node.value
            if key == "upstream":
                findings.extend(check_upstream(node))
    if len(findings) > before:
        return None
    if not values and not hosts:
        findings.append(entry.finding("`upstream`, `speaks` or both", "neither"))
        return None
    upstream = values.get("upstream")
    return ProviderConfig(
        upstream=upstream.rstrip("/") if upstream else None, speaks=values.get("speaks"), hosts=hosts
    )


def check_upstream(node: Node) -> list[Finding]:
    """Return what is wrong with an upstream's base URL."""
    wrong = upstream_problem(str(node.value))
    return [node.finding(f"a base URL as in `https://llm.example.com/v1`: {wrong}")] if wrong else []


SECTIONS = {
    section.key: section
    for section in (
        Section(
            key="providers",
            help="Other upstreams for providers of the catalog, and providers of your own.",
            example='providers:\n  my-llm: {upstream: "http://gpu-box:8000", speaks: openai}\n',
            read=_read_providers,
            in_directory="providers of your own that the catalog and the home's file do not name, with an "
            "`upstream` that is https or on this machine",
        ),
        Section(
            key="interception",
            help="What the forward proxy does beyond the catalog's hosts on port 443.",
            example="interception:\n  never: [llm.example.com]\n  ca_file: company-roots.pem\n",
            read=_read_interception,
        ),
        Section(
            key="keys",
            help="Names and owners of API keys, by fingerprint (`farebox keys`).",
            example='keys:\n  "0123456789abcdef": {label: backend, customer: acme}\n',
            read=_read_keys,
            at_once=True,
        ),
        Section(
            key="pricing",
            help="Your own prices and markups, see the [guide](../guides/pricing.md).",
            example="pricing:\n  my-model: {input_per_1m: 2.50, output_per_1m: 10}\n",
            read=_read_pricing,
            at_once=True,
            in_directory="prices of models that have none otherwise, without markups",
        ),
        Section(
            key="contracts",
            help="Contracts with providers, see the [guide](../guides/pricing.md).",
            example="contracts:\n  our-discount: {with: provider, terms: [{discount_percent: 10}]}\n",
            read=_read_contracts,
            at_once=True,
        ),
        Section(
            key="budgets",
            help="Limits on spending, see the [guide](../guides/budgets.md). In the home's file only.",
            example='budgets:\n  - {name: acme, where: {customer: acme}, limit: "25.00", period: day}\n',
            read=_read_budgets,
            at_once=True,
            home_only=True,
        ),
        Section(
            key="alerts",
            help="What somebody is told, and when, see the [guide](../guides/alerts.md). In the home's file "
            "only.",
            example=ALERTS_EXAMPLE,
            read=read_alerts_section,
            at_once=True,
            home_only=True,
        ),
        Section(
            key="billing",
            help="The seller, payment terms and paper of invoices. In the home's file only.",
            example=BILLING_EXAMPLE,
            read=read_billing,
            at_once=True,
            home_only=True,
        ),
        Section(
            key="portal",
            help="Your customers' own pages, see the [guide](../guides/portal.md).",
            example=PORTAL_EXAMPLE,
            read=read_portal,
        ),
        Section(
            key="customers",
            help="Who is billed, see the [guide](../guides/bill-your-customers.md). In the home's file only.",
            example="customers:\n  acme: {name: Acme Inc., currency: USD, timezone: America/New_York}\n",
            read=_read_billing_terms,
            at_once=True,
            home_only=True,
        ),
        Section(
            key="plans",
            help="What customers are charged, see [every key](../guides/plans.md). In the home's file only.",
            example='plans:\n  pro: {base: "20.00", charges: [{meter: cost, markup_percent: "20"}]}\n',
            read=_read_billing_terms,
            at_once=True,
            home_only=True,
        ),
        Section(
            key="subscriptions",
            help="Who is on which plan, see the [guide](../guides/bill-your-customers.md). In the home's "
            "file only.",
            example="subscriptions:\n  - {customer: acme, plan: pro, start: 2026-11-01}\n",
            read=_read_billing_terms,
            at_once=True,
            home_only=True,
        ),
        Section(
            key="otlp",
            help="Where spans and metrics of calls are sent, see the [guide](../guides/opentelemetry.md). "
            "In the home's file only.",
            example=OTLP_EXAMPLE,
            read=read_otlp,
            home_only=True,
        ),
        Section(
            key="channels",
            help="Where alerts are told, see the [guide](../guides/channels.md). In the home's file only.",
            example=CHANNELS_EXAMPLE,
            read=read_channels,
            at_once=True,
            home_only=True,
        ),
        Section(
            key="webhooks",
            help="Receivers of messages, see the [guide](../guides/webhooks.md). In the home's file only.",
            example=EXAMPLE,
            read=read_webhooks,
            at_once=True,
            home_only=True,
        ),
        Section(
            key="exports",
            help="Systems that usage is handed over to, see the [guide](../guides/hand-over.md). In the "
            "home's file only.",
            example=EXPORTS_EXAMPLE,
            read=read_exports,
            at_once=True,
            home_only=True,
        ),
    )
}
