"""Read YAML as text with positions: every scalar stays the text the user wrote.

`0.000005` never becomes a float, and each node knows its file, line and key, so that a
problem can be reported where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from farebox.errors import Finding

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Value = "str | None | list[Node] | dict[str, Node]"


class Node:
    """One YAML node: `value` is text, None (empty or `null`), a list or a dict of nodes."""

    __slots__ = ("file", "key", "line", "value")

    def __init__(self, value: Any, file: str, line: int, key: str) -> None:
        self.value: Any = value
        self.file = file
        self.line = line
        self.key = key

    @property
    def kind(self) -> str:
        """`mapping`, `list`, `text` or `nothing`."""
        if isinstance(self.value, dict):
            return "mapping"
        if isinstance(self.value, list):
            return "list"
        return "nothing" if self.value is None else "text"

    def items(self) -> Iterator[tuple[str, Node]]:
        """Yield a mapping's keys and nodes, nothing for any other kind."""
        if isinstance(self.value, dict):
            yield from self.value.items()

    def get(self, key: str) -> Node | None:
        """Return a mapping's node under `key`, None where there is none."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def plain(self) -> Any:
        """Return the tree as dicts, lists, text and None, positions dropped."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def finding(self, expected: str, found: str | None = None) -> Finding:
        """Return the finding that this node is not what was expected."""
        if found is None:
            found = repr(self.value) if self.kind == "text" else self.kind
        return Finding(self.file, self.line, self.key, found, expected)


def read(path: Path) -> tuple[Node | None, list[Finding]]:
    """Return the root node of a YAML file and what is wrong with its syntax."""
    return parse(path.read_text(encoding="utf-8"), str(path))


def parse(text: str, file: str) -> tuple[Node | None, list[Finding]]:
    """Return the root node of YAML text, None where it is empty, and syntax findings."""
    findings: list[Finding] = []
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        return None, [Finding(file, line, "", str(error.problem), "well-formed YAML")]
    except yaml.YAMLError as error:
        return None, [Finding(file, 1, "", str(error), "well-formed YAML")]
    if root is None:
        return None, findings
    return _convert(root, file, "", findings), findings


def _convert(node: Any, file: str, key: str, findings: list[Finding]) -> Node:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        text: str | None = node.value
        if node.style is None and node.value in ("", "null", "~", "Null", "NULL"):
            text = None
        return Node(text, file, line, key)
    if isinstance(node, yaml.SequenceNode):
        children = [_convert(child, file, f"{key}[{i}]", findings) for i, child in enumerate(node.value)]
        return Node(children, file, line, key)
    mapping: dict[str, Node] = {}
    for key_node, value_node in node.value:
        name = str(key_node.value)
        path = f"{key}.{name}" if key else name
        if name in mapping:
            findings.append(
                Finding(file, key_node.start_mark.line + 1, path, "a second time", "each key once")
            )
        child = _convert(value_node, file, path, findings)
        if child.kind == "nothing":
            child.line = key_node.start_mark.line + 1
        mapping[name] = child
    return Node(mapping, file, line, key)
