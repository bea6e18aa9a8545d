"""Why a call may not pass, in words that its caller can act on."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from farebox.budgets.budget import Budget, Stop
from farebox.config.settings import duration_text
from farebox.money import PicoUsd, display_usd

EXCEEDED = "budget_exceeded"
UNBOUNDED = "budget_unbounded"
STOPPED = "stopped"
UNAVAILABLE = "budgets_unavailable"
"""Nobody can tell what is left: the one refusal that is worth another try."""


class Refusal(NamedTuple):
    """One refused call."""

    slug: str
    message: str
    retry_after_s: int | None = None
    """When to try again, where that helps."""

    @property
    def status(self) -> int:
        """The HTTP status: 429 is what providers say where money has run out."""
        return 429 if self.retry_after_s is None else 503


def over_limit(
    budget: Budget,
    value: str | None,
    *,
    left: PicoUsd,
    asked: PicoUsd,
    end_ns: int,
    waited_s: int = 0,
    is_stream: bool = False,
) -> Refusal:
    """Say that a budget has no room for what a call can cost; `end_ns`: when it begins anew, 0 for never."""
    asks = f"this call can cost up to {display_usd(asked)}" if asked else "nothing of it is left"
    if is_stream:
        asks = "there is no room for the rest of this response"
    wait = f", and none came free within {waited_s} s" if waited_s else ""
    has = f"{display_usd(left)} left of {display_usd(budget.limit_pico)}{_period(budget)}"
    message = f"{_named(budget, value)} has {has}; {asks}{wait}. {_reset(budget, end_ns)}"
    return Refusal(EXCEEDED, message)


def unbounded(budget: Budget, value: str | None, because: tuple[str, ...], end_ns: int) -> Refusal:
    """Say that nothing bounds what a call can cost, and that a budget does not take such calls."""
    why = ", ".join(because) or "its price"
    message = (
        f"{_named(budget, value)} of {display_usd(budget.limit_pico)}{_period(budget)} takes no call "
        f"whose cost nothing bounds ({why}); `unpriced: allow` lets such calls pass. {_reset(budget, end_ns)}"
    )
    return Refusal(UNBOUNDED, message)


def stopped(stop: Stop) -> Refusal:
    """Say that calls like this one were stopped."""
    reason = f": {stop.reason}" if stop.reason else ""
    by = f" by {stop.by}" if stop.by else ""
    return Refusal(
        STOPPED, f"calls of {stop.dimension} {stop.value} are stopped{by} until that is lifted{reason}."
    )


def opening(budget: Budget, value: str | None) -> Refusal:
    """Say that a budget's figures are still being made."""
    return Refusal(UNAVAILABLE, f"what is spent of {_named(budget, value)} is still being counted.", 2)


def unusable() -> Refusal:
    """Say that nothing can be counted."""
    return Refusal(UNAVAILABLE, "what is spent of this machine's budgets cannot be counted now.", 5)


def _named(budget: Budget, value: str | None) -> str:
    return f"budget {budget.name}" if value is None else f"budget {budget.name} of {budget.each} {value}"


def _period(budget: Budget) -> str:
    kind = budget.period.kind
    if kind == "rolling":
        return f" in any {duration_text(budget.period.rolling_s)}"
    return "" if kind in ("ever", "session") else f" a {kind}"


def _reset(budget: Budget, end_ns: int) -> str:
    if end_ns:
        moment = datetime.fromtimestamp(end_ns // 10**9, ZoneInfo(budget.timezone))
        return f"It resets at {moment.isoformat()}."
    if budget.period.kind == "rolling":
        return "Room comes back as the window moves on."
    return "It does not reset."
