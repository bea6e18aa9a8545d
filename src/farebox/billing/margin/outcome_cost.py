"""What outcomes cost: the calls of a task are the cost of what the task came to.

Pure. A task with several outcomes shares its cost among them by their number; calls without a task, and tasks
without an outcome, cost something that no outcome stands for.
"""

from __future__ import annotations

from collections.abc import Iterable

from farebox.billing.margin.margin import Spending
from farebox.charges.amounts.allocation import allocate
from farebox.charges.usage.cells import Cell, OutcomeCell

TASK, OUTCOME = "task", "outcome"
NO_OUTCOME = ""


def cost_by_outcome(cells: Iterable[Cell], outcomes: Iterable[OutcomeCell]) -> list[Spending]:
    """Return the cost of each outcome's name; cells are by task, outcomes by task and outcome."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for each in outcomes:
        task = each.dims.get(TASK, "")
        if task and each.count > 0:
            of_task = counts.setdefault((each.customer, task), {})
            name = each.dims.get(OUTCOME, "")
            of_task[name] = of_task.get(name, 0) + each.count
    return [share for cell in cells for share in _shares(cell, counts.get(_key(cell), {}))]


def _key(cell: Cell) -> tuple[str, str]:
    return cell.customer, cell.dims.get(TASK, "")


def _shares(cell: Cell, counts: dict[str, int]) -> list[Spending]:
    names = sorted(counts) or [NO_OUTCOME]
    weights = [counts.get(name, 1) for name in names]
    split = [
        allocate(figure, weights)
        for figure in (cell.cost_pico, cell.calls, cell.unpriced_calls, cell.estimated_calls)
    ]
    return [
        Spending(value=name, cost_pico=cost, calls=calls, unpriced_calls=unpriced, estimated_calls=estimated)
        for name, cost, calls, unpriced, estimated in zip(names, *split, strict=True)
    ]
