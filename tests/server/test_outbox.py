"""`/api/v1/outbox`: what waits and what failed, without a secret or a URL's path."""

from __future__ import annotations

from served import Site, pages

from farebox.control.outbox import messages, receivers
from farebox.control.outbox.envelope import ReceiverSettings, envelope
from farebox.control.publish import change
from farebox.server.deliveries import own_ports

PATH = "/api/v1/outbox"


def test_without_a_control_database_it_is_empty(site: Site) -> None:
    answer = site.get(PATH)
    assert (answer.status, answer.json()) == (
        200,
        {"pending": 0, "dead": 0, "receivers": [], "messages": [], "next_cursor": None},
    )
    assert not site.home.control.exists()


def test_it_shows_receivers_and_messages_and_no_secret(site: Site) -> None:
    said = ReceiverSettings(url="https://hooks.example.com/T0/secret?x=1", secret={"env": "OPS"})
    with change(site.home) as connection:
        receivers.add(connection, "ops", said, 1)
        for number in range(3):
            messages.enqueue(connection, envelope("a.b", {"n": number}, 10**18 + number, cause="t"))
        dead = messages.deliveries(connection)[0].id
        messages.cancel(connection, id=dead)
    answer = site.get(PATH)
    assert b"secret?" not in answer.body
    found = answer.json()
    assert found["receivers"][0]["origin"] == "https://hooks.example.com"
    assert found["receivers"][0]["secret"] == "from env OPS"
    assert (found["pending"], len(found["messages"])) == (2, 3)
    (cancelled,) = site.get(f"{PATH}?state=cancelled").json()["messages"]
    assert cancelled["id"] == dead
    assert [len(page["messages"]) for page in pages(site, f"{PATH}?receiver=ops", 1)] == [1, 1, 1]
    assert len({page["messages"][0]["id"] for page in pages(site, PATH, 1)}) == 3
    assert site.get(f"{PATH}?receiver=nobody").json()["messages"] == []


def test_wrong_parameters_are_named(site: Site) -> None:
    for query in ("state=lost", "limit=0", "limit=x", "color=red"):
        assert site.get(f"{PATH}?{query}").status == 422


def test_a_damaged_control_database_is_said(site: Site) -> None:
    site.home.control.touch(0o600)
    site.home.control.write_text("no database")
    answer = site.get(PATH)
    assert (answer.status, answer.json()["code"]) == (503, "control_damaged")


def test_our_own_ports_are_those_announced(site: Site) -> None:
    assert own_ports(site.home) == frozenset()
    (site.home.run / "proxy.json").write_text('{"pid": 1, "port": 3273}')
    (site.home.run / "server.json").write_text("no json")
    assert own_ports(site.home) == frozenset((3273,))
