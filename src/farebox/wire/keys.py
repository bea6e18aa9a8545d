"""What looks like an API key, and records without it.

A key has no business in what is written down, but whoever is at the other end decides what an id, a
model's name or a usage object holds, and clients put keys into paths and labels. What looks like a key
goes, and so does the very key of the request, whatever it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import msgspec

from farebox.wire.facts import Extraction, Part
from farebox.wire.usage.json_reader import decode_any, encode_any

SHOWN = "[key]"
KEY_LENGTH_MIN = 16
"""A shorter key of a request (`EMPTY`, `ollama`, `test`) is a word that may stand anywhere."""
TEXT_MAX = 256

_LONG_RUN = r"[\w-]*?[A-Za-z0-9]{16}[\w-]*"
_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk[-_](?=[\w-]*\d)[\w-]{8,}"
    rf"|(?:pk|rk|csk|tvly|pplx|nvapi|xai|key|glpat|xox[a-z])-(?=[\w-]*\d){_LONG_RUN}"
    r"|fbx_[a-z]+_[\w-]{16,}"
    rf"|(?:gsk|hf|r8|fw|gh[opsu]|github_pat|tgp_v1|dapi|pk|rk)_(?=[\w-]*\d){_LONG_RUN}"
    r"|AIza[\w-]{16,}|A[KS]IA[A-Z0-9]{12,}|AQ\.[\w-]{30,}|ya29\.[\w-]{16,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?)",
    re.ASCII,
)
"""The beginnings that providers, clouds and code hosts give their keys so that scanners find them."""

_SEGMENT = re.compile(
    r"(?<![A-Za-z0-9_.%-])(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{24,}(?![\w.%-])", re.ASCII
)
"""A path's segment that is one long run of letters and digits. Ids have a word before it (`resp_…`), or
dashes in it, as UUIDs do."""

_WINDOW = TEXT_MAX // 2
_SMALL = 2 * TEXT_MAX
"""A usage object of this size is small enough, whatever it holds."""


def without_keys(text: str, key: str = "") -> str:
    """Return a text without whatever looks like a key, and without `key`."""
    if key and key in text:
        text = text.replace(key, SHOWN)
    return _KEY.sub(SHOWN, text)


def path_without_keys(path: str, key: str = "") -> str:
    """Return a path as records may show it."""
    return _SEGMENT.sub(SHOWN, without_keys(path, key))


def redacted(found: Extraction, key: str = "") -> Extraction:
    """Return what was found without keys, in any of its texts, and with none over its length.

    `key`: the request's own, empty where there is none. What has none, nearly everything, is returned
    as it is after a look that takes a microsecond.
    """
    parts = found.parts
    if len(parts) < 2 and not found.flags and found.error_code is None:
        texts = [found.response_id or "", found.request_model or "", found.response_model or ""]
        if parts:
            texts += parts[0].facts.values()
        said = "\n".join(texts)
        if (
            _KEY.search(said) is None
            and (len(said) <= TEXT_MAX or max(map(len, texts)) <= TEXT_MAX)
            and not (key and key in said)
            and not _suspect_usage(found.raw_usage, key)
        ):
            return found

    def clean(text: str) -> str:
        return without_keys(text, key)[:TEXT_MAX]

    def some(text: str | None) -> str | None:
        return None if text is None else clean(text)

    return msgspec.structs.replace(
        found,
        parts=tuple(_part(part, clean, some) for part in found.parts),
        reason=some(found.reason),
        response_id=some(found.response_id),
        request_model=some(found.request_model),
        response_model=some(found.response_model),
        raw_usage=_usage(found.raw_usage, key),
        error_code=some(found.error_code),
        flags=tuple(clean(flag) for flag in found.flags),
    )


def _part(part: Part, clean: Callable[[str], str], some: Callable[[str | None], str | None]) -> Part:
    return msgspec.structs.replace(
        part,
        request_model=some(part.request_model),
        response_model=some(part.response_model),
        kind=clean(part.kind),
        facts={name: clean(value) for name, value in part.facts.items()},
    )


def _suspect_usage(text: str | None, key: str) -> bool:
    """Judge a usage object's text. Without a dash or a capital it holds no key: most have neither."""
    if text is None:
        return False
    if ("-" in text or text.lower() != text) and _KEY.search(text) is not None:
        return True
    return (key != "" and key in text) or (len(text) > _SMALL and _has_long_text(text))


def _has_long_text(text: str) -> bool:
    """Return whether a string in a JSON text is over its length: quotes are far apart then."""
    far = any(text.find('"', at, at + _WINDOW) < 0 for at in range(0, len(text) - _WINDOW, _WINDOW))
    return far and max(map(len, text.split('"'))) > TEXT_MAX


def _usage(text: str | None, key: str) -> str | None:
    if not _suspect_usage(text, key) or text is None:
        return text
    try:
        return encode_any(_walked(decode_any(text.encode()), key, 0)).decode()
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def _walked(value: Any, key: str, depth: int) -> Any:
    if isinstance(value, str):
        return without_keys(value, key)[:TEXT_MAX]
    if isinstance(value, dict) and depth < 128:
        fields = cast("dict[str, Any]", value)
        return {
            without_keys(name, key)[:TEXT_MAX]: _walked(field, key, depth + 1)
            for name, field in fields.items()
        }
    if isinstance(value, list) and depth < 128:
        return [_walked(item, key, depth + 1) for item in cast("list[Any]", value)]
    return cast("Any", value)
