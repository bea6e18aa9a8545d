"""Meter every LLM call, price it exactly, and bill for it.

    import farebox

    farebox.instrument()                        # every call of this process, whatever client makes it
    with farebox.attribute(customer="acme"):
        client.chat.completions.create(...)

Importing this package starts nothing and loads nothing heavy: each name is loaded when it is first used.
See docs/guides/sdk.md.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing `typing` would take most of the time
if TYPE_CHECKING:
    from farebox.errors import BudgetExceededError, FareboxError
    from farebox.sdk.attribution import attribute, meter
    from farebox.sdk.ending import flush, shutdown
    from farebox.sdk.instrumentation import instrument, uninstrument
    from farebox.sdk.questions.budget_left import BudgetLeft, budget_left
    from farebox.sdk.questions.cost import Spend, cost
    from farebox.sdk.questions.price import Price, price
    from farebox.sdk.settings import configure
    from farebox.sdk.statements.outcomes import outcome, score
    from farebox.sdk.statements.record import record
    from farebox.sdk.statements.track import track
    from farebox.sdk.wrapping import wrap

__all__ = [
    "BudgetExceededError",
    "BudgetLeft",
    "FareboxError",
    "Price",
    "Spend",
    "__version__",
    "attribute",
    "budget_left",
    "configure",
    "cost",
    "flush",
    "instrument",
    "meter",
    "outcome",
    "price",
    "record",
    "score",
    "shutdown",
    "track",
    "uninstrument",
    "wrap",
]

__version__ = "0.1.0"

_PLACES = {
    "BudgetExceededError": "errors",
    "BudgetLeft": "sdk.questions.budget_left",
    "FareboxError": "errors",
    "Price": "sdk.questions.price",
    "Spend": "sdk.questions.cost",
    "attribute": "sdk.attribution",
    "budget_left": "sdk.questions.budget_left",
    "configure": "sdk.settings",
    "cost": "sdk.questions.cost",
    "flush": "sdk.ending",
    "instrument": "sdk.instrumentation",
    "meter": "sdk.attribution",
    "outcome": "sdk.statements.outcomes",
    "price": "sdk.questions.price",
    "record": "sdk.statements.record",
    "score": "sdk.statements.outcomes",
    "shutdown": "sdk.ending",
    "track": "sdk.statements.track",
    "uninstrument": "sdk.instrumentation",
    "wrap": "sdk.wrapping",
}


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'farebox' has no attribute {name!r}")
    from importlib import import_module

    found: object
    try:
        found = getattr(import_module(f"farebox.{place}"), name)
    except ImportError as error:
        from farebox.sdk.stand_ins import stand_in

        found = stand_in(name, error)
        if found is None:
            raise
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
