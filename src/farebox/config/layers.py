"""The configuration in force: the home's file, the working directory's, the environment, flags.

Each layer overrides the one before it. A named file (`--config`, `FAREBOX_CONFIG`) takes the place of both
files. Every problem is reported at once with file, line, key and what was expected. Reading YAML costs
memory and milliseconds, so nothing of it is loaded where there is no file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from farebox.config.configuration import Config, KeyConfig, PortalConfig
from farebox.config.exposure import exposure_problem, of_portal
from farebox.config.settings import SETTINGS, Setting, from_environment
from farebox.errors import ConfigError, Finding
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.home import Home
    from farebox.yamltext import Node

FILE_NAME = "farebox.yaml"

LayerName = Literal["default", "home", "named", "directory", "environment", "flag"]


_BILLING_SECTIONS = ("customers", "plans", "subscriptions")

_ELSEWHERE: dict[LayerName, str] = {"environment": "the environment", "flag": "the command line"}
"""How a finding names a layer that is no file."""


class Origin(msgspec.Struct, frozen=True):
    """Where a value in force comes from."""

    layer: LayerName
    place: str = ""
    """`file:line`, the name of the environment variable or of the flag; nothing for a default."""

    def __str__(self) -> str:
        return self.place or "default"


class Layers:
    """A configuration with what it was made of."""

    def __init__(self) -> None:
        self.config = Config()
        self.findings: list[Finding] = []
        self.origins: dict[str, Origin] = {}
        """Where each setting that is not at its default comes from."""
        self.sections: list[tuple[LayerName, Node]] = []
        """The sections in force, as written."""
        self.files: list[Path] = []
        self.trusts_directory = False


def load_config(
    home: Home,
    path: Path | None = None,
    *,
    prices: bool = True,
    flags: Mapping[str, str] | None = None,
) -> Config:
    """Return the configuration in force, the defaults where nothing says otherwise.

    A process that rates nothing passes `prices=False` and does not load the price book. `flags` are
    settings by their keys.

    Raises:
        ConfigError: With every problem, not only the first.
    """
    layers = read_layers(home, path, prices=prices, flags=flags)
    if layers.findings:
        raise ConfigError(layers.findings)
    return layers.config


def read_layers(
    home: Home,
    path: Path | None = None,
    *,
    prices: bool = True,
    flags: Mapping[str, str] | None = None,
) -> Layers:
    """Return the configuration with where its values come from, and everything that is wrong with it."""
    layers = Layers()
    named, own, directory = source_files(home, path)
    if named is not None:
        layers.config.named = str(named)
        _read_file(layers, named, "named", home)
    else:
        if own is not None:
            _read_file(layers, own, "home", home)
        if directory is not None:
            _read_file(layers, directory, "directory", home)
    if layers.files:
        layers.config.file = str(layers.files[-1])
    for key, text in from_environment(os.environ).items():
        _set(layers, SETTINGS[key], text, Origin("environment", SETTINGS[key].environment))
    layers.config.flags = dict(flags or {})
    for key, text in layers.config.flags.items():
        _set(layers, SETTINGS[key], text, Origin("flag", SETTINGS[key].flag))
    _check_whole(layers)
    _read_billing_terms(layers)
    if prices:
        layers.findings += _check_prices(layers.config, home)
    layers.findings.sort(key=lambda finding: (finding.file, finding.line))
    return layers


def source_files(home: Home, path: Path | None = None) -> tuple[Path | None, Path | None, Path | None]:
    """Return the named file, the home's and the working directory's, each None where there is none."""
    text = os.environ.get("FAREBOX_CONFIG")
    named = path if path is not None else Path(text) if text else None
    if named is not None:
        return named.expanduser().absolute(), None, None
    own = home.config if home.config.is_file() else None
    try:
        directory = Path.cwd() / FILE_NAME
        if not directory.is_file() or (own is not None and directory.samefile(own)):
            return None, own, None
    except OSError:  # the working directory was removed
        return None, own, None
    return None, own, directory


def find_file(home: Home, path: Path | None = None) -> Path | None:
    """Return the most specific file in force."""
    named, own, directory = source_files(home, path)
    return named or directory or own


def flags_from(texts: Sequence[str]) -> dict[str, str]:
    """Return settings from `key=value` texts, as one process hands them to another.

    Raises:
        ConfigError: One of them is no setting.
    """
    flags: dict[str, str] = {}
    for text in texts:
        key, _, value = text.partition("=")
        if key not in SETTINGS:
            raise ConfigError(
                [Finding("the command line", 0, "--set", repr(key), f"one of {', '.join(SETTINGS)}")]
            )
        flags[key] = value
    return flags


def is_default(home: Home, path: Path | None = None) -> bool:
    """Return whether nothing is configured: no file, no environment variable."""
    return find_file(home, path) is None and not from_environment(os.environ)


def key_labels(keys: Mapping[str, KeyConfig]) -> dict[str, str]:
    """Return the name of each key that has one, by fingerprint: what a key is shown as, for old calls too."""
    return {fingerprint: key.label for fingerprint, key in keys.items() if key.label}


def _read_file(layers: Layers, path: Path, layer: LayerName, home: Home) -> None:
    from farebox import yamltext
    from farebox.config.trust import is_trusted
    from farebox.config.working_directory import SIZE_MAX

    layers.files.append(path)
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_MAX + 1)
    except OSError as error:
        layers.findings.append(Finding(str(path), 0, "file", error.strerror or "an error", "a readable file"))
        return
    if len(content) > SIZE_MAX:
        layers.findings.append(
            Finding(str(path), 0, "size", f"more than {SIZE_MAX:,} bytes", "a configuration")
        )
        return
    root, findings = yamltext.decode(content, str(path))
    layers.findings += findings
    if root is None:
        return
    if root.kind != "mapping":
        layers.findings.append(root.finding("a mapping with " + ", ".join(_known())))
        return
    if layer == "directory":
        layers.trusts_directory = is_trusted(home, path, content)
    for key, node in root.items():
        _read_key(layers, key, node, layer, home)


def _known() -> list[str]:
    from farebox.config.sections import SECTIONS

    return list(dict.fromkeys([*(key.partition(".")[0] for key in SETTINGS), *SECTIONS]))


def _read_key(layers: Layers, key: str, node: Node, layer: LayerName, home: Home) -> None:
    from farebox.config.sections import SECTIONS
    from farebox.config.working_directory import misplaced

    inner = {name.partition(".")[2]: name for name in SETTINGS if name.startswith(f"{key}.")}
    if key not in SETTINGS and key not in SECTIONS and not inner:
        known = _known()
        layers.findings.append(
            node.finding(f"one of {', '.join(known)}{did_you_mean(key, known)}", "an unknown key")
        )
    elif node.kind == "nothing":
        return
    elif key in SECTIONS:
        if layer == "directory" and SECTIONS[key].in_directory is None:
            layers.findings.append(misplaced(node, home.config))
        elif SECTIONS[key].home_only and Path(node.file) != home.config:
            layers.findings.append(node.finding(f"it in {home.config}", f"`{key}` in another file"))
        else:
            _read_section(layers, key, node, layer, home)
    elif key in SETTINGS:
        _set_node(layers, SETTINGS[key], node, layer, home)
    elif node.kind != "mapping":
        layers.findings.append(node.finding(f"a mapping with {', '.join(inner)}"))
    else:
        for name, entry in node.items():
            if name not in inner:
                expected = f"one of {', '.join(inner)}{did_you_mean(name, list(inner))}"
                layers.findings.append(entry.finding(expected, "an unknown key"))
            elif entry.kind != "nothing":
                _set_node(layers, SETTINGS[inner[name]], entry, layer, home)


def _read_section(layers: Layers, key: str, node: Node, layer: LayerName, home: Home) -> None:
    from farebox.config.sections import SECTIONS
    from farebox.config.working_directory import check_pricing, check_providers

    config = layers.config
    if layer != "directory":
        SECTIONS[key].read(node, config, layers.findings)
        layers.sections.append((layer, node))
        return
    refused: list[Finding] = []
    if key == "pricing":
        refused = check_pricing(node, home.config)
        config.directory_pricing = node
    elif key == "providers":
        before = config.providers
        if not layers.trusts_directory:
            refused = check_providers(node, before, home.config)
        SECTIONS[key].read(node, config, layers.findings)
        config.providers = {**before, **config.providers}
    layers.findings += refused
    layers.sections.append((layer, node))


def _set_node(layers: Layers, setting: Setting, node: Node, layer: LayerName, home: Home) -> None:
    from farebox.config.working_directory import misplaced

    if node.kind != "text":
        layers.findings.append(node.finding(setting.form))
        return
    try:
        value = setting.parse(str(node.value), Path(node.file).parent)
    except ValueError as error:
        layers.findings.append(node.finding(str(error)))
        return
    if layer == "directory":
        if setting.loosened is None:
            layers.findings.append(misplaced(node, home.config))
            return
        wanted = setting.loosened(value, setting.of(layers.config))
        if wanted is not None:
            layers.findings.append(node.finding(wanted))
            return
    _put(layers, setting, value, Origin(layer, f"{node.file}:{node.line}"))


def _set(layers: Layers, setting: Setting, text: str, origin: Origin) -> None:
    try:
        value = setting.parse(text, Path.cwd())
    except ValueError as error:
        layers.findings.append(Finding(_ELSEWHERE[origin.layer], 0, origin.place, repr(text), str(error)))
    else:
        _put(layers, setting, value, origin)


def _put(layers: Layers, setting: Setting, value: Any, origin: Origin) -> None:
    setting.put(layers.config, value)
    layers.origins[setting.key] = origin


def _check_whole(layers: Layers) -> None:
    """Add what is wrong between settings that may come from different layers."""
    config = layers.config
    for key, address in (("listen", config.listen), ("dashboard", config.dashboard)):
        expected = exposure_problem(address, config)
        if expected is not None:
            layers.findings.append(_finding(layers, key, str(address), expected))
    if config.portal is not None:
        _check_portal(layers, config.portal)
    certificate, tls_key = config.tls.certificate, config.tls.key
    if certificate is not None and tls_key is None:
        layers.findings.append(_finding(layers, "tls.certificate", certificate, "`key` beside it"))
    elif tls_key is not None and certificate is None:
        layers.findings.append(_finding(layers, "tls.key", tls_key, "`certificate` beside it"))
    if config.listen == config.dashboard and config.listen.port:
        key = "dashboard" if "dashboard" in layers.origins else "listen"
        twice = f"{config.dashboard} twice"
        layers.findings.append(
            _finding(layers, key, twice, "another address than `listen`", shown="dashboard")
        )


def _check_portal(layers: Layers, portal: PortalConfig) -> None:
    node = next(node for _, node in layers.sections if node.key == "portal")
    where = node.get("listen") or node
    expected = exposure_problem(portal.listen, of_portal(layers.config, portal))
    is_taken = portal.listen in (layers.config.listen, layers.config.dashboard)
    if expected is None and portal.listen.port and is_taken:
        expected = "an address of its own, which neither `listen` nor `dashboard` has"
    if expected is not None:
        layers.findings.append(where.finding(expected, str(portal.listen)))


def _read_billing_terms(layers: Layers) -> None:
    """Read the sections that refer to each other. What they may refer to besides is in `control.db`."""
    sections = {node.key: node for _, node in layers.sections if node.key in _BILLING_SECTIONS}
    if not sections:
        return
    from farebox.charges.plan_reader import read_billing_terms

    layers.config.billing_terms = read_billing_terms(sections, layers.findings)


def _finding(layers: Layers, key: str, found: str, expected: str, *, shown: str = "") -> Finding:
    """Return a finding at the place where a setting comes from."""
    origin = layers.origins.get(key) or Origin("default")
    if origin.layer in _ELSEWHERE:
        return Finding(_ELSEWHERE[origin.layer], 0, origin.place, repr(found), expected)
    file, _, line = origin.place.rpartition(":")
    return Finding(file, int(line) if line.isdigit() else 0, shown or key, found, expected)


def _check_prices(config: Config, home: Home) -> list[Finding]:
    if config.pricing is None and config.contracts is None and config.directory_pricing is None:
        return []
    from farebox.pricing import check_pricing

    cache = home.cache if home.cache.is_dir() else None
    return check_pricing(
        config.pricing, cache, contracts=config.contracts, directory=config.directory_pricing
    )
