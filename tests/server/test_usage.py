"""Sessions, tables of two dimensions, reliability, quality, activity: as snapshots, and what they promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from fake_ledger import FakeLedger, call
from served import NOW, Site, day_of_calls
from test_api import BERLIN, agrees_with_snapshot

from farebox.budgets.budget import Stop
from farebox.control.budget_changes import stop_calls
from farebox.home import Home
from farebox.journal.records import Held, Intent
from farebox.ledger.append.in_flight import InFlight
from farebox.ledger.call_row import CallRow
from farebox.ledger.feed import Attribution
from farebox.ledger.outcomes import OutcomeRow
from farebox.server.api.filters import instant_ns
from farebox.server.assets import Assets
from farebox.wire.facts import Extraction, Part

SECOND = 10**9


def turn(
    number: int, agent: str, tokens: tuple[int, int], cached: int = 0, seconds: int = 0, **more: Any
) -> CallRow:
    """Return one call of the session `s/1`."""
    row = call(
        100 + number,
        instant_ns("2026-11-20T14:50:00Z") + seconds * SECOND,
        model="claude-sonnet-4",
        provider="anthropic",
        tokens=tokens,
        session="s/1",
        agent=agent,
        **more,
    )
    return msgspec.structs.replace(row, cache_read_input_tokens=cached)


def session_of_turns() -> list[CallRow]:
    """A planner of three turns, the last of which sends everything again, and a searcher that it starts."""
    return [
        turn(1, "planner", (40_000, 900), seconds=0),
        turn(2, "planner", (60_000, 300), cached=40_000, seconds=30, step="write", parent_step="draft"),
        turn(3, "searcher", (5_000, 100), seconds=40, parent_agent="planner"),
        turn(4, "planner", (61_000, 200), seconds=400, step="write", parent_step="draft"),
    ]


@pytest.fixture
def used(home: Home, web: Path) -> Any:
    rows = day_of_calls()
    rows.rows += session_of_turns()
    at = instant_ns("2026-11-20T14:40:00Z")
    whose = Attribution(False, {"task": "t-1", "app": "ingest"}, {})
    rows.results = [
        ("outcome", OutcomeRow(1, 1, at, "resolved", None, whose, b"a" * 16, 1)),
        ("outcome", OutcomeRow(2, 1, at, "resolved", None, whose, b"b" * 16, 1)),
        ("outcome", OutcomeRow(3, -1, at, "resolved", None, whose, b"b" * 16, 1)),
        ("score", OutcomeRow(1, 1, at, "faithful", "0.9", whose, b"c" * 16, 1)),
        ("score", OutcomeRow(2, 1, at, "faithful", "0.2", Attribution(False, {}, {}), b"d" * 16, 1)),
    ]
    intent = Intent(
        event_id=bytes.fromhex("019aa00000007000800000000000ffff"),
        source="proxy:test",
        occurred_at_ns=NOW - 12 * SECOND,
        provider="openai",
        surface="openai.chat",
        attribution={"app": "ingest", "session": "s/2", "process.pid": "4711"},
        held=Held(cost_pico=250_000_000_000, charge_pico=0, holder=1, accounts=(1,)),
    )
    parts = (Part(provider="openai", response_model="gpt-4o-mini", quantities={"output_text": 500}),)
    known = Extraction(parts=parts, completeness="partial", response_model="gpt-4o-mini")
    rows.flying = [
        InFlight(intent=intent, known_at_ns=NOW - 2 * SECOND, extraction=known),
        InFlight(
            intent=msgspec.structs.replace(intent, event_id=b"\x01" * 16),
            known_at_ns=None,
            extraction=Extraction(),
        ),
    ]
    site = Site(home, rows, Assets(web))
    yield site
    site.ledger.close()


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("pivot", f"pivot?rows=app&columns=model&since=7d&{BERLIN}"),
        ("pivot_rest", f"pivot?rows=model&columns=status&since=7d&limit=1&columns_limit=1&{BERLIN}"),
        ("pivot_latency", f"pivot?rows=provider&measure=total_p95_us&{BERLIN}"),
        ("sessions", f"sessions?{BERLIN}"),
        ("session_tree", "sessions/of?session=s%2F1"),
        ("reliability", f"reliability?since=7d&{BERLIN}"),
        ("reliability_series", f"reliability/series?bucket=minute&{BERLIN}"),
        ("quality", f"quality?{BERLIN}"),
        ("activity", f"activity?{BERLIN}"),
    ],
)
def test_the_answer_is_the_snapshot(used: Site, name: str, target: str) -> None:
    answer = used.get(f"/api/v1/{target}")
    assert answer.status == 200, answer.body
    agrees_with_snapshot(f"api/{name}.json", answer.json())


def test_a_table_adds_up_with_everything_else(used: Site) -> None:
    found = used.get(
        f"/api/v1/pivot?rows=model&columns=status&since=7d&limit=1&columns_limit=1&{BERLIN}"
    ).json()
    total = used.get(f"/api/v1/summary?since=7d&{BERLIN}").json()["sums"]["cost_pico"]
    assert found["total"]["value"] == total
    assert sum(int(line["total"]["value"]) for line in found["lines"]) == int(total)
    assert sum(int(cell["value"]) for cell in found["totals"]) == int(total)
    for line in found["lines"]:
        assert sum(int(cell["value"]) for cell in line["cells"]) == int(line["total"]["value"])
    assert [line["is_rest"] for line in found["lines"]] == [False, True]


@pytest.mark.parametrize(
    "target",
    [
        "pivot?rows=nothing",
        "pivot?rows=model,model",
        "pivot?rows=model&columns=model",
        "pivot?rows=model&measure=happiness",
        "pivot?rows=model&limit=0",
        "pivot?rows=provider,model,app,user",
        "sessions?sort=colour",
        "sessions?cursor=first",
        "sessions?order=up",
        "sessions/of",
        "sessions/of?session=s&since=1h",
        "reliability?by=nothing",
        "reliability/series?bucket=year",
        "reliability/series?bucket=second&since=2026-10-01",
        "quality?good=very",
        "activity?limit=3",
    ],
)
def test_what_makes_no_sense_is_refused_with_what_is_allowed(used: Site, target: str) -> None:
    answer = used.get(f"/api/v1/{target}")
    assert answer.status == 422
    assert answer.json()["details"]["parameter"]


def test_pages_of_sessions_are_all_of_them_once(home: Home, web: Path) -> None:
    rows = FakeLedger(
        call(number, NOW - number * SECOND, session=f"s{number}", tokens=(number * 100, 1))
        for number in range(1, 8)
    )
    site = Site(home, rows, Assets(web))
    seen: list[str] = []
    query = "/api/v1/sessions?since=1h&sort=input_tokens&order=asc&limit=3"
    page = site.get(query).json()
    while True:
        seen += [row["session"] for row in page["sessions"]]
        shown = sum(int(row["sums"]["cost_pico"]) for row in page["sessions"])
        assert shown + int(page["rest"]["cost_pico"]) == int(page["total"]["cost_pico"])
        if page["next_cursor"] is None:
            break
        page = site.get(f"{query}&cursor={page['next_cursor']}").json()
    assert seen == [f"s{number}" for number in range(1, 8)]
    site.ledger.close()


def test_a_session_is_a_tree_whose_branches_add_up(used: Site) -> None:
    found = used.get("/api/v1/sessions/of?session=s%2F1").json()
    nodes = {node["id"]: node for node in found["nodes"]}
    shape = [
        (node["kind"], node["name"], nodes[node["parent"]]["name"] if node["parent"] is not None else None)
        for node in found["nodes"]
    ]
    assert shape == [
        ("agent", "planner", None),
        ("step", "draft", "planner"),
        ("step", "write", "draft"),
        ("agent", "searcher", "planner"),
    ]
    planner = found["nodes"][0]
    assert planner["sums"]["cost_pico"] == found["sums"]["cost_pico"]
    assert (planner["own_calls"], planner["sums"]["calls"]) == (1, 4)


def test_a_turn_that_sends_its_context_again_says_how_much_and_what_it_cost(used: Site) -> None:
    found = used.get("/api/v1/sessions/of?session=s%2F1").json()
    turns = found["turns"]
    assert [(turn["agent"], turn["number"]) for turn in turns] == [
        ("planner", 1), ("planner", 2), ("searcher", 1), ("planner", 3),
    ]  # fmt: skip
    assert [turn["input_growth"] for turn in turns] == [None, 20_000, None, 1_000]
    # The second turn read its predecessor's 40,000 tokens from the cache; the last one read nothing.
    assert [turn["sent_again_tokens"] for turn in turns] == [0, 0, 0, 60_000]
    assert found["sent_again"] == [3]
    assert turns[3]["sent_again_pico"] == str(60_000 * 3_000_000)  # $3 a million


def test_a_session_that_nobody_made_a_call_of_is_not_found(used: Site) -> None:
    answer = used.get("/api/v1/sessions/of?session=none")
    assert (answer.status, answer.json()["code"]) == (404, "session_not_found")


def test_a_stopped_session_says_so(used: Site) -> None:
    stop_calls(used.home, Stop(dimension="session", value="s/1", reason="", since_ns=1, by="test"), 1)
    assert used.get("/api/v1/sessions/of?session=s%2F1").json()["stopped"] is True
    (busy,) = used.get("/api/v1/activity").json()["sessions"]
    assert (busy["key"], busy["stopped"]) == ("s/1", True)


def test_outcomes_are_counted_and_cost_what_the_calls_cost(used: Site) -> None:
    found = used.get(f"/api/v1/quality?{BERLIN}").json()
    (resolved,), (faithful,) = found["outcomes"], found["scores"]
    assert (resolved["count"], resolved["good"]) == (1, 1), "one was taken back"
    assert resolved["cost_per_good_pico"] == found["cost_pico"]
    assert (faithful["count"], faithful["good"], faithful["average"]) == (2, 1, "0.5500")
    narrowed = used.get(f"/api/v1/quality?app=ingest&model=gpt-4o-mini&{BERLIN}").json()
    assert [each["count"] for each in narrowed["scores"]] == [1]
    assert narrowed["left_out"] == ["model"]


def test_the_rate_of_the_last_hour_leads_to_midnight_and_to_the_end_of_the_month(
    home: Home, web: Path
) -> None:
    rows = FakeLedger([call(1, NOW - 600 * SECOND, tokens=(4_000_000, 0))])  # $0.60 within the hour
    site = Site(home, rows, Assets(web))
    burn = site.get("/api/v1/activity?tz=UTC").json()["burn"]
    assert burn["per_minute_pico"] == str(10**10)
    spent = 6 * 10**11
    left_of_day = instant_ns("2026-11-21T00:00:00Z") - NOW
    left_of_month = instant_ns("2026-12-01T00:00:00Z") - NOW
    assert burn["projected_day_pico"] == str(spent + spent * left_of_day // (3600 * SECOND))
    assert burn["projected_month_pico"] == str(spent + spent * left_of_month // (3600 * SECOND))
    site.ledger.close()


def test_a_call_in_flight_shows_what_it_cost_so_far_and_can_cost_at_most(used: Site) -> None:
    found = used.get("/api/v1/activity").json()
    known, unknown = found["in_flight"]
    assert known["model"] == "gpt-4o-mini" and known["running_us"] == 12_000_000
    assert known["output_tokens"] == 500 and int(known["cost_pico"]) > 0
    assert known["reserved_pico"] == "250000000000"
    assert (unknown["cost_pico"], unknown["model"], unknown["known_at"]) == (None, None, None)
    assert found["in_flight_count"] == 2
