"""Flags that say whose calls a budget or an alert is for, in the words of `farebox.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from farebox.budgets.matching import DIMENSIONS, TAG
from farebox.errors import Finding
from farebox.yamltext import Node

PLACE = "the command line"


def _where_flags() -> list[tuple[str, object, object]]:
    """Return a flag for every dimension that a budget or an alert can be for."""
    return [
        (name, Annotated[list[str] | None, Parameter(help=_help_of(name), negative="")], field(default=None))
        for name in DIMENSIONS
    ]


def _help_of(name: str) -> str:
    words = {
        "key": "Of this API key: its label or fingerprint.",
        "model": "For this model, as it is asked for; `gpt-4o*` is a pattern.",
        "process": "Of this process, by its number.",
    }
    return words.get(name, f"Of this {name.replace('_', ' ')}.")


_Where = make_dataclass("_Where", _where_flags(), frozen=True, kw_only=True)


@Parameter(name="*", group="Whose calls")
@dataclass(frozen=True, kw_only=True)
class CallFlags(_Where):  # pyright: ignore[reportUntypedBaseClass, reportGeneralTypeIssues] - made of data
    """Whose calls count; a repeated flag matches any of its values, `*` in one any text. None: all calls."""

    tag: Annotated[list[str] | None, Parameter(help="With this tag: feature=summary.", negative="")] = None

    def node(self, findings: list[Finding]) -> Node | None:
        """Return `where:` as the flags say it, None where they say nothing; add what is wrong with them."""
        given = vars(self)
        found = {
            name: list_node(given[name], f"--{name.replace('_', '-')}")
            for name in DIMENSIONS
            if given[name] is not None
        }
        tags: dict[str, list[str]] = {}
        for text in self.tag or []:
            name, equals, value = text.partition("=")
            if not name.strip() or not equals:
                findings.append(Finding(PLACE, 0, "--tag", repr(text), "NAME=VALUE, as feature=summary"))
                continue
            tags.setdefault(f"{TAG}{name.strip().lower()}", []).append(value)
        found |= {name: list_node(values, "--tag") for name, values in tags.items()}
        return Node(found, PLACE, 0, "where") if found else None


def nodes_of(value: dict[str, Any]) -> dict[str, Node]:
    """Return what is plain as a definition's reader takes it, without what is None."""
    return {key: _node(each, key) for key, each in value.items() if each is not None}


def _node(value: Any, key: str) -> Node:
    if isinstance(value, dict):
        pairs: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return Node({name: _node(each, name) for name, each in pairs.items()}, PLACE, 0, key)
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return Node([_node(each, key) for each in items], PLACE, 0, key)
    return Node(value, PLACE, 0, key)


def list_node(values: list[str], key: str) -> Node:
    """Return the values of a flag as a list."""
    return Node([Node(value, PLACE, 0, key) for value in values], PLACE, 0, key)
