"""Parts that definitions of limits and of alerts have in common, each read from a node.

A reader returns the fields that it understood, and adds a finding for everything that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from farebox.budgets.written_values import PERIOD_FORMS, read_dimension, read_period
from farebox.nearest import did_you_mean
from farebox.wire.keys import without_keys

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
VALUES_MAX = 1_000
"""For one dimension."""
VALUE_MAX = 256
"""As long as a value of a call's attribution can be."""

Reader = Callable[["Node", "list[Finding]"], dict[str, Any]]


class Named(Protocol):
    """What has a name of its own, and comes from somewhere."""

    @property
    def name(self) -> str: ...
    @property
    def origin(self) -> str: ...


Kept = TypeVar("Kept", bound=Named)


def list_of(
    node: Node,
    findings: list[Finding],
    read: Callable[[Node, str | None], Kept | None],
    *,
    kind: str,
    example: str,
    most: int,
) -> tuple[Kept, ...]:
    """Return what a list says, or a mapping by name; each name once.

    `read` gets an entry, and the name that stands before it; it adds its own findings.
    """
    if node.kind == "nothing":
        return ()
    if node.kind not in ("list", "mapping"):
        findings.append(node.finding(f"a list, as in `{example}`"))
        return ()
    named: list[tuple[str | None, Node]] = (
        list(node.items()) if node.kind == "mapping" else [(None, entry) for entry in node.value]
    )
    if len(named) > most:
        findings.append(node.finding(f"at most {most:,} {kind}", f"{len(named):,}"))
        return ()
    found: list[Kept] = []
    places: dict[str, Node] = {}
    for name, entry in named:
        each = read(entry, name)
        said = entry.get("name") or entry
        text = name if name is not None else said.value if said.kind == "text" else None
        if text is None and each is not None:
            text = each.name
        if text is None:
            continue
        first = places.setdefault(text, said)
        if first is not said:
            findings.append(said.finding(f"another name: line {first.line} has this one", repr(text)))
        if each is not None:
            found.append(each)
    return tuple(found)


def origin_of(node: Node) -> str:
    """Return where an entry is written: `farebox.yaml:12`."""
    return f"{Path(node.file).name}:{node.line}"


def named_twice(
    file: Path, configured: Sequence[Named], commanded: Collection[str], *, section: str, command: str
) -> list[Finding]:
    """Return the findings that entries of a file's section have names that commands have set, too."""
    from farebox.errors import Finding

    return [
        Finding(
            str(file),
            int(each.origin.rpartition(":")[2]),
            f"{section}.{each.name}",
            f"a name that `farebox {command} set` has set, too",
            f"it in one place: remove it here, or type `farebox {command} remove {each.name}`",
        )
        for each in configured
        if each.name in commanded
    ]


def text_of(field: str, read: Callable[[str], Any]) -> Reader:
    """Return a reader of one text; what it raises becomes a finding."""

    def reader(node: Node, findings: list[Finding]) -> dict[str, Any]:
        try:
            return {field: read(node.value if node.kind == "text" else "")}
        except ValueError as error:
            findings.append(node.finding(str(error)))
            return {}

    return reader


def word_of(words: tuple[str, ...]) -> Callable[[str], str]:
    """Return a reader of one of some words, for `text_of`."""

    def read(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            raise ValueError(f"{' or '.join(words)}{did_you_mean(word, list(words))}")
        return word

    return read


def name_node(node: Node, findings: list[Finding]) -> dict[str, Any]:
    """Read `name:`."""
    if node.kind != "text":
        findings.append(node.finding("a name of a-z, 0-9, `-`, `_` and `.`"))
        return {}
    return {"name": name_text(node, node.value, findings)}


def name_text(node: Node, text: str, findings: list[Finding]) -> str:
    """Return a name as it is, and add what is wrong with it."""
    if not NAME.fullmatch(text):
        proposed = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64]
        hint = f'; did you mean "{proposed}"?' if NAME.fullmatch(proposed) else ""
        findings.append(
            node.finding(f"a name of 1 to 64 characters a-z, 0-9, `-`, `_` and `.`{hint}", repr(text[:80]))
        )
    return text


def read_values(node: Node, findings: list[Finding]) -> tuple[str, ...]:
    """Return one value, or a list of them; `*` in one stands for any text, the empty one for none."""
    entries: list[Node] = node.value if node.kind == "list" else [node]
    found: list[str] = []
    for entry in entries:
        if entry.kind != "text":
            findings.append(entry.finding('a value, a list of values, or "" for calls without one'))
        elif without_keys(entry.value) != entry.value:
            findings.append(
                entry.finding("a key's fingerprint or label (`farebox keys`)", "what looks like an API key")
            )
        elif len(entry.value) > VALUE_MAX:
            findings.append(entry.finding(f"at most {VALUE_MAX} characters", f"{len(entry.value):,}"))
        elif entry.value not in found:
            found.append(entry.value)
    if node.kind == "list" and not entries:
        findings.append(node.finding("at least one value", "an empty list"))
    if len(entries) > VALUES_MAX:
        findings.append(node.finding(f"at most {VALUES_MAX:,} values", f"{len(entries):,}"))
    return tuple(found)


def where_node(node: Node, findings: list[Finding]) -> dict[str, Any]:
    """Read `where:`, dimensions and tags with their values."""
    if node.kind != "mapping":
        findings.append(node.finding("a mapping, as in `{customer: acme, tag.feature: [summary, search]}`"))
        return {}
    where: dict[str, tuple[str, ...]] = {}
    for key, entry in node.items():
        try:
            name = read_dimension(key)
        except ValueError as error:
            findings.append(entry.finding(str(error), "an unknown dimension"))
            continue
        if name in where:
            findings.append(entry.finding("each dimension once", f"{name} a second time"))
        where[name] = read_values(entry, findings)
    return {"where": where}


def period_node(node: Node, findings: list[Finding]) -> dict[str, Any]:
    """Read `period:`, `day` or `{rolling: 24h}`."""
    if node.kind == "mapping":
        rolling = node.get("rolling")
        if rolling is None or len(node.value) != 1 or rolling.kind != "text":
            findings.append(node.finding(PERIOD_FORMS))
            return {}
        return text_of("period", lambda text: read_period(f"rolling {text}"))(rolling, findings)
    return text_of("period", read_period)(node, findings)
