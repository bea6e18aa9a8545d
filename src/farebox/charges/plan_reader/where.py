"""Which calls a charge is for: `where: {model: gpt-4o, tag.feature: [summary, search]}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from farebox.charges.plan_reader.written_values import did_you_mean

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
    return any(
        not any(_may_be_one(a, b) for a in values for b in other[name])
        for name, values in one.items()
        if name in other
    )


def _may_be_one(one: str, other: str) -> bool:
    """Return whether one value can fit both; two patterns can where neither beginning excludes the other."""
    if "*" not in one and "*" not in other:
        return one == other
    first, second = one.partition("*")[0], other.partition("*")[0]
    if "*" not in one:
        return one.startswith(second)
    if "*" not in other:
        return other.startswith(first)
    return first.startswith(second) or second.startswith(first)


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
