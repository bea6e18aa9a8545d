"""Flags that say what a budget is, in the words of `farebox.yaml`, and read by the same reader."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from farebox.budgets.budget import COMMAND, Budget
from farebox.budgets.definition import plain, read_budget
from farebox.budgets.matching import DIMENSIONS, TAG
from farebox.errors import Finding, UsageError
from farebox.yamltext import Node

PLACE = "the command line"


def _where_flags() -> list[tuple[str, object, object]]:
    """Return a flag for every dimension that a budget can be for."""
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
class WhereFlags(_Where):  # pyright: ignore[reportUntypedBaseClass, reportGeneralTypeIssues] - made of data
    """Whose calls count; a repeated flag matches any of its values, `*` in one any text. None: all calls."""

    tag: Annotated[list[str] | None, Parameter(help="With this tag: feature=summary.", negative="")] = None
    exempt: Annotated[
        list[str] | None,
        Parameter(help="Not of this API key, by label or fingerprint: it passes uncounted.", negative=""),
    ] = None

    def node(self, findings: list[Finding]) -> Node | None:
        """Return `where:` as the flags say it, None where they say nothing; add what is wrong with them."""
        given = vars(self)
        found = {
            name: _list(given[name], f"--{name.replace('_', '-')}")
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
        found |= {name: _list(values, "--tag") for name, values in tags.items()}
        return Node(found, PLACE, 0, "where") if found else None


@Parameter(name="*", group="Limit")
@dataclass(frozen=True, kw_only=True)
class DefinitionFlags:
    """How much, over which time, and what happens at the limit."""

    limit: Annotated[str | None, Parameter(help="Dollars that calls may cost: 25.00.")] = None
    price: Annotated[
        str | None, Parameter(help="Instead of --limit: dollars that the customer may be charged.")
    ] = None
    period: Annotated[
        str | None, Parameter(help='hour, day, week, month, "rolling 24h", session or ever.')
    ] = None
    each: Annotated[
        str | None, Parameter(help="Give every value of this dimension the limit for itself: session.")
    ] = None
    timezone: Annotated[
        str | None, Parameter(help="Whose days and hours: Europe/Berlin; UTC by default.")
    ] = None
    mode: Annotated[str | None, Parameter(help="hard refuses calls, soft only counts.")] = None
    stream: Annotated[str | None, Parameter(help="What becomes of a stream at the limit: cut or finish.")] = (
        None
    )
    unpriced: Annotated[str | None, Parameter(help="Calls without a price: ceiling, block or allow.")] = None
    ceiling: Annotated[
        str | None, Parameter(help="What such a call counts for while it runs, in dollars.")
    ] = None
    wait: Annotated[
        str | None, Parameter(help="How long a call may wait for room before it is refused: 20s.")
    ] = None
    reserve: Annotated[
        str | None, Parameter(help="What is held for a call: worst, or likely, which may overshoot.")
    ] = None

    def nodes(self, findings: list[Finding]) -> dict[str, Node]:
        """Return what the flags say, by key of the definition; add what is wrong with all of them."""
        if self.limit is not None and self.price is not None:
            one = "a budget on cost (--limit) or on what the customer is charged (--price)"
            findings.append(Finding(PLACE, 0, "--price", "--limit as well", one))
        given = {
            name: Node(value, PLACE, 0, f"--{name}")
            for name, value in vars(self).items()
            if value is not None and name != "price"
        }
        if self.price is not None:
            given["limit"] = Node({"price": Node(self.price, PLACE, 0, "--price")}, PLACE, 0, "--price")
        return given


def definition(
    name: str, where: WhereFlags | None, flags: DefinitionFlags | None, before: Budget | None = None
) -> Budget:
    """Return the budget that the flags say; what they do not name is as it was before.

    Raises:
        UsageError: With everything that is wrong.
    """
    where, flags = where or WhereFlags(), flags or DefinitionFlags()
    said = {} if before is None else _nodes(plain(before))
    findings: list[Finding] = []
    said |= flags.nodes(findings)
    if (calls := where.node(findings)) is not None:
        said["where"] = calls
    if where.exempt is not None:
        said["exempt"] = _list(where.exempt, "--exempt")
    if flags.unpriced is not None and flags.ceiling is None:
        said.pop("ceiling", None)  # that of before went with `unpriced: ceiling`
    said["name"] = Node(name, PLACE, 0, "NAME")
    found = read_budget(Node(said, PLACE, 0, name), findings, origin=COMMAND)
    if found is None or findings:
        raise UsageError("\n".join(map(str, findings)))
    return found


def _nodes(value: dict[str, Any]) -> dict[str, Node]:
    return {key: _node(each, key) for key, each in value.items() if each is not None}


def _node(value: Any, key: str) -> Node:
    if isinstance(value, dict):
        pairs: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return Node({name: _node(each, name) for name, each in pairs.items()}, PLACE, 0, key)
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return Node([_node(each, key) for each in items], PLACE, 0, key)
    return Node(value, PLACE, 0, key)


def _list(values: list[str], key: str) -> Node:
    return Node([Node(value, PLACE, 0, key) for value in values], PLACE, 0, key)
