"""Read YAML as text with positions: every scalar stays the text the user wrote.

`0.000005` never becomes a float, and each node knows its file, line and key, so that a
problem can be reported where it is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

from farebox.errors import Finding

DEPTH_MAX = 64
"""Deeper nesting than this is a mistake or an attack, not a configuration."""

REPEATED_MAX = 10_000
"""Nodes that aliases stand for, in all: forty lines could stand for more than any memory holds."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOTHING = frozenset(("", "null", "~", "Null", "NULL"))


class Node:
    """One YAML node: `value` is text, None (empty or `null`), a list or a dict of nodes."""

    __slots__ = ("file", "key", "line", "value")

    def __init__(
        self, value: str | list[Node] | dict[str, Node] | None, file: str, line: int, key: str
    ) -> None:
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
        yield from self._mapping().items()

    def get(self, key: str) -> Node | None:
        """Return a mapping's node under `key`, None where there is none."""
        return self._mapping().get(key)

    def _mapping(self) -> dict[str, Node]:
        return self.value if self.kind == "mapping" else {}

    def plain(self) -> Any:
        """Return the tree as dicts, lists, text and None, positions dropped."""
        if self.kind == "mapping":
            return {key: node.plain() for key, node in self.items()}
        if self.kind == "list":
            return [node.plain() for node in self.value]
        return self.value

    def finding(self, expected: str, found: str | None = None) -> Finding:
        """Return the finding that this node is not what was expected."""
        if found is None:
            found = repr(self.value) if self.kind == "text" else self.kind
        return Finding(self.file, self.line, self.key, found, expected)


def read(path: Path) -> tuple[Node | None, list[Finding]]:
    """Return the root node of a YAML file and what is wrong with its syntax."""
    return decode(path.read_bytes(), str(path))


def decode(content: bytes, file: str) -> tuple[Node | None, list[Finding]]:
    """Return the root node of a YAML file's content and what is wrong with its syntax."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return None, [Finding(file, line, "", "bytes that are not UTF-8", "UTF-8 text")]
    return parse(text, file)


def parse(text: str, file: str) -> tuple[Node | None, list[Finding]]:
    """Return the root node of YAML text, None where it is empty, and syntax findings."""
    try:
        beyond = _beyond_limits(text, file)
        if beyond is not None:
            return None, [beyond]
        root = cast("yaml.Node | None", yaml.compose(text, Loader=_Loader))  # pyright: ignore[reportUnknownMemberType]  # untyped in the stubs
    except yaml.MarkedYAMLError as error:
        return None, [_syntax_finding(error, text, file)]
    except yaml.YAMLError as error:
        at = int(getattr(error, "position", 0))  # of a character that no YAML may have
        found = f"what YAML does not allow ({getattr(error, 'reason', error)})"
        return None, [Finding(file, text[:at].count("\n") + 1, "", found, "printable text")]
    if root is None:
        return None, []
    converter = _Converter(file)
    return converter.convert(root, "", 0), converter.findings


def written(value: Any) -> str:
    """Return mappings, lists, text, whole numbers and flags as YAML, small mappings on one line.

    Text stays text when it is read again, and characters that a terminal would act on are escaped.
    """
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)  # pyright: ignore[reportUnknownMemberType]
    if any(unicodedata.category(each)[0] == "C" for each in text if each != "\n"):
        text = yaml.safe_dump(value, sort_keys=False, default_flow_style=None, width=110)  # pyright: ignore[reportUnknownMemberType]
    return text


_SYNTAX = (
    # What the parser's problem says; what was found, what was expected.
    ("did not find expected ',' or '}'", "no `,` or `}}` for the `{{` of line {start}",
     "`,` between two entries and `}}` after the last one"),
    ("did not find expected ',' or ']'", "no `,` or `]` for the `[` of line {start}",
     "`,` between two entries and `]` after the last one"),
    ("mapping values are not allowed", "a `:` that begins another entry",
     "one `key: value` a line, indented as its neighbours; a text that contains `: ` in quotes"),
    ("could not find expected ':'", "a line without `:`", "`key: value`"),
    ("did not find expected key", "an entry that does not line up with those from line {start} on",
     "each key as far right as the one above it, and as many `}}` and `]` as were opened"),
    ("did not find expected '-' indicator", "no `-` in a list that begins in line {start}",
     "`- ` before each entry, as far right as the one above it"),
    ("block sequence entries are not allowed", "a list that begins beside its key",
     "`- ` on a line of its own, or `[…]`"),
    ("unexpected end of stream", "a quotation mark of line {start} that nothing closes",
     "the same mark after the text"),
    ("did not find expected node content", "no value where one belongs",
     "a value, and a `]` or `}}` for each `[` and `{{`"),
    ("found undefined alias", "`*` before a name that no `&` gives",
     "a text that begins with `*` in quotes"),
    ("found unknown escape", "a `\\` that stands for nothing", "`\\\\`, or the text in single quotes"),
    ("another document", "a second document after `---`", "one document in a file"),
    ("expected comment or line break", "text after `|` or `>`", "the text on the lines below"),
)  # fmt: skip


def _syntax_finding(error: yaml.MarkedYAMLError, text: str, file: str) -> Finding:
    """Return what is wrong with YAML in the words of who writes it, not of who parses it."""
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    start = error.context_mark.line + 1 if error.context_mark else line
    problem = f"{error.context or ''} {error.problem}"
    if "cannot start any token" in problem and mark is not None:
        lines = text.splitlines()
        sign = lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""
        if sign == "\t":
            return Finding(file, line, "", "a tab before a key", "spaces: YAML is not indented by tabs")
        return Finding(file, line, "", f"a text that begins with `{sign}`", "such a text in quotes")
    for said, found, expected in _SYNTAX:
        if said in problem:
            return Finding(file, line, "", found.format(start=start), expected.format(start=start))
    return Finding(file, line, "", f"what is no YAML ({error.problem})", "well-formed YAML")


def _beyond_limits(text: str, file: str) -> Finding | None:
    """Return the finding that a text is nested too deeply or stands for far more than it is, else None.

    PyYAML composes by recursion in C, without a limit: deep nesting would end the process. Its events come
    one by one.
    """
    open_sizes: list[tuple[str | None, int]] = []
    sizes: dict[str, int] = {}
    """Nodes behind each anchor, aliases in it written out."""
    repeated = 0
    for event in yaml.parse(text, Loader=_Loader):  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        size = 1
        if isinstance(event, yaml.CollectionStartEvent):
            open_sizes.append((cast("str | None", event.anchor), 1))
            if len(open_sizes) > DEPTH_MAX:
                line = int(event.start_mark.line) + 1
                return Finding(file, line, "", "deeper nesting", f"at most {DEPTH_MAX} levels")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_sizes.pop()
            if anchor is not None:
                sizes[anchor] = size
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(str(event.anchor), 1)
            repeated += size
            if repeated > REPEATED_MAX:
                line = int(event.start_mark.line) + 1
                return Finding(
                    file,
                    line,
                    "",
                    "aliases to aliases",
                    f"aliases that stand for at most {REPEATED_MAX:,} nodes",
                )
        elif not isinstance(event, yaml.ScalarEvent):
            continue
        if open_sizes:
            anchor, before = open_sizes[-1]
            open_sizes[-1] = anchor, before + size
    return None


class _Converter:
    """Turn PyYAML's nodes into ours; an alias costs nothing and cannot recurse."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self._shared: dict[int, Node] = {}

    def convert(self, node: yaml.Node, key: str, depth: int) -> Node:
        line: int = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            text: str = node.value
            empty = not node.style and text in _NOTHING
            return Node(None if empty else text, self.file, line, key)
        seen = self._shared.get(id(node))
        if seen is not None:
            if seen.value is None:
                self.findings.append(Finding(self.file, line, key, "an alias to itself", "a tree"))
            return seen
        ours = self._shared[id(node)] = Node(None, self.file, line, key)
        if depth >= DEPTH_MAX:
            self.findings.append(ours.finding(f"at most {DEPTH_MAX} levels", "deeper nesting"))
        elif isinstance(node, yaml.SequenceNode):
            children: list[yaml.Node] = node.value
            ours.value = [self.convert(child, f"{key}[{i}]", depth + 1) for i, child in enumerate(children)]
        elif isinstance(node, yaml.MappingNode):
            ours.value = self._mapping(node.value, key, depth)
        return ours

    def _mapping(self, pairs: list[tuple[yaml.Node, yaml.Node]], key: str, depth: int) -> dict[str, Node]:
        mapping: dict[str, Node] = {}
        for key_node, value_node in pairs:
            line: int = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.findings.append(Finding(self.file, line, key, "a key that is not text", "text keys"))
                continue
            name: str = key_node.value
            path = f"{key}.{name}" if key else name
            if name in mapping:
                self.findings.append(Finding(self.file, line, path, "a second time", "each key once"))
            child = self.convert(value_node, path, depth + 1)
            if child.kind == "nothing":
                child.line = line
            mapping[name] = child
        return mapping
