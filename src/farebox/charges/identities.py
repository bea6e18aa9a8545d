"""Whose calls are whose: keys, users, agents and tags that stand for a customer, each from … until.

One rule for ledger, proxy and SDK. What a key or a client token is bound to goes first, then the customer
that the call states, then what is mapped here: a key before a user, a user before an agent, an agent before
tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

EVER, NEVER = -(2**63), 2**63 - 1
"""Since always and for ever, in nanoseconds since 1970."""

KEY, USER, AGENT, TAG = "key", "user", "agent", "tag."
_LABEL = "key_label"
MAPPED = "mapped:"
"""How the source of a customer begins that is neither proven nor stated by the call."""
_MAPPED_KEY = "key:mapped"
"""The source of a customer by a mapped key: whoever has the key proves it, as with a bound one."""


class Identity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One name that stands for a customer."""

    customer: str
    dimension: str
    """`key` (a fingerprint, or the label that the owner gave it), `user`, `agent` or `tag.NAME`."""
    value: str
    from_ns: int = EVER
    until_ns: int = NEVER
    """Half-open, in nanoseconds since 1970."""


def is_mapped(source: str | None) -> bool:
    """Tell whether a customer was found by a mapping, so that another mapping may say another one."""
    return source is not None and (source == _MAPPED_KEY or source.startswith(MAPPED))


class Identities:
    """Every mapping, found by name."""

    def __init__(self, all_: Iterable[Identity] = ()) -> None:
        self.all = tuple(all_)
        self._by_name: dict[tuple[str, str], list[Identity]] = {}
        for each in self.all:
            self._by_name.setdefault((_folded(each.dimension), each.value), []).append(each)
        for found in self._by_name.values():
            found.sort(key=lambda each: each.from_ns, reverse=True)
        dimensions = {dimension for dimension, _ in self._by_name}
        self._tags = tuple(sorted(name for name in dimensions if name.startswith(TAG)))
        self._has_keys = KEY in dimensions
        self._named = tuple(name for name in (USER, AGENT) if name in dimensions)
        self._edges = sorted({each.from_ns for each in self.all} | {each.until_ns for each in self.all})

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.all)

    def customer_of(
        self, values: Mapping[str, str], sources: Mapping[str, str], key_fingerprint: str | None, at_ns: int
    ) -> tuple[str, str] | None:
        """Return the customer that names of a call stand for at a moment, and the source to note for it."""
        if self._has_keys:
            label = values.get(_LABEL) if sources.get(_LABEL, "").startswith("key:") else None
            for name in (key_fingerprint, label):
                found = self._in_force(KEY, name, at_ns)
                if found is not None:
                    return found, _MAPPED_KEY
        for dimension in (*self._named, *self._tags):
            found = self._in_force(dimension, values.get(dimension), at_ns)
            if found is not None:
                return found, MAPPED + dimension
        return None

    def resolved(
        self, values: dict[str, str], sources: dict[str, str], key_fingerprint: str | None, at_ns: int
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return an attribution with the customer that it means; the same one where nothing changes.

        A customer that an earlier mapping found gives way.
        """
        now, source = values.get("customer"), sources.get("customer")
        if now and not is_mapped(source):
            return values, sources
        found = self.customer_of(values, sources, key_fingerprint, at_ns)
        if found is None:
            return (values, sources) if now is None else without_mapped(values, sources)
        if found == (now, source):
            return values, sources
        return {**values, "customer": found[0]}, {**sources, "customer": found[1]}

    def end_ns(self, at_ns: int) -> int:
        """Return until when what is found at a moment holds."""
        return next((edge for edge in self._edges if edge > at_ns), NEVER)

    def _in_force(self, dimension: str, value: str | None, at_ns: int) -> str | None:
        if not value:
            return None
        for each in self._by_name.get((dimension, value), ()):
            if each.from_ns <= at_ns < each.until_ns:
                return each.customer
        return None


def without_mapped(values: dict[str, str], sources: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return an attribution as the call itself says it, without a customer that was found by a mapping."""
    if not is_mapped(sources.get("customer")):
        return values, sources
    return (
        {name: value for name, value in values.items() if name != "customer"},
        {name: source for name, source in sources.items() if name != "customer"},
    )


def _folded(dimension: str) -> str:
    return dimension.lower() if dimension.startswith(TAG) else dimension
