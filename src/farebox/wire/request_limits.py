"""What a request's body says about how much its call can cost at most.

Read in the one pass that reads a request anyway, and only where budgets exist: `LimitKeys` is the catalog's
`request_limits.yaml`, compiled. Nothing is tokenised: text has at most as many tokens as bytes, and what may
have more (a picture, a link, a stored conversation) is recognised and named as a cause.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from farebox.catalog.shape import RequestLimitsData
from farebox.wire.request_keys import LimitedBody

CacheWrites = Literal["none", "5m", "1h"]

MEDIA = "media"
NOT_READ = "body_not_read"

Headers = Sequence[tuple[bytes, bytes]]

_KINDS_MAX = 4096
_CAUSES_MAX = 32
_TEXT_MAX = 64
_CHOICES_MAX = 10_000
_OVERLAP = 64
"""Longer than any mark: one may come in two pieces."""


class RequestKind(msgspec.Struct, frozen=True, omit_defaults=True):
    """What requests have in common that can cost the same by the token. Hashable."""

    facts: tuple[tuple[str, str], ...] = ()
    """What is asked for that moves the rate: `service_tier`, `speed`, `geo` …, in lower case."""
    causes: tuple[str, ...] = ()
    """Why its bytes do not bound what is read for it: `media`, `previous_response_id`, `web_search` …"""
    writes: CacheWrites = "none"
    """For how long it marks text to be cached."""
    has_tools: bool = False
    is_wide: bool = False
    """It asks for a context window wider than the model's usual one."""
    lengths: str = ""
    """By which names it says how long a response may be, blanks between them."""


class RequestLimits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a request allows its call to use."""

    kind: RequestKind
    body_bytes: int
    """Of the decoded body."""
    choices: int = 1
    """How many responses it asks for."""


PLAIN = RequestKind()

_MANY_BLANKS = r"(?:\s{9,40}:|\s{41}|\s{0,8}:\s{9})"
_ESCAPE = b"\\u00"
_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\u00[4-7][0-9a-fA-F]")
"""A letter written as an escape: no encoder does that, and what is looked for could be hidden behind it."""

_decode_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


class LimitKeys:
    """The keys and marks that decide what a call can cost, compiled from the catalog."""

    def __init__(self, data: RequestLimitsData) -> None:
        self._data = data
        self._reasons = frozenset((*data.input_elsewhere, *data.other_work))
        self._client_keys = frozenset(data.client_tool_keys)
        self._server_keys = frozenset(data.server_tool_keys)
        self._kinds: dict[RequestKind, RequestKind] = {PLAIN: PLAIN}
        self._plain = {"": PLAIN}
        """Kinds of requests that say how long a response may be, and nothing else."""
        asked = [path.partition(".")[0] for fact in data.facts.values() for path in fact.asked]
        wide = data.wide_window
        every = (*data.input_elsewhere, *data.other_work, *data.choices, *asked, wide.body)
        every = (*every, "parameters", "toolConfig", "generation_config")
        self._wide_header, self._wide_mark = wide.header.encode(), wide.mark.encode()
        self.keys: tuple[str, ...] = (*dict.fromkeys(every), "prompt", "tools")
        """Keys of the body's top level that are looked at; `tools` is the last."""
        self.body = LimitedBody(self.keys)
        """Decodes an ordinary small body that has any of them."""
        self._pattern = _pattern(data)
        self._anything = _anything(data, self.keys)

    def plain(self, text: bytes, headers: Headers) -> bool:
        """Return whether nothing in a body says more than its size and how long a response may be."""
        if self._anything.search(text) is not None or _has_letters_escaped(text):
            return False
        return not self._asks_wide(headers)

    def of_plain(self, body_bytes: int, lengths: str) -> RequestLimits:
        """Return the limits of such a body."""
        kind = self._plain.get(lengths)
        if kind is None:
            kind = self._plain[lengths] = self._interned(RequestKind(lengths=lengths))
        return RequestLimits(kind, body_bytes)

    def marks(self, headers: Headers = (), whole: bytes | None = None) -> Marks:
        """Return a search for what has more tokens than bytes, and for text that is to be cached: in the
        `whole` text, or in the pieces it is fed."""
        marks = Marks(self._pattern)
        marks.is_wide = self._asks_wide(headers)
        if whole is not None:
            marks.feed(whole, whole=True)
        return marks

    def limits(self, body: Mapping[str, Any], marks: Marks, lengths: str) -> RequestLimits:
        """Return what a request allows, by the keys of its body and the marks in its text."""
        if marks.is_disguised:
            return self.not_read(marks.body_bytes)
        causes = {key for key in self._reasons & body.keys() if body[key]}
        if marks.media:
            causes.add(MEDIA)
        if isinstance(body.get("prompt"), dict):
            causes.add("prompt")
        tools = body.get("tools")
        if tools:
            causes.update(self._server_tools(tools))
        places = (body, *(body.get(key) for key in ("generationConfig", "generation_config", "parameters")))
        wide = self._data.wide_window
        if len(causes) > _CAUSES_MAX:
            causes = {NOT_READ, *sorted(causes)[:_CAUSES_MAX]}
        kind = RequestKind(
            facts=tuple(self._facts(body)),
            causes=tuple(sorted(causes)),
            writes=marks.writes,
            has_tools=bool(tools) or bool(body.get("toolConfig")),
            is_wide=marks.is_wide or wide.mark in str(body.get(wide.body)),
            lengths=lengths,
        )
        choices = max(self._choices(place) for place in places)
        return RequestLimits(self._interned(kind), marks.body_bytes, choices)

    def not_read(self, body_bytes: int) -> RequestLimits:
        """Return the limits of a request whose body is not understood: it may ask for anything."""
        kind = RequestKind(causes=(NOT_READ,), writes="1h", has_tools=True, is_wide=True)
        return RequestLimits(self._interned(kind), body_bytes)

    def _asks_wide(self, headers: Headers) -> bool:
        wide = self._wide_header
        for name, value in headers:  # noqa: SIM110  # a generator would take longer than all the rest
            if name == wide and self._wide_mark in value:
                return True
        return False

    def _interned(self, kind: RequestKind) -> RequestKind:
        known = self._kinds.get(kind)
        if known is None:
            if len(self._kinds) >= _KINDS_MAX:
                self._kinds.clear()
            known = self._kinds[kind] = kind
        return known

    def _server_tools(self, tools: Any) -> Iterator[str]:
        """Yield the tools that the provider runs."""
        if isinstance(tools, msgspec.Raw):
            try:
                tools = _decode_tools(tools)
            except msgspec.MsgspecError:
                tools = None
        entries = cast("list[Any]", tools) if isinstance(tools, list) else [None]
        for tool in entries:
            keys = set(cast("dict[str, Any]", tool)) if isinstance(tool, dict) else {"tools"}
            yield from (key for key in keys & self._server_keys)
            kind = cast("dict[str, Any]", tool)["type"] if "type" in keys else None
            if isinstance(kind, msgspec.Raw):
                kind = bytes(kind).decode("utf-8", "replace").strip('"')
            if isinstance(kind, str):
                if not kind.startswith(self._data.client_tools):
                    yield kind[:_TEXT_MAX]
            elif not keys & self._client_keys and not keys & self._server_keys:
                yield "tools"

    def _choices(self, place: Any) -> int:
        if not isinstance(place, dict):
            return 1
        stated = cast("dict[str, Any]", place)
        asked = [_whole(stated[key]) for key in self._data.choices if stated.get(key)]
        return max(1, min(max(asked, default=1), _CHOICES_MAX))

    def _facts(self, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for name, fact in self._data.facts.items():
            for path in fact.asked:
                value: Any = body
                for step in path.split("."):
                    value = cast("dict[str, Any]", value).get(step) if isinstance(value, dict) else None
                if isinstance(value, dict):
                    value = cast("dict[str, Any]", value).get("type")
                if isinstance(value, str) and value and value.lower() not in fact.open:
                    yield name, value.lower()[:_TEXT_MAX]
                    break


def _has_letters_escaped(text: bytes) -> bool:
    return b"\\" in text and _ESCAPE in text and _ESCAPED.search(text) is not None


def _whole(value: Any) -> int:
    """Return a number as a lenient server would read it, up to the next whole one."""
    try:
        return math.ceil(float(value)) if isinstance(value, int | float | str) else 1
    except (ValueError, OverflowError):
        return 1


class Marks:
    """What stands somewhere inside a body. Feed it the text in any pieces."""

    __slots__ = ("_pattern", "_seam", "body_bytes", "is_disguised", "is_wide", "media", "writes")

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._pattern = pattern
        self._seam = b""
        self.body_bytes = 0
        self.media = False
        self.is_wide = False
        self.is_disguised = False
        """It is written so that marks could be passed over: letters as escapes, many blanks at a colon."""
        self.writes: CacheWrites = "none"

    def feed(self, text: bytes, *, whole: bool = False) -> None:
        """Take in the next piece, or the `whole` text."""
        self.body_bytes += len(text)
        if self._seam:
            self._look(self._seam + text[:_OVERLAP])
        self._look(text)
        if not whole:
            self._seam = (self._seam + text)[-_OVERLAP:] if len(text) < _OVERLAP else text[-_OVERLAP:]

    def _look(self, text: bytes) -> None:
        if _has_letters_escaped(text):
            self.is_disguised = True
        for match in self._pattern.finditer(text):
            name = match.lastgroup
            if name == "media":
                self.media = True
            elif name == "blanks":
                self.is_disguised = True
            elif name == "hour":
                self.writes = "1h"
            elif self.writes == "none":
                self.writes = "5m"


def _anything(data: RequestLimitsData, keys: tuple[str, ...]) -> re.Pattern[bytes]:
    """Return what a body has in it that needs a closer look. Letters in common are looked at once: it is
    tried at every quote of the text."""
    words = (*keys, *data.media_keys, *data.media_objects, *data.cache_marks)
    kinds = rf'\s{{0,8}}:\s{{0,8}}"(?:{_tree(data.media_types)})'
    text = rf'"(?:(?:{_tree(words)})"|type"(?:{kinds}|{_MANY_BLANKS}))'
    return re.compile(text.encode())


def _tree(words: Iterable[str]) -> str:
    """Return a pattern for any of `words` that tells them apart letter by letter."""
    followers: dict[str, list[str]] = {}
    for word in dict.fromkeys(words):
        followers.setdefault(word[:1], []).append(word[1:])
    ends = "" in followers
    branches = [re.escape(letter) + _tree(rest) for letter, rest in followers.items() if letter]
    if not branches:
        return ""
    text = branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"
    return f"(?:{text})?" if ends else text


def _pattern(data: RequestLimitsData) -> re.Pattern[bytes]:
    """Return what a mark looks like in JSON. Inside a string its quotes would be escaped."""
    blank = r"\s{0,8}"
    media = (
        rf'type"{blank}:{blank}"(?:{_tree(data.media_types)})(?:_url)?"'
        rf'|(?:{_tree(data.media_keys)})"{blank}:'
        rf'|(?:{_tree(data.media_objects)})"{blank}:{blank}[\[{{]'
    )
    names = ("type", "ttl", *data.media_keys, *data.media_objects)
    blanks = rf'(?:{_tree(names)})"{_MANY_BLANKS}'
    hour = rf'ttl"{blank}:{blank}"{re.escape(data.cache_hour)}"'
    cache = rf'(?:{_tree(data.cache_marks)})"'
    text = rf'"(?:(?P<media>{media})|(?P<hour>{hour})|(?P<blanks>{blanks})|(?P<cache>{cache}))'
    return re.compile(text.encode())
