"""One mapping as it is read: each key once, by its own name or another one, and nothing left over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

Value = TypeVar("Value")


class Entry:
    """A mapping's nodes by what they are called here."""

    def __init__(
        self,
        node: Node,
        findings: list[Finding],
        known: Iterable[str],
        *,
        synonyms: Mapping[str, str] | None = None,
        meant: Mapping[str, str] | None = None,
        what: str = "a mapping",
    ) -> None:
        """`synonyms` are read as what they stand for; `meant` are refused with what to write instead."""
        self.node = node
        self.findings = findings
        self.given: dict[str, Node] = {}
        keys = list(known)
        if node.kind != "mapping":
            findings.append(node.finding(f"{what} with {', '.join(keys)}"))
            return
        for key, child in node.items():
            word = key.strip().lower()
            name = (synonyms or {}).get(word, word)
            if name not in keys:
                instead = (meant or {}).get(word)
                hint = f"; {instead}" if instead else did_you_mean(word, [*keys, *(synonyms or {})])
                findings.append(child.finding(f"one of {', '.join(keys)}{hint}", "an unknown key"))
            elif name in self.given:
                findings.append(child.finding(f"{name} once", f"{key} as well"))
            elif child.kind != "nothing":
                self.given[name] = child

    def __contains__(self, key: str) -> bool:
        return key in self.given

    def get(self, key: str) -> Node | None:
        return self.given.get(key)

    def value(self, key: str, read: Callable[[str], Value]) -> Value | None:
        """Return what a text says, None where it is not given or wrong."""
        node = self.given.get(key)
        return None if node is None else scalar(node, self.findings, read)

    def pairs(self, key: str, form: str) -> Iterator[tuple[str, Node]]:
        """Yield the entries of an inner mapping."""
        node = self.given.get(key)
        if node is None:
            return
        if node.kind != "mapping":
            self.findings.append(node.finding(form))
            return
        yield from node.items()

    def listed(self, key: str) -> list[Node]:
        """Return the entries of a list, a single one where no list is written."""
        node = self.given.get(key)
        if node is None:
            return []
        return list(node.value) if node.kind == "list" else [node]


def scalar(node: Node, findings: list[Finding], read: Callable[[str], Value]) -> Value | None:
    """Return what a text says, None and a finding where it is none, or wrong."""
    try:
        return read(node.value if node.kind == "text" else "")
    except ValueError as error:
        findings.append(node.finding(str(error)))
        return None
