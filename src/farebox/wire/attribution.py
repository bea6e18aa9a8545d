"""Read whose call it is out of headers and bodies, by the catalog's list of other products' names.

Pure. Secrets are handed to a keyed hash of the caller's and never returned as they are.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import unquote

import msgspec

from farebox.catalog.shape import Said, Vendor
from farebox.wire.keys import without_keys

OWN_PREFIX = "x-farebox-"
TOKEN = "x-farebox-token"  # noqa: S105  # a header's name
"""A secret, which says whose call it is by what it is bound to and not by what it spells."""
_NO_ATTRIBUTION = frozenset({"x-farebox-event-id", "x-farebox-hop"})
"""Headers of ours that say nothing of whose call it is."""
VALUE_MAX = 256
NAME_MAX = 64
TAGS_MAX = 32
_REMEMBERED = 4096
_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

Headers = Sequence[tuple[bytes, bytes]]
Hash = Callable[[str, bytes], str]
"""What a secret is kept as, by whose it is."""


class Found:
    """What has been said, and for each name what said so. The first one to say something wins."""

    __slots__ = ("_tags", "attribution", "sources")

    def __init__(self) -> None:
        self.attribution: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self._tags = 0

    def note(self, name: str, value: Any, source: str) -> None:
        if isinstance(value, bool) or not isinstance(value, str | int):
            return
        text = without_keys(str(value).strip())[:VALUE_MAX]
        if not text or name in self.attribution:
            return
        name, source = without_keys(name), without_keys(source)
        if name.startswith("tag."):
            if self._tags >= TAGS_MAX:
                return
            self._tags += 1
            name = name[: NAME_MAX + 4]
        self.attribution[name[: NAME_MAX + 4]] = text
        self.sources[name[: NAME_MAX + 4]] = source[:VALUE_MAX]


class Names:
    """A list of vendors, compiled."""

    def __init__(self, vendors: Sequence[Vendor]) -> None:
        self._headers: dict[str, Said] = {}
        self._starred: list[tuple[str, Said]] = []
        self._baggage: dict[str, str] = {}
        self._remove: list[tuple[re.Pattern[str], tuple[re.Pattern[str], ...]]] = []
        self._body: list[tuple[str, tuple[str, ...], Said]] = []
        self._of_header: dict[bytes, _Header | None] = {}
        for vendor in vendors:
            for name, said in vendor.headers.items():
                if name.endswith("*"):
                    self._starred.append((name[:-1], said))
                else:
                    self._headers.setdefault(name, said)
            for key, attribution in vendor.baggage.items():
                self._baggage.setdefault(key, attribution)
            hosts = tuple(re.compile(fnmatch.translate(host)) for host in vendor.hosts)
            self._remove += [(re.compile(fnmatch.translate(name)), hosts) for name in vendor.remove]
            self._body += [(path, tuple(path.split(".")), said) for path, said in vendor.body.items()]
        self._named_in_body = frozenset(path for path, _, _ in self._body)
        # A name of its own says more than "anything below here".
        self._body.sort(key=lambda entry: entry[1][-1] == "*")

    @property
    def body_keys(self) -> frozenset[str]:
        """Return the keys of a body that can say anything."""
        return frozenset(path[0] for _, path, _ in self._body)

    def of_headers(self, headers: Headers, found: Found, hashed: Hash) -> None:
        """Note what the headers say: our own first, then those of others."""
        others: list[tuple[str, bytes, Said]] = []
        known = self._of_header
        for name, value in headers:
            header = known.get(name, _UNSEEN)
            if header is _UNSEEN:
                header = self._remember(name)
            if header is None:
                continue
            if header.own is not None:
                _note_own(header.own, _text(value), f"header:{header.name}", found)
            elif header.said is not None:
                others.append((header.name, value, header.said))
        for name, value, said in others:
            self._note(name, value, said, found, hashed)

    def knows(self, name: bytes) -> bool:
        """Return whether a header can say whose call it is, or is a vendor's own."""
        header = self._of_header.get(name, _UNSEEN)
        return (self._remember(name) if header is _UNSEEN else header) is not None

    def removed(self, headers: Headers, host: str) -> list[int]:
        """Return the indexes of headers that are some vendor's own and not for `host`."""
        known = self._of_header
        indexes: list[int] = []
        for index, (name, _) in enumerate(headers):
            header = known.get(name, _UNSEEN)
            if header is _UNSEEN:
                header = self._remember(name)
            if header is not None and header.removable:
                belongs = any(pattern.match(host) for pattern in header.hosts)
                if not belongs:
                    indexes.append(index)
        return indexes

    def of_body(self, body: Mapping[str, Any], found: Found) -> None:
        """Note what a request's body says."""
        for path, keys, said in self._body:
            value: Any = body
            for key in keys:
                if key == "*":
                    break
                value = cast("dict[str, Any]", value).get(key) if isinstance(value, Mapping) else None
            if value is None:
                continue
            if keys[-1] == "*":
                if isinstance(value, dict):
                    self._note_fields(path[:-1], cast("dict[str, Any]", value), said, found)
            elif said.kind == "tags":
                _note_tags(value, f"body:{path}", found)
            elif said.fields and isinstance(value, str) and value[:1] == "{":
                _note_json(value.encode(), said, f"body:{path}", found)
            else:
                found.note(said.attribution, value, f"body:{path}")

    def _note_fields(self, prefix: str, values: dict[str, Any], said: Said, found: Found) -> None:
        for key, value in list(values.items())[:TAGS_MAX]:
            if f"{prefix}{key}" not in self._named_in_body:
                found.note(said.attribution.replace("*", key), value, f"body:{prefix}{key}"[:VALUE_MAX])

    def _remember(self, raw: bytes) -> _Header | None:
        name = raw.decode("latin-1")
        header = self._judge(name)
        if len(self._of_header) < _REMEMBERED:
            self._of_header[raw] = header
        return header

    def _judge(self, name: str) -> _Header | None:
        if name == TOKEN:
            return _Header(name)
        if name in _NO_ATTRIBUTION:
            return _Header(name)
        if name.startswith(OWN_PREFIX):
            return _Header(name, own=name[len(OWN_PREFIX) :])
        said = self._headers.get(name)
        if said is None:
            for prefix, starred in self._starred:
                if name.startswith(prefix) and len(name) > len(prefix):
                    rest = name[len(prefix) :]
                    said = msgspec.structs.replace(
                        starred, attribution=starred.attribution.replace("*", rest)
                    )
                    break
        removing = [hosts for pattern, hosts in self._remove if pattern.match(name)]
        if said is None and not removing:
            return None
        hosts = tuple(host for entry in removing for host in entry)
        return _Header(name, said=said, removable=bool(removing), hosts=hosts)

    def _note(self, name: str, value: bytes, said: Said, found: Found, hashed: Hash) -> None:
        source = f"header:{name}"
        if said.kind == "text":
            found.note(said.attribution, _text(value), source)
        elif said.kind == "hashed":
            found.note(said.attribution, hashed(name, value.strip()), source)
        elif said.kind == "tags":
            _note_tags(_text(value), source, found)
        elif said.kind == "traceparent":
            match = _TRACE.fullmatch(_text(value).lower())
            if match is not None:
                found.note("trace", match[1], source)
        elif said.kind == "json":
            _note_json(value, said, source, found)
        else:
            self._note_baggage(_text(value), found)

    def _note_baggage(self, text: str, found: Found) -> None:
        for member in text.split(",")[:64]:
            key, equals, value = member.partition(";")[0].partition("=")
            key = unquote(key.strip())
            attribution = self._baggage.get(key)
            if attribution is None and key.startswith("farebox."):
                attribution = key[len("farebox.") :]
            if equals and attribution:
                found.note(attribution, unquote(value.strip()), f"baggage:{key}"[:VALUE_MAX])


class _Header:
    """What is known of one header's name."""

    __slots__ = ("hosts", "name", "own", "removable", "said")

    def __init__(
        self,
        name: str,
        *,
        own: str | None = None,
        said: Said | None = None,
        removable: bool = False,
        hosts: tuple[re.Pattern[str], ...] = (),
    ) -> None:
        self.name = name
        self.own = own
        self.said = said
        self.removable = removable
        self.hosts = hosts


_UNSEEN = _Header("")


def _note_own(name: str, value: str, source: str, found: Found) -> None:
    """Note what one of our own headers says: `customer`, `tag-team`, `tags` as `a=b,c=d`."""
    if name == "tags":
        for pair in value.split(","):
            key, separator, text = pair.partition("=")
            if separator and key.strip():
                found.note(f"tag.{key.strip()}", text, source)
    elif name.startswith("tag-"):
        found.note(f"tag.{name[4:]}", value, source)
    else:
        found.note(name, value, source)


def _note_json(value: bytes, said: Said, source: str, found: Found) -> None:
    try:
        fields = msgspec.json.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return
    if not isinstance(fields, dict):
        return
    said_here = cast("dict[str, Any]", fields)
    for key, attribution in said.fields.items():
        if key != "*":
            found.note(attribution, said_here.get(key), f"{source}.{key}")
    others = said.fields.get("*")
    if others is not None:
        for key, entry in list(said_here.items())[:TAGS_MAX]:
            if key not in said.fields:
                found.note(others.replace("*", key), entry, f"{source}.{key}")


def _note_tags(value: Any, source: str, found: Found) -> None:
    """Note a list of tags: `team:a` and `team=a` have a value, a bare word is its own."""
    if isinstance(value, str):
        text = value.strip()
        try:
            value = msgspec.json.decode(text) if text.startswith("[") else text.split(",")
        except (msgspec.MsgspecError, ValueError):
            return
    if not isinstance(value, list):
        return
    for tag in cast("list[Any]", value)[:TAGS_MAX]:
        if isinstance(tag, str) and tag.strip():
            key, _, text = re.sub("[=:]", "\0", tag.strip(), count=1).partition("\0")
            found.note(f"tag.{key.strip()}", text or "true", source)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip()


_compiled: dict[int, tuple[Sequence[Vendor], Names]] = {}


def names_of(vendors: Sequence[Vendor]) -> Names:
    """Return a list of vendors compiled; each list is compiled once."""
    known = _compiled.get(id(vendors))
    if known is None or known[0] is not vendors:
        if len(_compiled) > 16:
            _compiled.clear()
        known = _compiled[id(vendors)] = (vendors, Names(vendors))
    return known[1]
