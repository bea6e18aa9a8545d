"""What the SDKs in other languages need of the catalog: who is behind a host, and which fields say usage.

They read no usage themselves. They cut a request and a response down to what some format of the catalog
reads, and the collector reads that. `make docs` writes the two files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from farebox.catalog.loading import load_data
from farebox.catalog.shape import UsageFormat
from farebox.wire.framing.largejson import wanted
from farebox.wire.usage.compiled_format import plan_for
from farebox.wire.usage.json_reader import Reader

SCALAR, USAGE, MARK, LENGTH, ROOT = "scalar", "usage", "mark", "length", "root"
"""What is kept at a place: a number or a short text; an object of counts; that there is something; how long
its text is; what is kept of a whole document."""
_ERROR = "error"
_LENGTHS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_ENDS: dict[str, Any] = {"output": {"choices": {"finish_reason": SCALAR}, "finish_reason": SCALAR}}
"""Where streams say how they end, beside the places that formats read."""
_USERS = "metadata"
"""Holds usage at some providers, and at others what the program itself sent along: of that, only usage."""
_REQUEST: dict[str, Any] = {
    "model": SCALAR,
    "stream": SCALAR,
    "stream_options": {"include_usage": SCALAR},
    **dict.fromkeys(_LENGTHS, SCALAR),
    "generationConfig": {"maxOutputTokens": SCALAR},
    "inferenceConfig": {"maxTokens": SCALAR},
}


def catalog_data() -> dict[str, Any]:
    """Return hosts, headers, and the trees of what is kept of requests and responses."""
    data = load_data()
    formats = [form for form in data.formats.values() if form.protobuf is None]
    response: dict[str, Any] = {}
    request = json.loads(json.dumps(_REQUEST))
    _merge(response, _ENDS)
    _merge(response, {_USERS: {"usage": USAGE}})
    headers = {"content-type"}
    anywhere: set[str] = set()
    for form in formats:
        _merge(response, _response_tree(form))
        anywhere |= {text.partition("=")[0] for text in (*form.terminal, *form.watch_values)}
        headers |= {*form.headers, *form.id_headers}
        for rule in form.counts:
            for path in rule.at:
                if path.startswith("@request."):
                    _put(request, path.removeprefix("@request."), LENGTH if rule.length else SCALAR)
        for place in form.not_billable:
            if place.at.startswith("@request."):
                _put(request, place.at.removeprefix("@request."), MARK)
    for unwrapped in sorted({key for form in formats for key in form.unwrap} - {_USERS}):
        inner = response.get(unwrapped)
        response[unwrapped] = {**(inner if isinstance(inner, dict) else {}), "@": ROOT}
    return {
        "anywhere": sorted(name for name in anywhere if name[:1] not in ("@", "[")),
        "headers": sorted(headers),
        "hosts": {host: provider.id for provider in data.providers.values() for host in provider.hosts},
        "request": _sorted(request),
        "response": _sorted(response),
    }


def javascript() -> str:
    """Return `sdk/node/src/catalog.js`."""
    text = json.dumps(catalog_data(), separators=(",", ":"))
    return f"// Made from the catalog by `make docs`; do not edit.\nexport const CATALOG = {text};\n"


def go_json() -> str:
    """Return `sdk/go/catalog.json`, which the package embeds."""
    return json.dumps(catalog_data(), separators=(",", ":")) + "\n"


def _response_tree(form: UsageFormat) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    places = [place for place in form.usage if place != "."]
    for path in _paths(form, places):
        if path != _ERROR and path not in places and path not in form.unwrap:
            _put(tree, path, SCALAR)
    for rule in plan_for(form).counts:
        for path in (*rule.rule.at, *rule.rule.also):
            _put(tree, path, MARK if rule.deep and "=" not in path else SCALAR)
    if form.split is not None and form.split.usage is not None:
        _put(tree, f"{form.split.at}.{form.split.usage}", USAGE)
    for place in places:
        if form.mixed:
            for path in (*_token_paths(form), *_counted_in_usage(form)):
                _put(tree, f"{place}.{path}", SCALAR)
        else:
            _put(tree, place, USAGE)
    tree[_ERROR] = {"code": SCALAR, "type": SCALAR, "status": SCALAR, "@": MARK}
    return tree


def _counted_in_usage(form: UsageFormat) -> list[str]:
    paths = [path for rule in form.counts for path in rule.at]
    return [path.removeprefix("usage.") for path in paths if path.startswith("usage.")]


def _paths(form: UsageFormat, places: list[str]) -> Iterable[str]:
    counted = {path for count in form.counts for path in (*count.at, *count.also)}
    return [path for path in Reader._interesting(form, places) if path not in counted]  # pyright: ignore[reportPrivateUsage]


def _token_paths(form: UsageFormat) -> list[str]:
    groups = [path for group in form.tokens for path in group.total]
    inside = [path for group in form.tokens for take in group.inside.values() for path in take.at]
    return [*groups, *inside, *form.sum]


def _put(tree: dict[str, Any], path: str, leaf: str) -> None:
    if "@" not in path:  # what stands in headers, in the path, in the request
        _merge(tree, _leaves(wanted([path]), leaf))


def _leaves(tree: dict[bytes, Any], leaf: str) -> dict[str, Any]:
    return {
        key.decode(): leaf if inner is None else _leaves(inner, leaf) if inner else leaf
        for key, inner in tree.items()
    }


_RANK = {MARK: 0, LENGTH: 0, SCALAR: 1, USAGE: 3}


def _merge(into: dict[str, Any], new: dict[str, Any]) -> None:
    """Merge trees: where two formats keep something else at a place, what keeps more stands."""
    for key, value in new.items():
        old = into.get(key)
        if old is None:
            into[key] = json.loads(json.dumps(value))
        elif isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value)
        elif _rank(value) > _rank(old):
            into[key] = json.loads(json.dumps(value))


def _rank(value: Any) -> int:
    return 2 if isinstance(value, dict) else _RANK[value]


def _sorted(tree: Any) -> Any:
    return {key: _sorted(tree[key]) for key in sorted(tree)} if isinstance(tree, dict) else tree
