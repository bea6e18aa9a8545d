"""Read the folders of the catalog into `CatalogData`, once, and keep the result in a cache.

`speaks: openai` takes over another provider's routes and formats, with `same_service` what is free
there as well; `extends: openai/chat` takes over one format. All are resolved here, so that nothing
downstream knows they exist.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from farebox import home
from farebox.catalog.shape import (
    CatalogData,
    EndpointData,
    ProviderData,
    RequestLimitsData,
    Unlisted,
    UsageFormat,
    Vendor,
)
from farebox.errors import CatalogError, Finding, StateDirectoryError

FOLDER = Path(__file__).resolve().parent
COMPILED = FOLDER / "catalog.msgpack"
"""Where the wheel has the catalog compiled."""
BYTECODE = FOLDER / "__pycache__"
"""Where a clone keeps it compiled; one that cannot be written, or has no bytecode, in the state directory."""
_ATTRIBUTION = "attribution.yaml"
_UNLISTED = "unlisted.yaml"
_REQUEST_LIMITS = "request_limits.yaml"
_LISTED = ("speaks", "same_service", "formats", "endpoints", "free_endpoints")
_LISTS = (
    "usage",
    "watch",
    "watch_values",
    "quiet",
    "begins",
    "unwrap",
    "id",
    "id_headers",
    "model",
    "error_code",
    "terminal",
    "sum",
    "need",
    "ignore",
    "headers",
    "request",
)


def load_data() -> CatalogData:
    """Return the compiled catalog: the wheel's, or the one that was kept while no file has changed."""
    with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return _unpacked(COMPILED.read_bytes())
    files = sources(FOLDER)
    place = home.locate()
    name = f"catalog-{_digest(files)}.msgpack"
    for folder in (BYTECODE, place.cache):
        with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
            return _unpacked((folder / name).read_bytes())
    data = read_catalog(files)
    try:
        _keep(BYTECODE / name, data)
    except OSError:
        with contextlib.suppress(OSError, StateDirectoryError):
            place.prepare()  # private from the first moment: a looser directory would be refused later
            _keep(place.cache / name, data)
    return data


def _keep(path: Path, data: CatalogData) -> None:
    home.replace_private(path, msgspec.msgpack.encode(data))
    for older in path.parent.glob("catalog-*.msgpack"):
        if older != path:
            older.unlink(missing_ok=True)


class _Packed(CatalogData, frozen=True):
    """What lies in the file, with that undecoded which is asked for by name."""

    endpoints: dict[str, msgspec.Raw]  # pyright: ignore[reportIncompatibleVariableOverride]  # not decoded
    formats: dict[str, msgspec.Raw]  # pyright: ignore[reportIncompatibleVariableOverride]  # not decoded


_decode_packed = msgspec.msgpack.Decoder(_Packed).decode


_Entry = TypeVar("_Entry")


class _Entries(Mapping[str, _Entry]):
    """Entries that are decoded when they are first asked for, and then kept."""

    def __init__(self, packed: dict[str, msgspec.Raw], decoder: msgspec.msgpack.Decoder[_Entry]) -> None:
        self._packed = packed
        self._decoder = decoder
        self._known: dict[str, _Entry] = {}

    def __getitem__(self, name: str) -> _Entry:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._decoder.decode(self._packed[name])
        return known

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


_endpoints_decoder = msgspec.msgpack.Decoder(tuple[EndpointData, ...])
_format_decoder = msgspec.msgpack.Decoder(UsageFormat)


def _unpacked(content: bytes) -> CatalogData:
    found = _decode_packed(content)
    entries: dict[str, Any] = {
        "endpoints": _Entries(found.endpoints, _endpoints_decoder),
        "formats": _Entries(found.formats, _format_decoder),
    }
    return CatalogData(**{**msgspec.structs.asdict(found), **entries})


def compile_catalog(folder: Path) -> bytes:
    """Return the catalog of a source tree as the wheel carries it."""
    return msgspec.msgpack.encode(read_catalog(sources(folder)))


def sources(folder: Path) -> list[Path]:
    """Return the files that the catalog is made of."""
    shared = [folder / name for name in (_ATTRIBUTION, _UNLISTED, _REQUEST_LIMITS)]
    return [*sorted(folder.glob("*/provider.yaml")), *shared]


def _digest(files: list[Path]) -> str:
    """Return a digest of what the sources are, from their metadata alone: starting is fast."""
    state = hashlib.sha256()
    for file in (*files, Path(__file__), FOLDER / "shape.py"):
        status = os.stat(file)  # noqa: PTH116
        state.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return state.hexdigest()[:24]


def read_catalog(files: list[Path]) -> CatalogData:
    """Return the catalog written in `files`; raise `CatalogError` with every problem."""
    from farebox import yamltext  # only where nothing is cached: a steady start reads no YAML

    findings: list[Finding] = []
    plain: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}
    vendors: tuple[Vendor, ...] = ()
    request_limits: RequestLimitsData | None = None
    for file in files:
        node, problems = yamltext.read(file)
        findings += problems
        if node is None or node.kind != "mapping":
            findings.append(Finding(str(file), 1, "", "nothing", "a provider"))
            continue
        raw = node.plain()
        if file.name == _ATTRIBUTION:
            try:
                vendors = read_vendors(raw)
            except (msgspec.ValidationError, KeyError, TypeError, ValueError) as error:
                findings.append(Finding(str(file), 1, "vendors", str(error), "vendors and their names"))
            continue
        if file.name == _REQUEST_LIMITS:
            try:
                request_limits = msgspec.convert(raw, RequestLimitsData, strict=False)
            except msgspec.ValidationError as error:
                findings.append(Finding(str(file), 1, "", str(error), "what decides the cost of a request"))
            continue
        name = file.stem if file.name == _UNLISTED else str(raw.get("id") or file.parent.name)
        plain[name] = raw
        origins[name] = str(file)
    providers: dict[str, ProviderData] = {}
    endpoints: dict[str, tuple[EndpointData, ...]] = {}
    formats: dict[str, UsageFormat] = {}
    unlisted: Unlisted | None = None
    for name, raw in plain.items():
        try:
            if origins[name].endswith(_UNLISTED):
                unlisted = msgspec.convert(
                    {"format": f"{name}/any", "shapes": raw["shapes"]}, Unlisted, strict=False
                )
                for reference in (unlisted.format, *(shape.format for shape in unlisted.shapes)):
                    formats[reference] = msgspec.convert(_format(reference, plain), UsageFormat, strict=False)
                continue
            resolved = _resolve(name, raw, plain)
            for reference in _references(resolved["endpoints"]):
                if reference not in formats:
                    spelled = _format(reference, plain)
                    formats[reference] = msgspec.convert(spelled, UsageFormat, strict=False)
            own = resolved.pop("endpoints")
            endpoints[name] = msgspec.convert(own, tuple[EndpointData, ...], strict=False)
            providers[name] = msgspec.convert(resolved, ProviderData, strict=False)
        except (msgspec.ValidationError, KeyError, TypeError, ValueError) as error:
            findings.append(Finding(origins[name], 1, name, str(error), "a valid provider"))
    if findings:
        raise CatalogError(findings)
    return CatalogData(providers, endpoints, formats, vendors, unlisted, request_limits)


def read_vendors(raw: dict[str, Any]) -> tuple[Vendor, ...]:
    """Return `attribution.yaml` with its shorthands spelled out."""

    def said(value: Any) -> dict[str, Any]:
        if isinstance(value, str):
            return {"attribution": value}
        spelled = _mapping(value)
        return {("kind" if key == "as" else key): entry for key, entry in spelled.items()}

    entries: list[dict[str, Any]] = []
    for vendor in raw["vendors"]:
        entry = dict(vendor)
        for place in ("headers", "body"):
            entry[place] = {str(name): said(value) for name, value in _mapping(entry.get(place)).items()}
        entries.append(entry)
    return msgspec.convert(entries, tuple[Vendor, ...])


def _resolve(name: str, raw: dict[str, Any], every: dict[str, dict[str, Any]]) -> dict[str, Any]:
    result = {key: value for key, value in raw.items() if key not in _LISTED}
    endpoints: list[dict[str, Any]] = []
    endpoints += [_own_endpoint(name, entry, raw) for entry in raw.get("endpoints") or ()]
    speaks = raw.get("speaks")
    if speaks:
        base = every[speaks]
        shadows = _mapping(raw.get("formats"))
        endpoints += [
            _own_endpoint(speaks, entry, base, shadows=shadows, owner=name)
            for entry in base.get("endpoints") or ()
            if entry.get("format") or entry.get("shared") or not entry.get("free") or raw.get("same_service")
        ]
    endpoints += [_own_endpoint(name, entry, raw) for entry in raw.get("free_endpoints") or ()]
    for entry in endpoints:
        entry["surface"] = f"{name}.{entry['surface']}"
        if isinstance(entry.get("method"), list):
            raise ValueError("method: one word per endpoint")
    for key in (
        "hosts",
        "places",
        "regions",
        "key_headers",
        "key_query",
        "grpc_packages",
        "headers_env",
        "model_prefixes",
    ):
        if key in result:
            result[key] = _many(result[key])
    if result.get("login"):
        login = _mapping(result["login"])
        facts = {name: _many(value) for name, value in _mapping(login.get("facts")).items()}
        result["login"] = {**login, "facts": facts}
    result["endpoints"] = endpoints
    return result


def _references(endpoints: list[dict[str, Any]]) -> list[str]:
    """Return the formats that endpoints name."""
    named = [
        reference
        for entry in endpoints
        for reference in (entry.get("format"), *_mapping(entry.get("by_model")).values())
    ]
    return [reference for reference in named if reference]


def _own_endpoint(
    home_of: str,
    entry: dict[str, Any],
    raw: dict[str, Any],
    *,
    shadows: dict[str, Any] | None = None,
    owner: str | None = None,
) -> dict[str, Any]:
    """Return an endpoint whose format references are absolute (`openai/chat`)."""
    own = dict(entry)

    def absolute(reference: str) -> str:
        if "/" in reference:
            return reference
        if owner is not None and shadows and reference in shadows:
            return f"{owner}/{reference}"
        if reference not in _mapping(raw.get("formats")) and raw.get("speaks"):
            return f"{raw['speaks']}/{reference}"
        return f"{home_of}/{reference}"

    if own.get("format"):
        own["format"] = absolute(own["format"])
    elif own.get("free"):
        own.setdefault("method", "*")
    if own.get("by_model"):
        own["by_model"] = {glob: absolute(reference) for glob, reference in own["by_model"].items()}
    return own


def _format(reference: str, every: dict[str, dict[str, Any]], depth: int = 0) -> dict[str, Any]:
    """Return a format with what it extends merged under it, in `UsageFormat`'s shape."""
    provider, _, name = reference.partition("/")
    if depth > 8:
        raise ValueError(f"{reference}: extends itself")
    formats = _mapping(every[provider].get("formats"))
    if name not in formats:
        raise ValueError(f"{reference}: no such format")
    own = _mapping(formats[name])
    base_name = own.pop("extends", None)
    merged: dict[str, Any] = {}
    if base_name:
        merged = dict(_format(_absolute(base_name, provider), every, depth + 1))
    merged.update(_normal(own))
    if "turns" in own:
        merged["turns"] = [
            {
                **turn,
                "model": _many(turn.get("model")),
                "format": _format(_absolute(turn["format"], provider), every, depth + 1),
            }
            for turn in own["turns"] or ()
        ]
    # Where a call is served is a fact of every call whose path or host says it.
    merged["facts"] = {"region": ["@path.region"], **_mapping(merged.get("facts"))}
    return {key: value for key, value in merged.items() if value is not None}


def _absolute(reference: str, provider: str) -> str:
    return reference if "/" in reference else f"{provider}/{reference}"


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(cast("list[Any]", value)) if isinstance(value, list) else [value]


def _mapping(value: Any) -> dict[str, Any]:
    return dict(cast("dict[str, Any]", value)) if isinstance(value, dict) else {}


def _take(value: Any) -> dict[str, Any]:
    spelled = _mapping(value)
    return (
        {"at": _many(spelled["at"]), "less": _many(spelled.get("less"))} if spelled else {"at": _many(value)}
    )


def _normal(own: dict[str, Any]) -> dict[str, Any]:
    """Return a format as written by hand with every shorthand spelled out."""
    result = dict(own)
    for key in _LISTS:
        if key in result:
            result[key] = _many(result[key])
    if "tokens" in result:
        result["tokens"] = [
            {
                "total": _many(group["total"]),
                "rest": group["rest"],
                "inside": {leaf: _take(value) for leaf, value in _mapping(group.get("inside")).items()},
            }
            for group in result["tokens"] or ()
        ]
    if "counts" in result:
        result["counts"] = [
            {
                **count,
                "at": _many(count.get("at")),
                **{key: _many(count[key]) for key in ("models", "unless") if key in count},
            }
            for count in result["counts"] or ()
        ]
    if "facts" in result:
        result["facts"] = {name: _many(value) for name, value in _mapping(result["facts"]).items()}
    if result.get("cost"):
        cost = result["cost"]
        result["cost"] = {**cost, "at": _many(cost["at"])}
    if result.get("split"):
        split = dict(result["split"])
        if "when_kinds" in split:
            split["when_kinds"] = _many(split["when_kinds"])
        result["split"] = split
    if "not_billable" in result:
        result["not_billable"] = [
            {**rule, "values": _many(rule["values"])} for rule in result["not_billable"] or ()
        ]
    unknown = sorted(set(result) - {field.name for field in msgspec.structs.fields(UsageFormat)})
    if unknown:
        raise ValueError(f"unknown keys of a format: {', '.join(unknown)}")
    return result
