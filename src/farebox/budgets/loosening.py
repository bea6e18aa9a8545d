"""What a changed budget allows that it did not allow before: a person is asked before it does."""

from __future__ import annotations

from farebox.budgets.budget import Budget
from farebox.budgets.written_values import period_text
from farebox.money import PicoUsd, usd_text

_ORDER = {
    "mode": ("hard", "soft"),
    "stream": ("cut", "finish"),
    "unpriced": ("block", "ceiling", "allow"),
    "reserve": ("worst", "likely"),
}
"""For each setting its values, the strictest first."""


def loosened(before: Budget, after: Budget) -> list[str]:
    """Return in words what becomes looser, nothing where all is as strict as before.

    Another set of calls or another period counts as looser: what was spent so far is not counted there.
    """
    words: list[str] = []
    if after.limit_pico > before.limit_pico:
        words.append(f"limit ${usd_text(before.limit_pico)} becomes ${usd_text(after.limit_pico)}")
    for name, values in _ORDER.items():
        was, now = getattr(before, name), getattr(after, name)
        if values.index(now) > values.index(was):
            words.append(f"{name} {was} becomes {now}")
    added = [key for key in after.exempt if key not in before.exempt]
    if added:
        words.append(f"{', '.join(added)} become{'s' if len(added) == 1 else ''} exempt")
    if _is_lower(before.ceiling_pico, after.ceiling_pico):
        words.append("the ceiling of calls without a price becomes lower")
    if (before.where, before.each) != (after.where, after.each):
        words.append("it is for other calls, and what they spent so far is counted anew")
    if (before.period, before.timezone, before.measure) != (after.period, after.timezone, after.measure):
        words.append(f"it counts anew, by {period_text(after.period)} in {after.timezone}")
    return words


def _is_lower(was: PicoUsd | None, now: PicoUsd | None) -> bool:
    """Return whether a ceiling holds back less; without one the highest prices known do."""
    return now is not None and (was is None or now < was)
