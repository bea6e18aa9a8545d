"""A record, an export and its receiver, all by one clock, driven step by step."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
from calls import DAY, HOUR, MINUTE, NOON, SECOND, TestLedger, done
from usage_receivers import KEY, UsageReceiver

from farebox.channels.usage.usage_event import QUANTITIES, value_text
from farebox.channels.usage.usage_settings import UsageForm, usual_settings
from farebox.charges.customer_terms import CustomerTerms
from farebox.charges.identities import Identity
from farebox.charges.plan import Customer
from farebox.control import usage_events
from farebox.control.database import ControlDatabase, open_control
from farebox.control.outbox import delivery_state, receivers
from farebox.control.outbox.attempt import attempt
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.control.publish import change
from farebox.exports.following import UsageFollower
from farebox.exports.usage_sums import quantities
from farebox.home import Home
from farebox.ledger.charging.following import TermsFollower
from farebox.ledger.feed import ROW_COLUMNS, Feed
from farebox.outbound.http_post import Limits

LIMITS = Limits(connect=5, silence=5, whole=5)
NAME = "books"


class HandOver:
    """One export of one home."""

    def __init__(self, home: Home, form: UsageForm, receiver: UsageReceiver, **said: Any) -> None:
        self.now_ns = NOON + HOUR
        self.home = home
        self.ledger = TestLedger(home, clock=self.now)
        self.receiver = receiver
        receiver.now_s = lambda: self.now_ns / 10**9
        self.said: list[str] = []
        self.form: UsageForm = form
        self.database: ControlDatabase = open_control(home)
        self.set(**said)
        self.follower = self.following()

    def now(self) -> int:
        return self.now_ns

    def following(self) -> UsageFollower:
        return UsageFollower(self.home, clock=self.now, say=self.said.append)

    def set(self, **said: Any) -> None:
        self.granularity: str = said.get("granularity", "hour")
        usage = msgspec.structs.replace(usual_settings(self.form), **{"since_ns": 0, **said})
        settings = ReceiverSettings(url=self.receiver.url, kinds=(), secret={"env": "K"}, usage=usage)
        with change(self.home, self.database) as connection:
            receivers.add(connection, NAME, settings, self.now_ns)

    def calls(self, number: int, customer: str = "acme", at: int | None = None, **more: Any) -> None:
        began = self.now_ns if at is None else at
        attribution = (
            {"customer": customer, **more.pop("attribution", {})} if customer else more.pop("attribution", {})
        )
        self.ledger.append(
            *(
                done(began + n * SECOND, attribution=attribution, **{"input_tokens": 10 + n, **more})
                for n in range(number)
            )
        )

    def remap(self, user: str, customer: str) -> None:
        """Let a user's calls be another customer's: each is taken back and put in its place again."""
        terms = CustomerTerms(
            (Identity(customer=customer, dimension="user", value=user),),
            (Customer(id=customer, currency="USD"),),
        )
        TermsFollower(self.ledger.connection, self.ledger.applier, lambda: terms, self.now).run()

    def pass_time(self, ns: int) -> None:
        self.now_ns += ns

    def deliver(self, limit: int = 100_000) -> int:
        """Make attempts, each with its outcome committed, until none is due; return how many."""
        return asyncio.run(self._deliver(limit))

    async def _deliver(self, limit: int) -> int:
        made = 0
        while made < limit:
            with self.database.reading() as connection:
                due = [each for each in delivery_state.heads(connection) if each.due_ns <= self.now_ns]
            if not due:
                break
            made += 1
            outcome = await attempt(due[0], lambda _: KEY, self.now_ns, limits=LIMITS)
            with self.database.writing() as connection:
                delivery_state.record(connection, due[0], outcome, self.now_ns, 0.5)
        return made

    def hand_over(self) -> None:
        """Let an hour pass, or a day where events are of days, follow, and deliver."""
        self.pass_time((DAY if self.granularity == "day" else HOUR) + MINUTE)
        self.follower.look()
        self.deliver()

    def states(self) -> usage_events.UsageFigures:
        with self.database.reading() as connection:
            return usage_events.figures(connection).get(NAME, usage_events.UsageFigures())

    def ours(self) -> Counter[tuple[str, str]]:
        """Return what the record comes to, row by row: customer and quantity."""
        found: Counter[tuple[str, str]] = Counter()
        rows = Feed(self.ledger.connection).after(0, 1_000_000)
        at = ROW_COLUMNS.index("attribution")
        for row in rows.rows:
            customer = rows.attributions[row[at]].fields.get("customer")
            if customer:
                for name, value in zip(QUANTITIES, quantities(row), strict=True):
                    found[customer, name] += value
        return found

    def theirs(self) -> dict[tuple[str, str], Decimal]:
        return {key: value for key, value in self.receiver.totals.items() if value}

    def expected(self, meters: dict[str, str], customers: dict[str, str]) -> dict[tuple[str, str], Decimal]:
        """Return what the receiver should have, in its own names."""
        return {
            (customers.get(customer, customer), meters[quantity]): Decimal(value_text(quantity, value))
            for (customer, quantity), value in self.ours().items()
            if quantity in meters and value
        }

    def close(self) -> None:
        self.ledger.connection.close()
