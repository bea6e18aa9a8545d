"""Usage as a plan charges it: cells, the sums of calls that are alike for the plan, and cells of outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

METER_MEASURES = {"tasks": "tasks", "conversations": "sessions", "users": "users", "agents": "agents"}
"""Meters that count different values, to the analytics' measure of each."""


class Cell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sums of one customer's calls that have the same values of the dimensions a plan looks at.

    Sums are signed, as all sums of the record: what corrections take back is taken off.
    """

    customer: str = ""
    dims: Mapping[str, str] = {}
    """Dimension to value, empty where a call has none. `model` is the model that was asked for, or the one
    that responded where none was."""
    start_ns: int | None = None
    """Where the cell's hour or day starts, for charges with buckets."""
    calls: int = 0
    errors: int = 0
    total_us: int = 0
    uncached_input_tokens: int = 0
    """Input neither read from a cache nor written to one. With the next two it is all input, which is what
    the ledger calls `input_tokens`."""
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    output_tokens: int = 0
    """All of the output, reasoning included."""
    reasoning_tokens: int = 0
    """Those of `output_tokens` spent on reasoning."""
    input_cost_pico: int = 0
    """Of uncached input."""
    cache_read_cost_pico: int = 0
    cache_creation_cost_pico: int = 0
    output_cost_pico: int = 0
    """Of all output, reasoning included."""
    reasoning_cost_pico: int = 0
    """What of `output_cost_pico` reasoning cost."""
    other_cost_pico: int = 0
    """Of what is no token: searches, images, seconds, fees."""
    charge_pico: int = 0
    """What the calls were charged as they were recorded: cost × markup, for who is on no plan."""
    unpriced_calls: int = 0
    """Calls whose cost is not known: the cost is at least what is here."""
    unknown_calls: int = 0
    """Those of `unpriced_calls` whose usage is not known either: the tokens are at least what is here."""
    estimated_calls: int = 0

    @property
    def cost_pico(self) -> int:
        """The provider's cost: the classes add up to it exactly."""
        return (
            self.input_cost_pico
            + self.cache_read_cost_pico
            + self.cache_creation_cost_pico
            + self.output_cost_pico
            + self.other_cost_pico
        )

    @property
    def tokens(self) -> int:
        """All tokens, each once."""
        return (
            self.uncached_input_tokens
            + self.cache_read_tokens
            + self.cache_creation_tokens
            + self.output_tokens
        )


class OutcomeCell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One customer's outcomes that are alike for a plan."""

    customer: str = ""
    dims: Mapping[str, str] = {}
    """`outcome` is the outcome's name; the others are attribution: `agent`, `task`, `tag.NAME` …"""
    start_ns: int | None = None
    count: int = 0
    value: Decimal = Decimal(0)
    """The sum of their values; an outcome without one adds nothing."""
    events: tuple[tuple[int, Decimal], ...] = ()
    """Where they were asked for: when each occurred and its value, in that order."""


class DistinctCell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many different tasks, conversations, users or agents some of a customer's calls have."""

    customer: str = ""
    dims: Mapping[str, str] = {}
    start_ns: int | None = None
    count: int = 0
