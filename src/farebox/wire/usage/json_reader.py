"""Read one JSON document (a body, or a stream event) for what a format says matters.

Only the keys of interest are decoded; the rest of the document is skipped at C speed. Numbers with
a fraction become `Decimal`: money and seconds are never floats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

import msgspec
from msgspec.structs import astuple

from farebox.catalog.shape import UsageFormat
from farebox.wire.framing.largejson import prune, repaired, wanted
from farebox.wire.http.paths import first_key, getter

SMALL_BYTES = 64 * 1024
"""A document up to this size is read at once, a larger one cut down first."""

decode_any = msgspec.json.Decoder(float_hook=Decimal).decode
"""Decode JSON text with exact numbers."""
_DEPTH_MAX = 128
_EVENT_BYTES = 4096
"""Looking through a larger document for the beginning of usage takes longer than looking where it can be."""
_ESCAPED_LETTER = b"\\u00"
encode_any = msgspec.json.Encoder(decimal_format="number").encode
"""Encode to JSON text with `Decimal`s as numbers."""


class Document:
    """The interesting part of one JSON document: its fields, and the usage text verbatim."""

    __slots__ = ("fields", "usage", "usage_text")

    def __init__(self, fields: dict[str, Any], usage: Any, usage_text: bytes | None) -> None:
        self.fields = fields
        self.usage = usage
        self.usage_text = usage_text


class Reader:
    """A format compiled for reading documents. Immutable; one per format and process."""

    def __init__(self, form: UsageFormat) -> None:
        self.format = form
        self.usage_in_body = "." in form.usage
        self._usage_keys = _token_keys(form) if self.usage_in_body else frozenset[str]()
        places = [path for path in form.usage if path != "."]
        self.usage_raw = tuple(path for path in places if "." not in path)
        """Usage places at the top level: kept as text, so that they can be stored verbatim."""
        self.usage_deep = tuple((path, getter(path)) for path in places if "." in path)
        names_of_usage = tuple(path.rpartition(".")[2] for path in places)
        named = self.usage_deep and not self.usage_in_body and all(map(str.isidentifier, names_of_usage))
        self._opens = key_pattern(names_of_usage) if named else None
        """What stands in a document with usage, where its places have names that can be looked for."""
        paths = self._interesting(form, places)
        self._several = len(places) > 1
        self.keys = _first_keys(paths)
        """What is decoded: first what is kept as text, then what is read at once."""
        self.keep = wanted(path for path in paths if not path.startswith("@"))
        """What a large document is cut down to."""
        self.keep |= {key.encode(): self.keep for key in form.unwrap}
        self.watched = tuple(form.watch) or names_of_usage
        names = {f"f{index}": key for index, key in enumerate(self.keys)}
        raw = frozenset((*form.unwrap, *self.usage_raw))
        self.unwrapped = tuple(name for name, key in names.items() if key in form.unwrap)
        self._usage_names = tuple(
            name for place in self.usage_raw for name, key in names.items() if key == place
        )
        self._raws = len(raw)
        self._plain_keys = self.keys[len(raw) :]
        self._struct = msgspec.defstruct(
            "Body",
            [(name, msgspec.Raw if key in raw else Any, None) for name, key in names.items()],
            rename=names,
            gc=False,
        )
        self.decode_struct = msgspec.json.Decoder(self._struct, float_hook=Decimal).decode

    @staticmethod
    def _interesting(form: UsageFormat, places: list[str]) -> list[str]:
        """Return every path that matters, those whose values are kept as text first."""
        paths: list[str] = [
            *form.unwrap,
            *(path for path in places if "." not in path),
            *places,
            *form.id,
            *form.model,
            *form.error_code,
            "error",
            "type",
        ]
        for count in form.counts:
            paths += (*count.at, *count.also)
        for options in form.facts.values():
            paths += options
        paths += [rule.at for rule in form.not_billable]
        if form.cost is not None:
            paths += [*form.cost.at, *(extra.at for extra in form.cost.add)]
        for turn in form.turns:
            paths += turn.model
        if form.split is not None:
            at, usage = form.split.at, form.split.usage
            inner = [path for path in (usage, form.split.model, form.split.kind) if path and usage]
            paths += [f"{at}.{path}" for path in inner] or [at]
        if "." in form.usage:
            paths += _token_paths(form)
        return paths

    def read(self, text: bytes) -> Document:
        """Return what matters in one JSON object; raise `msgspec.DecodeError` and kin on bad JSON.

        What nobody reads may be wrong or deeper than a strict reader goes.
        """
        try:
            return self.document(self.decode_struct(text), states=self._may_state(text))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return self.read_strictly(repaired(prune(text, self.keep)))

    def read_strictly(self, text: bytes) -> Document:
        """Return what matters in one JSON object of which nothing is wrong."""
        return self.document(self.decode_struct(text))

    def _may_state(self, text: bytes) -> bool:
        """Return whether usage can be in a document: most events of a stream are small and have none."""
        opens = self._opens
        if opens is None or len(text) > _EVENT_BYTES:
            return True
        return opens.search(text) is not None or _ESCAPED_LETTER in text

    def document(self, body: Any, *, states: bool = True) -> Document:
        """Return the document of a decoded struct, looking inside what the format unwraps.

        `states`: there may be usage in it.
        """
        if not self.unwrapped:
            # Keys that are not there are in it as None: telling them apart takes longer.
            fields = dict(zip(self._plain_keys, astuple(body)[self._raws :], strict=True))
            usage, text_of_usage = self._usage(body, fields) if states else (None, None)
            return Document(fields, usage, text_of_usage)
        for name in self.unwrapped:
            inner = getattr(body, name)
            if inner is not None:
                text = bytes(inner)
                if text.lstrip()[:1] == b"{":
                    nested = self.read(text)
                    outer = self._fields(body)
                    outer.update(nested.fields)
                    if nested.usage is None:
                        nested.usage, nested.usage_text = self._usage(body, outer)
                    nested.fields = outer
                    return nested
        fields = self._fields(body)
        usage, text_of_usage = self._usage(body, fields)
        return Document(fields, usage, text_of_usage)

    def _fields(self, body: Any) -> dict[str, Any]:
        pairs = zip(self._plain_keys, astuple(body)[self._raws :], strict=True)
        return {key: value for key, value in pairs if value is not None}

    def _stated(self, body: Any, fields: dict[str, Any]) -> Iterator[tuple[Any, bytes]]:
        """Yield the usage objects of a document that are not empty, best place first."""
        for name in self._usage_names:
            raw = getattr(body, name)
            if raw is not None:
                text = bytes(raw)
                value = decode_any(text)
                if isinstance(value, dict) and value:
                    yield value, text
        for _, read in self.usage_deep:
            value = read(fields)
            if isinstance(value, dict) and value:
                yield value, encode_any(value)

    def _usage(self, body: Any, fields: dict[str, Any]) -> tuple[Any, bytes | None]:
        zero: tuple[Any, bytes | None] | None = None
        for value, text in self._stated(body, fields):
            if not self._several or counts_anything(value):
                return value, text
            zero = zero or (value, text)
        if zero is not None:
            return zero
        if self.usage_in_body:
            wanted = self._usage_keys
            found = {key: value for key, value in fields.items() if value is not None and key in wanted}
            if found:
                return found, None
        return None, None


def counts_anything(value: Any, depth: int = 0) -> bool:
    """Return whether a decoded value says more than zero; texts beside counts say nothing."""
    if not isinstance(value, list | dict):
        return isinstance(value, bool) or bool(value)
    if depth < _DEPTH_MAX:
        for entry in cast("list[Any]", value if isinstance(value, list) else value.values()):  # pyright: ignore[reportUnknownMemberType]
            if not isinstance(entry, str) and counts_anything(entry, depth + 1):
                return True
    return False


def _first_keys(paths: list[str]) -> tuple[str, ...]:
    terms = (first_key(term.strip()) for path in paths for term in path.split(" + "))
    return tuple(dict.fromkeys(key for key in terms if key and not key.startswith("@")))


def _token_paths(form: UsageFormat) -> list[str]:
    """Return every path into a usage object that a format names."""
    paths: list[str] = [*form.ignore, *form.sum, *form.need]
    for group in form.tokens:
        paths += group.total
        for take in group.inside.values():
            paths += (*take.at, *take.less)
    return paths


def _token_keys(form: UsageFormat) -> frozenset[str]:
    terms = (term for path in _token_paths(form) for term in path.split(" + "))
    return frozenset(first_key(term.strip()) for term in terms)


def key_pattern(keys: tuple[str, ...], opening: bytes = rb"\{") -> re.Pattern[bytes]:
    """Return a pattern that finds `"key": {` in an event, also where `data:` lines break it."""
    never = rb"[^\sd" + opening.strip(b"[]") + b"]"
    return re.compile(b"|".join(_key(key, never) + opening for key in sorted(set(keys))))


def _key(key: str, never: bytes) -> bytes:
    """Return the pattern of a key and its colon, for keys whose value does not start with `never`.

    It starts with the letters and looks back at the quote: that is searched for twice as fast. A
    key may stand in every event with a null, which is told before anything else is tried.
    """
    name = re.escape(key.encode())
    return name + b'"(?!:' + never + b')(?<="' + name + rb'")(?:\s|data:)*+:(?:\s|data:)*+'


_MARK_BYTES = 5


def marks_of(form: UsageFormat) -> tuple[bytes, ...]:
    """Return short texts of which one stands in every event that is watched for, none where there are none.

    CPython searches for at most five bytes by skipping ahead, which takes a quarter of the time of a
    pattern: most events of a stream are passed over so. Of several texts one with rare letters is best.
    """
    paths = {
        term
        for group in form.tokens
        for at in (group.total, *(take.at for take in group.inside.values()))
        for path in at
        for term in path.split(" + ")
    }
    values = {f'{value}"' for each in form.watch_values for value in each.partition("=")[2].split("|")}
    if (
        not paths
        or any(path.lstrip()[:1] == "@" for path in paths)
        or not all(map(_is_plain, form.watch_values))
    ):
        return ()
    marks = [mark for mark in (_shared(paths), _shared(values) if values else "") if mark is not None]
    return tuple(mark.encode() for mark in marks if mark) if len(marks) == 2 else ()


def _is_plain(condition: str) -> bool:
    """Return whether a condition is one text or another, not a flag or anything at all."""
    return condition[:1] != "[" and condition.partition("=")[2] not in ("*", "true", "false")


def _shared(texts: set[str]) -> str | None:
    """Return what of five bytes stands in all of some texts."""
    pieces = set[str].intersection(
        *({text[at : at + _MARK_BYTES] for at in range(len(text) - _MARK_BYTES + 1)} for text in texts)
    )
    pieces = {piece for piece in pieces if piece.replace('"', "").isidentifier()}
    return min(
        pieces, key=lambda piece: (sum(piece.count(letter) for letter in "etaoinsr"), piece), default=None
    )


def value_pattern(conditions: tuple[str, ...]) -> re.Pattern[bytes] | None:
    """Return a pattern for `key=value`, `key=a|b` and `key=*` (anything but null)."""
    options: list[bytes] = []
    for condition in conditions:
        if condition.startswith("["):
            options.append(re.escape(condition.encode()))
            continue
        key, _, value = condition.partition("=")
        if value == "*":
            options.append(_key(key, b"null") + b"(?!null)[^\\s]")
        elif value in ("true", "false"):
            options.append(_key(key, rb"[^\sdtf]") + value.encode())
        else:
            names = b"|".join(re.escape(name.encode()) for name in value.split("|"))
            options.append(_key(key, rb'[^\sd"]') + b'"(?:' + names + b')"')
    return re.compile(b"|".join(options)) if options else None


_NEAR, _NEAR_IN = 128, 1024
"""Most ends are in the last bytes: of a longer text they are searched first."""


class Ends:
    """What a complete stream ends with, any of several texts.

    Each is searched for by itself: a pattern of alternatives is tried at every byte, one that starts
    with letters is found ten times as fast.
    """

    __slots__ = ("_patterns",)

    def __init__(self, conditions: tuple[str, ...]) -> None:
        patterns = (value_pattern((condition,)) for condition in conditions)
        self._patterns = tuple(pattern for pattern in patterns if pattern is not None)

    def search(self, text: bytes) -> re.Match[bytes] | None:
        size = len(text)
        for pattern in self._patterns:
            match = (size > _NEAR_IN and pattern.search(text, size - _NEAR)) or pattern.search(text)
            if match is not None:
                return match
        return None


def ends(conditions: tuple[str, ...]) -> Ends | None:
    return Ends(conditions) if conditions else None


def empty_document() -> Document:
    return Document({}, None, None)
