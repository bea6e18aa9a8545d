"""Flags that say what a budget is, in the words of `farebox.yaml`, and read by the same reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from farebox.budgets.budget import COMMAND, Budget
from farebox.budgets.definition import plain, read_budget
from farebox.cli.call_flags import PLACE, CallFlags, list_node, nodes_of
from farebox.errors import Finding, UsageError
from farebox.yamltext import Node


@dataclass(frozen=True, kw_only=True)
class WhereFlags(CallFlags):
    """Whose calls count; a repeated flag matches any of its values, `*` in one any text. None: all calls."""

    exempt: Annotated[
        list[str] | None,
        Parameter(help="Not of this API key, by label or fingerprint: it passes uncounted.", negative=""),
    ] = None


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
    said = {} if before is None else nodes_of(plain(before))
    findings: list[Finding] = []
    said |= flags.nodes(findings)
    if (calls := where.node(findings)) is not None:
        said["where"] = calls
    if where.exempt is not None:
        said["exempt"] = list_node(where.exempt, "--exempt")
    if flags.unpriced is not None and flags.ceiling is None:
        said.pop("ceiling", None)  # that of before went with `unpriced: ceiling`
    said["name"] = Node(name, PLACE, 0, "NAME")
    found = read_budget(Node(said, PLACE, 0, name), findings, origin=COMMAND)
    if found is None or findings:
        raise UsageError("\n".join(map(str, findings)))
    return found
