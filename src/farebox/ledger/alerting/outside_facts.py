"""Find out what alerts need to know that no row says: wallets, prices, programs that are not metered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import apsw
import msgspec

from farebox.charges.currencies import exponent_of
from farebox.ledger.alerting.facts import Facts, UnmeteredClient, WalletLeft

if TYPE_CHECKING:
    from farebox.home import Home

_SECOND_NS = 10**9
_AGAIN_NS = 60 * _SECOND_NS
UNMETERED_FILE = "unmetered.json"

_USABLE = """
SELECT customer, currency,
  (SELECT coalesce(sum(-e.amount_minor), 0) FROM journal_entry e JOIN wallet_grant g ON g.id = e.wallet_grant
   WHERE g.customer = w.customer AND e.party <> '' AND g.effective_at <= ?1
     AND (g.expires_at IS NULL OR ?1 < g.expires_at))
  - (SELECT coalesce(sum(e.amount_minor), 0) FROM journal_entry e
     WHERE e.party = w.customer AND e.account = 'wallet_liability' AND e.wallet_grant = '')
FROM wallet w ORDER BY customer
"""
"""As `billing.wallets.balance`, whose `usable_minor` it is, without what the ledger process does not load."""


class _Unmetered(msgspec.Struct):
    host: str
    client: str = ""
    command: str = ""
    reason: str = ""
    last_at: int = 0


class OutsideFacts:
    """For one home; what has not changed is not read again."""

    def __init__(self, home: Home, prices: Callable[[], str], clock: Callable[[], int]) -> None:
        """`prices` returns the digest of the prices in force."""
        self._home = home
        self._prices = prices
        self._clock = clock
        self._wallets: tuple[WalletLeft, ...] | None = None
        self._wallets_of: tuple[int, ...] = ()
        self._wallets_until_ns = 0
        self._checked_ns: int | None = None
        self._checked_until_ns = 0
        self._seen: dict[str, int] = {}
        """When each program was first seen past the meter."""

    def __call__(self, kinds: frozenset[str]) -> Facts:
        """Return what kinds of alerts need."""
        return Facts(
            wallets=self._wallets_now() if "wallet" in kinds else None,
            prices=self._prices() if "prices" in kinds else None,
            prices_checked_ns=self._prices_checked_ns() if "prices" in kinds else None,
            unmetered=self._unmetered() if "unmetered" in kinds else None,
        )

    def _wallets_now(self) -> tuple[WalletLeft, ...] | None:
        now = self._clock()
        try:
            status = self._home.control.stat()
        except OSError:
            return None
        stamp = status.st_ino, status.st_mtime_ns, status.st_size
        if stamp == self._wallets_of and now < self._wallets_until_ns:
            return self._wallets
        try:
            connection: Any = apsw.Connection(str(self._home.control), flags=apsw.SQLITE_OPEN_READONLY)
        except apsw.Error:
            return self._wallets
        try:
            connection.set_busy_timeout(1_000)
            self._wallets = tuple(
                WalletLeft(customer, minor * 10 ** (12 - exponent_of(currency)), currency)
                for customer, currency, minor in connection.execute(_USABLE, (now,))
            )
            self._wallets_of, self._wallets_until_ns = stamp, now + _AGAIN_NS
        except apsw.Error:  # it is being upgraded or written: what was known stays
            pass
        finally:
            connection.close(True)
        return self._wallets

    def _prices_checked_ns(self) -> int | None:
        now = self._clock()
        if now >= self._checked_until_ns or now < self._checked_until_ns - 2 * _AGAIN_NS:
            self._checked_until_ns = now + _AGAIN_NS
            self._checked_ns = self._looked_up_ns()
        return self._checked_ns

    def _looked_up_ns(self) -> int | None:
        from farebox.price_lists.last_look import last_look
        from farebox.pricing.sources.price_updates import newest

        last = last_look(self._home)
        found = [last.reached_at_ns] if last is not None and last.reached_at_ns else []
        updates = newest(self._home.path)
        if updates is not None:
            found.append(_moment_ns(updates.origin.fetched_at))
        return max(found, default=None)

    def _unmetered(self) -> tuple[UnmeteredClient, ...]:
        try:
            text = (self._home.run / UNMETERED_FILE).read_bytes()
            listed = msgspec.json.decode(text, type=list[_Unmetered])
        except (OSError, msgspec.MsgspecError, ValueError):
            listed = []
        by_name: dict[str, list[_Unmetered]] = {}
        for each in listed:
            if each.reason != "excepted":  # what the configuration excepts is no news
                by_name.setdefault(each.command or each.client or "a program", []).append(each)
        found: list[UnmeteredClient] = []
        for name, entries in sorted(by_name.items()):
            last_ns = max(each.last_at for each in entries) * _SECOND_NS
            since_ns = self._seen.setdefault(name, min(last_ns, self._clock()))
            hosts = ", ".join(sorted({each.host for each in entries}))
            why = ", ".join(sorted({each.reason for each in entries}))
            found.append(UnmeteredClient(name, hosts, why, since_ns, last_ns))
        self._seen = {each.name: each.since_ns for each in found}
        return tuple(found)


def _moment_ns(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp()) * _SECOND_NS
    except ValueError:
        return 0
