"""Which calls a charge is for: `where: {model: gpt-4o, tag.feature: [summary, search]}`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

DIMENSIONS = (
    *("provider", "model", "key", "app", "user", "agent", "parent_agent", "session", "task"),
    *("project", "branch", "step", "surface", "host"),
)
"""What calls are told apart by, besides `tag.NAME`; outcomes have `outcome` as well."""
TAG = "tag."
VALUES_MAX, VALUE_MAX = 1_000, 256
_MEANT = {
    "request_model": "model",
    "models": "model",
    "providers": "provider",
    "feature": "tag.feature",
    "team": "tag.team",
    "environment": "tag.environment",
    "conversation": "session",
    "api_key": "key",
    "event": "outcome",
}


def read_dimension(name: str, *, of_outcomes: bool = False) -> str:
    """Return the name of a dimension or tag.

    Raises:
        ValueError: With what was expected.
    """
    word = name.strip()
    lowered = word.lower()
    if lowered.startswith(TAG) and len(lowered) > len(TAG):
        return lowered
    known = (*DIMENSIONS, "outcome") if of_outcomes else DIMENSIONS
    if lowered in known:
        return lowered
    if lowered == "customer":
        raise ValueError("no customer: a plan is for whoever subscribes to it")
    if lowered == "outcome":
        raise ValueError("`outcome` with `meter: outcome` or `outcome_value` only")
    meant = _MEANT.get(lowered)
    hint = f'; did you mean "{meant}"?' if meant else did_you_mean(lowered, known)
    raise ValueError(f"one of {', '.join(known)} and tag.NAME{hint}")


def read_where(node: Node, findings: list[Finding], *, of_outcomes: bool) -> dict[str, tuple[str, ...]]:
    """Return for each dimension the values that match; adds what is wrong."""
    if node.kind != "mapping":
        findings.append(node.finding("a mapping, as in `{model: gpt-4o, tag.feature: [summary, search]}`"))
        return {}
    where: dict[str, tuple[str, ...]] = {}
    for key, entry in node.items():
        try:
            name = read_dimension(key, of_outcomes=of_outcomes)
        except ValueError as error:
            findings.append(entry.finding(str(error), "an unknown dimension"))
            continue
        if name in where:
            findings.append(entry.finding("each dimension once", f"{name} a second time"))
        where[name] = _values(entry, findings)
    return where


def read_dimensions(nodes: list[Node], findings: list[Finding], *, of_outcomes: bool) -> tuple[str, ...]:
    """Return a list of dimensions, each once."""
    found: list[str] = []
    for node in nodes:
        text = node.value if node.kind == "text" else ""
        for word in text.split(",") if text else [""]:
            try:
                name = read_dimension(word, of_outcomes=of_outcomes)
            except ValueError as error:
                findings.append(node.finding(str(error)))
                continue
            if name not in found:
                found.append(name)
    return tuple(found)


def are_disjoint(one: Mapping[str, tuple[str, ...]], other: Mapping[str, tuple[str, ...]]) -> bool:
    """Return whether no call can match both: of one dimension they want different values."""
    return any(not _have_one_in_common(values, other[name]) for name, values in one.items() if name in other)


def _have_one_in_common(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Return whether a value can fit both; two patterns can where neither beginning excludes the other.

    Looked up in sorted beginnings, not pair by pair: the lists may be long.
    """
    first, second = _fixed(one), _fixed(other)
    if not first.isdisjoint(second):
        return True
    begins, others_begin = _beginnings(one), _beginnings(other)
    return _any_begins(begins, (*second, *others_begin)) or _any_begins(others_begin, (*first, *begins))


@lru_cache(maxsize=4_096)
def _fixed(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(each for each in values if "*" not in each)


@lru_cache(maxsize=4_096)
def _beginnings(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return what patterns begin with, sorted, without those that another one is the beginning of."""
    found: list[str] = []
    for each in sorted({each.partition("*")[0] for each in values if "*" in each}):
        if not found or not each.startswith(found[-1]):
            found.append(each)
    return tuple(found)


def _any_begins(beginnings: tuple[str, ...], texts: Iterable[str]) -> bool:
    if not beginnings:
        return False
    for text in texts:
        at = bisect_right(beginnings, text)
        if at and text.startswith(beginnings[at - 1]):
            return True
    return False


def _values(node: Node, findings: list[Finding]) -> tuple[str, ...]:
    entries: list[Node] = list(node.value) if node.kind == "list" else [node]
    found: list[str] = []
    for entry in entries:
        if entry.kind != "text":
            findings.append(entry.finding('a value, a list of values, or "" for calls without one'))
        elif len(entry.value) > VALUE_MAX:
            findings.append(entry.finding(f"at most {VALUE_MAX} characters", f"{len(entry.value):,}"))
        elif entry.value not in found:
            found.append(entry.value)
    if node.kind == "list" and not entries:
        findings.append(node.finding("at least one value", "an empty list"))
    if len(entries) > VALUES_MAX:
        findings.append(node.finding(f"at most {VALUES_MAX:,} values", f"{len(entries):,}"))
    return tuple(found)
