"""`farebox.yaml`: addresses, durability, upstreams, prices.

Every problem is reported at once with file, line, key and what was expected. Reading YAML
costs memory and milliseconds, so nothing of it is loaded where there is no file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from farebox.errors import ConfigError, Finding

if TYPE_CHECKING:
    from farebox.home import Home
    from farebox.yamltext import Node

Durability = Literal["process", "power"]

FILE_NAME = "farebox.yaml"
FINGERPRINT = re.compile(r"[0-9a-f]{16}")
PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
HOST_PATTERN = re.compile(r"(?=.{1,253}\Z)[a-z0-9*_-]{1,63}(?:\.[a-z0-9*_-]{1,63})+")


class Address(msgspec.Struct, frozen=True):
    """Host and port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class ProviderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A user's change to a provider of the catalog, or a provider of their own."""

    upstream: str | None = None
    """Base URL, `http://` or `https://`, without a query."""
    speaks: str | None = None
    """The catalog provider whose formats this one speaks (`openai`)."""
    hosts: tuple[str, ...] = ()
    """More hosts that are this provider's, for interception; `*` stands for any part."""


class InterceptionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the forward proxy does beyond the catalog's hosts on port 443."""

    addresses: dict[str, str] = {}
    """Host to `host:port` where it really is: private endpoints, tests. Its certificate is checked
    against the host all the same."""
    ca_file: str | None = None
    """Roots (PEM) that upstreams may be signed by, besides the system's."""
    never: tuple[str, ...] = ()
    """Hosts that are tunnelled although the catalog knows them."""
    ports: tuple[int, ...] = ()
    """Ports besides 443 that a tunnel may go to."""


class KeyConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the user says of one API key, known by its fingerprint."""

    label: str | None = None
    customer: str | None = None
    user: str | None = None
    agent: str | None = None
    project: str | None = None

    def attribution(self) -> dict[str, str]:
        """Return what calls with this key are attributed to."""
        said = {"key_label": self.label, "customer": self.customer, "user": self.user}
        said |= {"agent": self.agent, "project": self.project}
        return {name: value for name, value in said.items() if value}


class Config(msgspec.Struct, kw_only=True):
    """A checked configuration. The defaults suit a laptop."""

    file: str | None = None
    listen: Address = Address("127.0.0.1", 3273)
    dashboard: Address = Address("127.0.0.1", 3274)
    durability: Durability = "process"
    providers: dict[str, ProviderConfig] = {}
    interception: InterceptionConfig = InterceptionConfig()
    keys: dict[str, KeyConfig] = {}
    """By fingerprint: a key's name and owner, as this file says. What commands said: `farebox.snapshot`."""
    pricing: Node | None = None
    """The `pricing:` section as written; `farebox.pricing` reads and checks it."""
    contracts: Node | None = None
    """The `contracts:` section as written, likewise."""


def find_file(home: Home, path: Path | None = None) -> Path | None:
    """Return the file in force: the named one, `FAREBOX_CONFIG`, the working directory's, the home's."""
    if path is not None:
        return path.expanduser().absolute()
    named = os.environ.get("FAREBOX_CONFIG")
    if named:
        return Path(named).expanduser().absolute()
    for candidate in (Path.cwd() / FILE_NAME, home.config):
        if candidate.is_file():
            return candidate
    return None


def load_config(home: Home, path: Path | None = None, *, prices: bool = True) -> Config:
    """Return the configuration in force, the defaults where there is no file.

    A process that rates nothing passes `prices=False` and does not load the price book.

    Raises:
        ConfigError: With every problem of the file, not only the first.
    """
    file = find_file(home, path)
    if file is None:
        return Config()
    from farebox import yamltext

    try:
        root, findings = yamltext.read(file)
    except OSError as error:
        raise ConfigError(
            [Finding(str(file), 0, "file", error.strerror or "an error", "a readable file")]
        ) from None
    config = Config(file=str(file))
    if root is not None:
        _read(root, config, findings)
        if prices and (config.pricing is not None or config.contracts is not None):
            findings.extend(_check_prices(config, home))
    if findings:
        raise ConfigError(sorted(findings, key=lambda finding: finding.line))
    return config


def key_labels(keys: Mapping[str, KeyConfig]) -> dict[str, str]:
    """Return the name of each key that has one, by fingerprint: what a key is shown as, for old calls too."""
    return {fingerprint: key.label for fingerprint, key in keys.items() if key.label}


def did_you_mean(word: str, known: list[str]) -> str:
    """Return `; did you mean "durability"?` where one of `known` is close, else nothing."""
    import difflib

    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def _read(root: Node, config: Config, findings: list[Finding]) -> None:
    readers: dict[str, Callable[[Node, Config, list[Finding]], None]] = {
        "listen": _read_listen,
        "dashboard": _read_dashboard,
        "durability": _read_durability,
        "providers": _read_providers,
        "keys": _read_keys,
        "interception": _read_interception,
        "pricing": _read_pricing,
        "contracts": _read_contracts,
    }
    if root.kind != "mapping":
        findings.append(root.finding("a mapping with " + ", ".join(readers)))
        return
    for key, node in root.items():
        reader = readers.get(key)
        if reader is None:
            known = list(readers)
            findings.append(
                node.finding(f"one of {', '.join(known)}{did_you_mean(key, known)}", "an unknown key")
            )
        elif node.kind != "nothing":
            reader(node, config, findings)
    if config.listen == config.dashboard and config.listen.port:
        where = root.get("dashboard") or root.get("listen") or root
        findings.append(where.finding("another address than `listen`", f"{config.dashboard} twice"))


def _read_listen(node: Node, config: Config, findings: list[Finding]) -> None:
    config.listen = _address(node, findings) or config.listen


def _read_dashboard(node: Node, config: Config, findings: list[Finding]) -> None:
    config.dashboard = _address(node, findings) or config.dashboard


def _read_durability(node: Node, config: Config, findings: list[Finding]) -> None:
    if node.value == "process" or node.value == "power":
        config.durability = node.value
    else:
        suggestion = did_you_mean(node.value, ["process", "power"]) if node.kind == "text" else ""
        findings.append(
            node.finding(f"process (survives a crash) or power (survives a power cut){suggestion}")
        )


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
            file = Path(config.file or ".").parent / Path(entry.value).expanduser()
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


def _check_prices(config: Config, home: Home) -> list[Finding]:
    from farebox.pricing import check_pricing

    cache = home.cache if home.cache.is_dir() else None
    return check_pricing(config.pricing, cache, contracts=config.contracts)


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


def upstream_problem(url: str) -> str | None:
    """Return why `url` cannot be an upstream, None where it can."""
    from urllib.parse import urlsplit

    if any(character <= " " or character == "\x7f" for character in url):
        return "without spaces or control characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "it starts with http:// or https://"
    if not parts.hostname:
        return "it names a host"
    if port == 0:
        return "a port is 1 to 65535"
    if parts.username is not None or parts.password is not None:
        return "without a user or password: keys come with each request"
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        return "without ? and #"
    return None


def _address(node: Node, findings: list[Finding]) -> Address | None:
    address = parse_address(node.value) if node.kind == "text" else None
    if address is None:
        findings.append(node.finding("host:port, as in `127.0.0.1:3273` (port 0: any free one)"))
        return None
    if not is_loopback(address.host):
        findings.append(
            node.finding(
                "a loopback address (127.0.0.1, ::1, localhost): others on the network must not reach it"
            )
        )
        return None
    return address


def parse_address(text: str) -> Address | None:
    """Return `host:port` or `[v6]:port` as an address, None where it is neither."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        return None
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            return None
    elif ":" in host:
        return None
    return Address(host, int(port)) if host and not host.isspace() else None


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a listener on `host`."""
    if host in ("localhost", "127.0.0.1", "::1"):
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
