"""What a budget is: whose calls, how much, over which period, and what happens at the limit.

Written in the home's `farebox.yaml` or by `farebox budget set`; carried to proxy, SDK and ledger in the
published snapshot.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from farebox.money import PicoUsd

Measure = Literal["cost", "price"]
"""`cost`: what providers charge; `price`: what the customer is charged."""
PeriodKind = Literal["hour", "day", "week", "month", "rolling", "session", "ever"]
Mode = Literal["hard", "soft"]
AtLimit = Literal["cut", "finish"]
Unpriced = Literal["ceiling", "block", "allow"]
Reserve = Literal["worst", "likely"]

COMMAND = "command"
"""The origin of what a command or the API has set, and no file says."""

LIMIT_MAX: PicoUsd = 9_000_000 * 10**12
"""Counters are signed 64-bit integers of pico-dollars."""


class Period(msgspec.Struct, frozen=True, omit_defaults=True):
    """How long spending counts."""

    kind: PeriodKind
    rolling_s: int = 0
    """Of `rolling`: how many seconds back."""


class Budget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One limit, or with `each` one for every value of a dimension."""

    name: str
    """Unique; a-z, 0-9, `-`, `_` and `.`."""
    where: dict[str, tuple[str, ...]] = {}
    """For each dimension or `tag.NAME` the values that match, one of which is enough; `*` in a value stands
    for any text, and the empty one for calls that say none. Empty: every call of this machine. `model` is the
    model that was asked for, or the one that responded where none was; `key` a label or a fingerprint."""
    each: str | None = None
    """A dimension or tag of which every value has the limit for itself; calls without one are not limited."""
    exempt: tuple[str, ...] = ()
    """API keys, by label or fingerprint, whose calls it neither counts nor refuses. Nobody else passes."""
    limit_pico: PicoUsd
    measure: Measure = "cost"
    period: Period
    timezone: str = "UTC"
    """IANA name; in it hours, days, weeks (from Monday) and months begin."""
    mode: Mode = "hard"
    stream: AtLimit = "cut"
    """What becomes of a stream that passes the limit."""
    unpriced: Unpriced = "ceiling"
    """What becomes of a call whose cost nothing bounds, or whose model has no price."""
    ceiling_pico: PicoUsd | None = None
    """What a call without a price is counted for while it runs; None: by the highest prices known."""
    wait_s: int = 20
    """How long a call may wait for others to settle before it is refused."""
    reserve: Reserve = "worst"
    """`likely` reserves what calls like it really cost, and may pass the limit by a bound that is shown."""
    origin: str = COMMAND
    """Where it is written: `command`, or `farebox.yaml:12`."""


class Stop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Calls that are refused until it is lifted."""

    dimension: str
    """`session`, `key`, `process`, or any other that a budget can have."""
    value: str
    reason: str = ""
    since_ns: int
    by: str = ""


class BudgetSet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that can refuse a call."""

    budgets: tuple[Budget, ...] = ()
    stops: tuple[Stop, ...] = ()
