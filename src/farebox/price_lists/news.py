"""What a person should know of the prices: changed lately, waiting for review, or looked for in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.clock import iso
from farebox.price_lists.held_list import held_list
from farebox.price_lists.last_look import last_look
from farebox.program import command

if TYPE_CHECKING:
    from farebox.config.configuration import PricesConfig
    from farebox.home import Home

_NS = 10**9
_DAY_NS = 86400 * _NS
TOLD_FOR_DAYS = 7


def news(home: Home, prices: PricesConfig, at_ns: int) -> list[str]:
    """Return sentences, none where the prices are not kept up to date."""
    if prices.update == "off":
        return []
    last, held = last_look(home), held_list(home)
    told: list[str] = []
    if held is not None:
        why = f": {held.reasons[0]}" if held.reasons else ""
        changes = f"{held.changes:,} change{'' if held.changes == 1 else 's'}"
        see = command("prices review")
        told.append(f"a price list of {held.fetched_at[:10]} with {changes} waits, see {see}{why}")
    if last is None:
        return told
    if last.failures:
        since = f"since {iso(last.reached_at_ns)[:16]}Z" if last.reached_at_ns else "so far"
        told.append(f"no newer prices {since}, the old ones stay in force: {last.words}")
    elif at_ns - last.at_ns > 3 * prices.every_s * _NS:
        told.append(f"nobody has looked for newer prices since {iso(last.at_ns)[:16]}Z")
    if last.taken and at_ns - last.taken_at_ns < TOLD_FOR_DAYS * _DAY_NS:
        day = iso(last.taken_at_ns)[:10]
        told.append(f"the price lists were updated on {day}: {last.taken}; see {command('prices diff')}")
    return told
