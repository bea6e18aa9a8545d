"""What telemetry calls providers and models: `catalog/telemetry.yaml`, read once."""

from __future__ import annotations

import functools
from fnmatch import fnmatchcase
from importlib import resources

import msgspec

from farebox import yamltext
from farebox.catalog import Catalog
from farebox.telemetry.otlp_in import attribute_names as names
from farebox.telemetry.otlp_in.attribute_values import text_of
from farebox.telemetry.otlp_in.records import Attributes


class LogShape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which attributes of a log record say what: their names, but for the first four and the flags."""

    event: str
    provider: str
    agent: str
    only: dict[str, str] = {}
    """Values that attributes must have."""
    cache_outside_input: bool = False
    reasoning_outside_output: bool = False
    input: str = ""
    output: str = ""
    cache_read: str = ""
    cache_write: str = ""
    reasoning: str = ""
    tool_use_input: str = ""
    request_id: str = ""
    session: str = ""
    sequence: str = ""
    ended_at: str = ""


class TelemetryCatalog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file."""

    providers: dict[str, tuple[str, ...]]
    models: dict[str, tuple[str, ...]]
    cache_outside_input: tuple[str, ...]
    logs: tuple[LogShape, ...]


@functools.cache
def telemetry_catalog() -> TelemetryCatalog:
    """Return what is shipped."""
    text = (resources.files("farebox.catalog") / "telemetry.yaml").read_text(encoding="utf-8")
    root, findings = yamltext.parse(text, "telemetry.yaml")
    if root is None or findings:
        raise ValueError(f"telemetry.yaml: {findings}")
    return msgspec.convert(root.plain(), TelemetryCatalog, strict=False)


class ProviderNames:
    """Finds the provider that a span is about."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._by_name = {name: name for name in catalog.providers}
        for provider, spelled in telemetry_catalog().providers.items():
            for each in spelled:
                self._by_name.setdefault(each, provider)
        self._known: dict[tuple[str, ...], str] = {}

    def provider_of(self, attributes: Attributes, model: str | None) -> str | None:
        """Return the provider by the host that was called, else by its name, else by the model; else None.

        A library for one provider is often used for others that speak its format, so the host comes first.
        """
        host = text_of(attributes, names.HOST) or ""
        said = [text_of(attributes, (name,)) or "" for name in names.PROVIDER]
        key = (host, model or "", *said)
        found = self._known.get(key)
        if found is None:
            found = self._find(host, said, model or "")
            if len(self._known) < 10_000:
                self._known[key] = found
        return found or None

    def _find(self, host: str, said: list[str], model: str) -> str:
        by_host = self._catalog.by_host(host) if host else None
        if by_host is not None:
            return by_host.id
        unknown = ""
        for name in said:
            name = name.strip().lower().replace(" ", "_")
            for spelled in (name, name.partition(".")[0]):
                if spelled in self._by_name:
                    return self._by_name[spelled]
            unknown = unknown or name
        for provider, patterns in telemetry_catalog().models.items():
            if any(fnmatchcase(model.lower(), pattern) for pattern in patterns):
                return provider
        return unknown
