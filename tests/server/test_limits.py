"""`/api/v1/budgets` and `/api/v1/stops`: shown to readers, changed by the owner, mistakes told at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from served import NOW, Answer, Site
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parent.parent / "ledger"))
import calls

from farebox.budgets.budget import Budget
from farebox.control.database import open_control
from farebox.control.publish import publish
from farebox.control.schema import audit
from farebox.server.api.method_routes import BODY_BYTES_MAX
from farebox.snapshot import read_snapshot

BUDGETS, STOPS = "/api/v1/budgets", "/api/v1/stops"
DAILY: dict[str, Any] = {"where": {"customer": "acme"}, "limit": "25.00", "period": "day"}


def sent(site: Site, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    return site.ask(path, {"authorization": f"Bearer {site.token}", **headers}, method, content)


def published(site: Site) -> dict[str, Budget]:
    return {each.name: each for each in read_snapshot(site.home).budgets}


def test_a_budget_is_put_shown_listed_and_deleted(site: Site) -> None:
    assert site.get(BUDGETS).json() == {"budgets": [], "problems": [], "next_cursor": None}
    put = sent(site, "PUT", f"{BUDGETS}/acme-daily", DAILY)
    assert put.status == 200
    assert (put.json()["limit_usd"], put.json()["where"]) == ("25", {"customer": ["acme"]})
    assert published(site)["acme-daily"].limit_pico == 25 * 10**12
    shown = site.get(f"{BUDGETS}/acme-daily").json()
    assert [each["name"] for each in site.get(BUDGETS).json()["budgets"]] == ["acme-daily"]
    assert shown["figures"]["left_pico"] == str(25 * 10**12)
    deleted = sent(site, "DELETE", f"{BUDGETS}/acme-daily")
    assert (deleted.status, deleted.json()["budgets"]) == (200, [])
    assert published(site) == {}
    assert site.get(f"{BUDGETS}/acme-daily").status == 404


def test_every_mistake_of_a_budget_is_told_at_once_with_its_field(site: Site) -> None:
    answer = sent(
        site,
        "PUT",
        f"{BUDGETS}/daily",
        {"where": {"custmer": "a"}, "limit": -5, "period": "dai", "timezone": "Berlin", "color": "red"},
    )
    assert (answer.status, answer.json()["code"]) == (422, "config_invalid")
    findings = answer.json()["details"]["findings"]
    assert [each.split(": ")[1] for each in findings] == [
        "where.custmer",
        "limit",
        "period",
        "timezone",
        "color",
    ]
    assert published(site) == {}


@pytest.mark.parametrize(
    ("written", "pico"),
    [
        (b"25", 25 * 10**12),
        (b"0.1", 10**11),
        (b"0.000000000001", 1),
        (b"1234567.123456789012", 1234567123456789012),
        (b'"25.00"', 25 * 10**12),
    ],
)
def test_a_number_of_the_body_is_read_exactly(site: Site, written: bytes, pico: int) -> None:
    assert sent(site, "PUT", f"{BUDGETS}/b", b'{"limit": %s, "period": "day"}' % written).status == 200
    assert published(site)["b"].limit_pico == pico


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"nonsense", b'{"limit":', b"[" * 5_000, b"\xff", b'{"limit": 1e400, "period": "day"}'],
)
def test_a_body_that_is_no_budget_is_refused(site: Site, body: bytes) -> None:
    assert sent(site, "PUT", f"{BUDGETS}/b", body).status == 422
    assert published(site) == {}


def test_a_body_that_is_too_large_is_refused(site: Site) -> None:
    assert sent(site, "PUT", f"{BUDGETS}/b", b" " * (BODY_BYTES_MAX + 1)).status == 413


def test_a_budget_of_the_file_is_neither_changed_nor_deleted(site: Site) -> None:
    site.home.config.write_text('budgets:\n  - {name: daily, limit: "1", period: day}\n')
    publish(site.home)
    for answer in (sent(site, "PUT", f"{BUDGETS}/daily", DAILY), sent(site, "DELETE", f"{BUDGETS}/daily")):
        assert (answer.status, "farebox.yaml:2" in answer.json()["message"]) == (422, True)
    assert published(site)["daily"].limit_pico == 10**12


def test_stops_are_made_listed_and_lifted(site: Site) -> None:
    made = sent(site, "POST", STOPS, {"session": "s/1", "reason": "runs away"})
    assert (made.status, made.json()["value"], made.json()["by"]) == (200, "s/1", "owner")
    sent(site, "POST", STOPS, {"process": 42})
    assert {(each["dimension"], each["value"]) for each in site.get(STOPS).json()["stops"]} == {
        ("session", "s/1"),
        ("process", "42"),
    }
    assert sent(site, "DELETE", f"{STOPS}?session=s/1").status == 200
    assert sent(site, "DELETE", f"{STOPS}?session=s/1").json()["code"] == "stop_not_found"
    assert [each.value for each in read_snapshot(site.home).stops] == ["42"]


@pytest.mark.parametrize(
    "body",
    [{}, {"session": ""}, {"session": None}, {"session": ["a"]}, {"sesion": "a"},
     {"session": "a", "key": "b"}, {"session": "x" * 300}, {"session": "a", "reason": "x" * 300},
     {"session": "a", "reason": 5}, {"key": "sk-proj-0123456789abcdef0123456789abcdef"}],
)  # fmt: skip
def test_what_cannot_be_stopped_is_refused(site: Site, body: Any) -> None:
    answer = sent(site, "POST", STOPS, body)
    assert answer.status == 422 and b"sk-proj" not in answer.body
    assert read_snapshot(site.home).stops == ()


def test_each_change_is_in_the_audit_with_who_made_it(site: Site) -> None:
    sent(site, "PUT", f"{BUDGETS}/daily", DAILY)
    sent(site, "DELETE", f"{BUDGETS}/daily")
    with open_control(site.home).reading() as connection:
        rows = connection.execute(select(audit)).all()
    assert {(row.actor, row.action) for row in rows} == {("owner", "budget.set"), ("owner", "budget.remove")}


def test_a_simulation_of_nothing_blocks_nothing_and_its_span_is_checked(site: Site) -> None:
    sent(site, "PUT", f"{BUDGETS}/daily", DAILY)
    found = site.get(f"{BUDGETS}/daily/simulation").json()
    assert (found["name"], found["blocked_calls"], found["windows"]) == ("daily", 0, [])
    assert site.get(f"{BUDGETS}/daily/simulation?since=soon").status == 422
    assert site.get(f"{BUDGETS}/daily/simulation?customer=acme").status == 422
    assert site.get(f"{BUDGETS}/other/simulation").status == 404


def test_another_sites_page_changes_nothing(site: Site) -> None:
    from test_guard import cookie_of

    headers = {"cookie": cookie_of(site), "origin": "https://evil.example"}
    for method, path in (
        ("PUT", f"{BUDGETS}/b"),
        ("DELETE", f"{BUDGETS}/b"),
        ("POST", STOPS),
        ("DELETE", STOPS),
    ):
        assert site.ask(path, headers, method, msgspec.json.encode(DAILY)).status == 403
    assert published(site) == {}
    own = site.ask(f"{BUDGETS}/b", {"cookie": headers["cookie"]}, "PUT", msgspec.json.encode(DAILY))
    assert own.status == 200, "the negative control: our own page may"


@pytest.mark.parametrize(
    "path", [f"{BUDGETS}/", f"{BUDGETS}/A", f"{BUDGETS}/a/b", f"{BUDGETS}/a%2Fb", f"{STOPS}/x"]
)
def test_other_paths_are_not_there(site: Site, path: str) -> None:
    assert site.get(path).status == 404


def test_a_simulation_says_what_would_have_been_blocked(site: Site) -> None:
    ledger = calls.TestLedger(site.home)
    day_ago = NOW - 24 * 3600 * 10**9
    ledger.append(*(calls.done(day_ago + at, attribution={"customer": "acme"}) for at in range(10)))
    ledger.connection.close()
    sent(site, "PUT", f"{BUDGETS}/tiny", {"limit": "0.0001", "period": "ever"})
    found = site.get(f"{BUDGETS}/tiny/simulation").json()
    assert (found["calls"], found["blocked_calls"], found["saved_usd"]) == (10, 8, "0.0003")
    assert found["whom"][0]["whom"] == {"customer": "acme"}
    assert site.get(f"{BUDGETS}/tiny/simulation?since=12h").json()["calls"] == 0


def test_a_budget_is_simulated_before_it_is_set(site: Site) -> None:
    path = "/api/v1/budget-simulation"
    found = sent(site, "POST", f"{path}?since=30d", {**DAILY, "name": "acme-daily"})
    assert found.status == 200, found.body
    assert (found.json()["name"], found.json()["calls"], found.json()["blocked_calls"]) == (
        "acme-daily",
        0,
        0,
    )
    assert published(site) == {}
    wrong = sent(site, "POST", path, {"name": "b", "limit": "x", "period": "day"})
    assert (wrong.status, wrong.json()["details"]["fields"]) == (422, ["limit"])
    assert sent(site, "POST", f"{path}?color=red", DAILY).json()["code"] == "unknown_parameter"
