"""What alerts learn that no row of the record says."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from calls import DAY, MINUTE, NOON, SECOND

from farebox.home import Home
from farebox.ledger.alerting.facts import Facts
from farebox.ledger.alerting.outside_facts import OutsideFacts
from farebox.price_lists.last_look import LastLook
from farebox.proxy.intercept.unmetered import UnmeteredHosts
from farebox.proxy.process import tell_unmetered


class Outside:
    def __init__(self, home: Home) -> None:
        home.prepare()
        self.now_ns = NOON
        self.facts = OutsideFacts(home, lambda: "digest", lambda: self.now_ns)

    def of(self, *kinds: str) -> Facts:
        return self.facts(frozenset(kinds))


@pytest.fixture
def outside(home: Home) -> Outside:
    return Outside(home)


def test_only_what_is_asked_for_is_looked_at(outside: Outside) -> None:
    assert outside.of("spend", "errors") == Facts()
    assert outside.of("prices").prices == "digest"
    assert outside.of("wallet").wallets is None, "there is no control.db"


def caller(command: str) -> Any:
    process = SimpleNamespace(command=command)
    return SimpleNamespace(process=process, when_known=lambda done: done())


def test_programs_past_the_meter_are_those_the_proxy_lists(home: Home, outside: Outside) -> None:
    unmetered = UnmeteredHosts()

    async def tell() -> None:
        telling = asyncio.create_task(tell_unmetered(home, unmetered, 0.001))
        unmetered.add("api.openai.com", "curl/8", "direct", caller("python app.py"))
        unmetered.add("api.anthropic.com", "curl/8", "pinned:closed", caller("python app.py"))
        unmetered.add("api.openai.com", "", "excepted", caller("backup"))
        for _ in range(2_000):
            await asyncio.sleep(0.005)
            if outside.of("unmetered").unmetered:
                break
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling

    asyncio.run(tell())
    (found,) = outside.of("unmetered").unmetered or ()
    assert (found.name, found.hosts) == ("python app.py", "api.anthropic.com, api.openai.com")
    first = found.since_ns
    outside.now_ns += 20 * MINUTE
    (later,) = outside.of("unmetered").unmetered or ()
    assert later.since_ns == first, "it is known since when"


def test_prices_are_as_old_as_the_last_look(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outside.of("prices").prices_checked_ns is None
    look = LastLook(
        at_ns=NOON, next_at_ns=NOON + DAY, source="x", state="unchanged", words="", reached_at_ns=NOON - 5
    )
    monkeypatch.setattr("farebox.price_lists.last_look.last_look", lambda home: look)
    outside.now_ns += 30 * SECOND
    assert outside.of("prices").prices_checked_ns is None, "it is looked for once a minute"
    outside.now_ns += 31 * SECOND
    assert outside.of("prices").prices_checked_ns == NOON - 5
