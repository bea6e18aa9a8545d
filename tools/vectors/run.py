"""Every vector of a file through the engine that its kind is for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tools.vectors import charged, dated, invoiced, token_cost
from tools.vectors.vector import NotUnderstood, Result, Vector, difference

KINDS: dict[str, Callable[[Vector], Result]] = {
    **dict.fromkeys(charged.KINDS, charged.charged),
    "unit_conversion": charged.unit_conversion,
    "min_commit": charged.minimum,
    "max_spend": charged.maximum,
    "commit_overage": charged.overage,
    "token_cost": token_cost.token_cost,
    "discount": invoiced.discount,
    "invoice": invoiced.invoice,
    "wallet": invoiced.wallet,
    "credit_drawdown": invoiced.credit_drawdown,
    "rollover": invoiced.rollover,
    "credit_note": invoiced.credit_note,
    "progressive": invoiced.progressive,
    "allocate": invoiced.allocation,
    "alert": invoiced.alert,
    "rounding": invoiced.rounding,
    "lines_rounding": invoiced.lines_rounding,
    "proration": dated.proration,
    "proration_dates": dated.proration_dates,
    "plan_change": dated.change,
    "period": dated.period,
    "days": dated.days,
    "month_add": dated.month_add,
}


def run(path: Path) -> tuple[int, list[tuple[str, str]]]:
    """Return how many vectors a file has, and those that fail with the reason."""
    vectors = json.loads(path.read_text(), parse_float=Decimal)["vectors"]
    found = [(str(fields.get("id")), problem(fields)) for fields in vectors]
    return len(vectors), [(name, why) for name, why in found if why is not None]


def problem(fields: Mapping[str, Any]) -> str | None:
    """Return why a vector fails, None where it passes."""
    try:
        vector = Vector.of(fields)
        engine = KINDS.get(vector.kind)
        if engine is None:
            return f"not understood: kind {vector.kind}"
        result = engine(vector)
    except NotUnderstood as error:
        return f"not understood: {error}"
    except Exception as error:  # one vector that breaks an engine is one that fails
        return f"{type(error).__name__}: {error}"
    unread = vector.parameters.unread() + vector.usage.unread()
    if unread:
        return f"not understood: {', '.join(unread)}"
    return difference(vector, result)
