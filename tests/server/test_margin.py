"""`/api/v1/margin`: for who may read, with its parameters checked."""

from __future__ import annotations

import pytest
from served import Site

MARGIN = "/api/v1/margin"
PERIOD = "since=2026-11-01&until=2026-12-01"


def test_without_customers_there_is_no_margin(site: Site) -> None:
    answer = site.get(f"{MARGIN}?{PERIOD}").json()
    assert answer["rows"] == [] and answer["total"]["revenue_usd"] == "0"
    assert (answer["since"], answer["until"], answer["by"]) == ("2026-11-01", "2026-12-01", "customer")


@pytest.mark.parametrize(
    "query", ["", "since=2026-11-01", f"{PERIOD}&by=key", f"{PERIOD}&below=x", f"{PERIOD}&x=1"]
)
def test_a_wrong_parameter_is_named(site: Site, query: str) -> None:
    assert site.get(f"{MARGIN}?{query}").status == 422


def test_a_simulation_may_be_asked_for_and_its_body_is_checked(site: Site) -> None:
    headers = {"authorization": f"Bearer {site.token}"}
    path, period = "/api/v1/simulation", '"since": "2026-11-01", "until": "2026-12-01"'
    found = site.ask(path, headers, "POST", f"{{{period}}}".encode())
    assert found.status == 200 and found.json()["customers"] == []
    for body in (
        "{}",
        f'{{{period}, "models": ["x"]}}',
        f'{{{period}, "plans": "["}}',
        f'{{{period}, "x": 1}}',
    ):
        assert site.ask(path, headers, "POST", body.encode()).status in (400, 422), body
