"""`/api/v1/identities`, and what a coupon or an add-on would make of the next invoice."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from served import Site
from test_plans import PLANS, sent

from farebox.control import schema
from farebox.control.database import open_control
from farebox.home import Home

IDENTITIES = "/api/v1/identities"
TERMS = {
    "plans": {"pro": {"base": "20.00"}},
    "customers": {"acme": {"timezone": "Europe/Berlin"}, "globex": {}},
    "subscriptions": [{"customer": "acme", "plan": "pro", "start": "2026-11-01"}],
}


@pytest.fixture
def sold(site: Site) -> Site:
    answer = sent(site, "PUT", PLANS, TERMS)
    assert answer.status == 200, answer.body
    return site


def put(site: Site, **said: str) -> tuple[int, list[dict[str, str | None]]]:
    answer = sent(site, "PUT", IDENTITIES, said)
    return answer.status, answer.json().get("identities", [])


def test_a_name_stands_for_a_customer_from_a_day_on_its_calendar_until_it_is_ended(
    sold: Site, home: Home
) -> None:
    status, (only,) = put(sold, customer="acme", dimension="user", value="ann")
    assert (status, only["customer"], only["since"], only["until"]) == (200, "acme", None, None)
    assert put(sold, customer="globex", dimension="user", value="ann")[0] == 422  # from when on?
    status, (first, second) = put(sold, customer="globex", dimension="user", value="ann", since="2026-11-10")
    assert (status, first["until"]) == (200, second["since"]) == (200, "2026-11-10T00:00:00.000000Z")
    left = sent(sold, "DELETE", f"{IDENTITIES}?dimension=user&value=ann&at=2026-11-15").json()["identities"]
    assert [each["until"] for each in left] == ["2026-11-10T00:00:00.000000Z", "2026-11-15T00:00:00.000000Z"]
    assert sold.get(f"{IDENTITIES}?format=json").json() == left
    with open_control(home).reading() as connection:
        said = connection.execute(sa.select(schema.audit.c.actor, schema.audit.c.action)).all()
    assert ("owner", "customer.map") in said
    assert ("owner", "customer.unmap") in said


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"customer": "nobody", "dimension": "user", "value": "x"}, 404),
        ({"customer": "acme", "dimension": "model", "value": "x"}, 422),
        ({"customer": "acme", "dimension": "user", "value": " "}, 422),
        ({"customer": "acme", "dimension": "user", "value": "x", "since": "soon"}, 422),
        (
            {
                "customer": "acme",
                "dimension": "user",
                "value": "x",
                "since": "2026-11-02",
                "until": "2026-11-01",
            },
            422,
        ),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    sold: Site, said: dict[str, str], status: int
) -> None:
    assert put(sold, **said)[0] == status
    assert sold.get(IDENTITIES).json()["identities"] == []


def test_previews_say_what_the_next_invoice_comes_to_and_give_nothing(sold: Site) -> None:
    coupon = {"customer": "acme", "name": "LAUNCH", "percent": "25"}
    add_on = {"customer": "acme", "name": "Onboarding", "amount": "500"}
    for route, said, after in (("coupons", coupon, "15.00"), ("add-ons", add_on, "520.00")):
        answer = sent(sold, "POST", f"/api/v1/{route}/preview", said)
        assert answer.status == 200, answer.body
        (effect,) = answer.json()["invoices"]
        assert (effect["before"], effect["after"], effect["currency"]) == ("20.00", after, "USD")
        assert sold.get(f"/api/v1/{route}").json()[route.replace("-", "_")] == []
    assert sent(sold, "POST", "/api/v1/coupons/preview", {**coupon, "percent": "200"}).status == 422
