"""Tell receivers what became of the price lists: taken over, held for review, or not reached any more.

What a look found is in files of its own (`prices.updates/`), not in `control.db`. So this is repeated at
each start and after each look: a message is known by what it is about, and one that was enqueued before is
not enqueued again. A kill between the look and the message is made up for by the next start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from farebox.clock import iso
from farebox.price_lists.held_list import held_list
from farebox.price_lists.last_look import last_look

if TYPE_CHECKING:
    from farebox.config.configuration import PricesConfig
    from farebox.home import Home

NEWS_DAYS = 6
"""What is older is no news. Less than the week for which the outbox remembers what was delivered."""
STALE_AFTER_LOOKS = 3
_NS = 10**9


class _News(NamedTuple):
    kind: str
    about: str
    occurred_ns: int
    data: dict[str, Any]


def tell(home: Home, prices: PricesConfig, at_ns: int) -> None:
    """Enqueue what is new, once.

    Raises:
        ControlError: `control.db` cannot be written; the next look or start tries again.
    """
    told = _news(home, prices, at_ns)
    if not told or not home.control.exists():  # nobody named a receiver
        return
    from farebox.control.database import open_control
    from farebox.control.outbox.envelope import envelope
    from farebox.control.outbox.messages import enqueue

    with open_control(home).writing() as connection:
        for each in told:
            sent = envelope(
                each.kind,
                each.data,
                at_ns,
                cause="a look for newer prices",
                dedupe_key=f"{each.kind}:{each.about}",
                occurred_ns=each.occurred_ns,
            )
            enqueue(connection, sent)


def _news(home: Home, prices: PricesConfig, at_ns: int) -> list[_News]:
    if prices.update == "off":
        return []
    last, held = last_look(home), held_list(home)
    found: list[_News] = []
    recent_ns = at_ns - NEWS_DAYS * 86_400 * _NS
    if last is not None and last.taken and last.taken_at_ns > recent_ns:
        data = {"source": last.source, "changes": last.taken, "taken_at": iso(last.taken_at_ns)}
        found.append(_News("prices.updated", str(last.taken_at_ns), last.taken_at_ns, data))
    if held is not None and held.fetched_at[:19] > iso(recent_ns)[:19]:
        data = {
            "source": held.source,
            "sha256": held.sha256,
            "fetched_at": held.fetched_at,
            "changes": held.changes,
            "reasons": held.reasons[:20],
        }
        found.append(_News("prices.held", held.sha256, at_ns, data))
    if last is not None and last.failures and last.reached_at_ns:
        stale_ns = last.reached_at_ns + STALE_AFTER_LOOKS * prices.every_s * _NS
        if at_ns > stale_ns > recent_ns:
            data = {"source": last.source, "since": iso(last.reached_at_ns), "why": last.words}
            found.append(_News("prices.stale", str(last.reached_at_ns), stale_ns, data))
    return found
