"""API v1: what each route answers, as snapshots that the dashboard's own tests read too.

`UPDATE_SNAPSHOTS=1 pytest tests/server/test_api.py` writes them anew; look at the difference.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from fake_ledger import FakeLedger, call
from served import HOST, MINUTE, NOW, Site, ask_raw, day_of_calls

from farebox.analytics.query import Answer, Question, Reply, Request
from farebox.cli.keys import forget, label
from farebox.cli.options import Place
from farebox.config import load_config
from farebox.errors import LedgerSchemaError
from farebox.home import Home
from farebox.money import display_usd, usd_text
from farebox.server.api.status.key_labels import KeyLabels
from farebox.server.assets import Assets

SNAPSHOTS = Path(__file__).resolve().parent.parent / "snapshots"
BERLIN = "tz=Europe/Berlin"


def agrees_with_snapshot(name: str, answer: Any) -> None:
    path = SNAPSHOTS / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(json.dumps(answer, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert answer == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("summary", f"summary?{BERLIN}"),
        ("summary_7d", f"summary?since=7d&{BERLIN}"),
        ("breakdown_model", f"breakdown?by=model&since=7d&{BERLIN}"),
        ("breakdown_top", f"breakdown?by=model&since=7d&limit=1&{BERLIN}"),
        ("breakdown_key", f"breakdown?by=key&{BERLIN}"),
        ("breakdown_surface", f"breakdown?by=surface&{BERLIN}"),
        ("values", f"values?contains=gpt&{BERLIN}"),
        ("series_hour", f"series?bucket=hour&by=model&{BERLIN}"),
        ("series_day", f"series?bucket=day&since=prev-month&until=month&{BERLIN}"),
        ("calls", f"calls?{BERLIN}"),
        ("calls_page", f"calls?limit=2&before=8&{BERLIN}"),
        ("receipt", "calls/019aa000-0000-7000-8000-000000000005"),
        ("receipt_unpriced", "calls/019aa000-0000-7000-8000-000000000007"),
    ],
)
def test_the_answer_is_the_snapshot(site: Site, name: str, target: str) -> None:
    answer = site.get(f"/api/v1/{target}")
    assert answer.status == 200
    agrees_with_snapshot(f"api/{name}.json", answer.json())


@pytest.mark.parametrize("state", ["empty", "running"])
def test_the_status_is_the_snapshot(home: Home, web: Path, state: str) -> None:
    if state == "running":
        proxy = {"pid": os.getpid(), "host": "127.0.0.1", "port": 3273, "started_at": "2026-11-20T08:00:00Z"}
        (home.run / "proxy.json").write_text(json.dumps(proxy))
        (home.run / "ledger.json").write_text(json.dumps({"pid": os.getpid()}))
    site = Site(home, FakeLedger(), Assets(web))
    answer = site.get("/api/v1/status").json()
    answer.update(version="0.1.0", home="~/farebox", now="2026-11-20T15:00:30.000000Z", tz="UTC")
    agrees_with_snapshot(f"api/status_{state}.json", answer)


def test_values_are_found_by_any_part_of_them_in_every_dimension(site: Site) -> None:
    def found(query: str) -> list[tuple[str, str]]:
        listed = site.get(f"/api/v1/values?since=7d&{query}").json()["values"]
        return [(value["dimension"], value["value"]) for value in listed]

    assert ("model", "gpt-4o-mini") in found("contains=O-MIN")
    assert ("app", "ingest") in found("contains=GES")
    assert ("user", "anna") in found("contains=nn")
    assert {dimension for dimension, _ in found("contains=t&by=app")} == {"app"}
    # A filter narrows the other dimensions' values and leaves its own to be changed.
    assert found("contains=claude") == [("model", "claude-sonnet-4"), ("request_model", "claude-sonnet-4")]
    assert found("contains=claude&model=gpt-4o-mini") == [("model", "claude-sonnet-4")]
    assert site.get("/api/v1/values?by=nothing").status == 422
    assert site.get("/api/v1/values?contains=c&limit=1&since=7d").json()["truncated"] is True


def test_a_key_is_found_by_the_name_it_has_now_and_has_it_in_the_status(home: Home, web: Path) -> None:
    labels: dict[str, str] = {}
    site = Site(home, day_of_calls(), Assets(web), key_labels=lambda: labels)
    fingerprint = "a1b2c3d4e5f60718"
    assert site.get("/api/v1/values?contains=backend&since=7d").json()["values"] == []
    labels[fingerprint] = "Backend"
    (value,) = site.get("/api/v1/values?contains=backend&since=7d").json()["values"]
    assert (value["dimension"], value["value"], value["label"]) == ("key", fingerprint, "Backend")
    assert site.get("/api/v1/status").json()["key_labels"] == {fingerprint: "Backend"}


def test_names_of_keys_are_read_again_when_they_change(home: Home) -> None:
    file = home.config
    file.write_text('keys: {"0123456789abcdef": {label: one}}\n')
    names = KeyLabels(home, load_config(home))
    assert names() == {"0123456789abcdef": "one"}
    label("a" * 16, "two", place=Place(home=home.path))
    assert names() == {"0123456789abcdef": "one", "a" * 16: "two"}
    file.write_text('keys: {"0123456789abcdef": {labe')
    assert names() == {"0123456789abcdef": "one", "a" * 16: "two"}, "a file being edited takes no name away"
    file.unlink()
    forget("a" * 16, place=Place(home=home.path))
    assert names() == {}


def test_money_is_shown_the_same_way_by_the_command_line_and_the_dashboard() -> None:
    amounts = [0, 1, 999, 123_456, 10**6, 1_851_000, 99_995 * 10**7, 99_994 * 10**7, 999_949 * 10**6]
    amounts += [10**12 - 1, 10**12, 1_005 * 10**9, 12_345_678 * 10**9, 2**63 - 1, 10**30 + 1, -5 * 10**11]
    vectors = [
        {"pico": str(amount), "usd": usd_text(amount), "display": display_usd(amount)} for amount in amounts
    ]
    agrees_with_snapshot("money.json", vectors)


def test_every_amount_is_text_and_no_number_is_a_float(site: Site) -> None:
    def walk(value: Any, name: str = "") -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, key)
        elif isinstance(value, list):
            for inner in value:
                walk(inner, name)
        else:
            assert not isinstance(value, float), name
            if re.search(r"pico|usd|percent|quantity", name):
                assert value is None or isinstance(value, str), name

    seen = 0
    for path in sorted((SNAPSHOTS / "api").glob("*.json")):
        walk(json.loads(path.read_text(encoding="utf-8")))
        seen += 1
    assert seen >= 14


def test_a_call_of_this_very_moment_is_in_what_is_asked_for(home: Home, web: Path) -> None:
    site = Site(home, FakeLedger([call(1, NOW)]), Assets(web))
    assert site.get("/api/v1/summary").json()["sums"]["calls"] == 1
    assert len(site.get("/api/v1/calls").json()["calls"]) == 1


def test_an_amount_beyond_two_to_the_53_keeps_its_last_digit(home: Home, web: Path) -> None:
    row = call(1, NOW - MINUTE)
    row.cost_pico = 2**53 + 1
    site = Site(home, FakeLedger([row]), Assets(web))
    assert site.get("/api/v1/summary").json()["sums"]["cost_pico"] == "9007199254740993"


def test_groups_and_the_rest_add_up_to_the_total(site: Site) -> None:
    for by in ("model", "surface", "key", "app", "model,app"):
        answer = site.get(f"/api/v1/breakdown?since=all&limit=1&by={by}").json()
        parts = [group["sums"] for group in answer["groups"]] + [answer["rest"]]
        for name in ("calls", "cost_pico", "input_tokens", "unpriced_calls"):
            assert sum(int(part[name]) for part in parts) == int(answer["total"][name])


@pytest.mark.parametrize("bucket", ["minute", "hour", "day"])
def test_the_lines_of_a_series_add_up_to_its_total_and_to_the_summary(site: Site, bucket: str) -> None:
    span = f"since=1d&{BERLIN}"
    series = site.get(f"/api/v1/series?bucket={bucket}&by=model&{span}").json()
    for index in range(len(series["starts"])):
        lines = sum(int(line["cost_pico"][index]) for line in series["lines"])
        assert lines == int(series["total"]["cost_pico"][index])
    summed = sum(map(int, series["total"]["cost_pico"]))
    assert summed == int(site.get(f"/api/v1/summary?{span}").json()["sums"]["cost_pico"])


@pytest.mark.parametrize("bucket", ["hour", "day"])
@pytest.mark.parametrize("by", ["model", "key"])
def test_a_series_by_a_dimension_asks_for_six_keys_and_never_for_all(
    home: Home, web: Path, bucket: str, by: str
) -> None:
    series: list[tuple[list[str], int]] = []

    class CountingLedger(FakeLedger):
        def answer(self, asked: Question) -> Answer:
            found = super().answer(asked)
            if asked.bucket is not None:
                series.append((asked.by, len(found.rows)))
            return found

    rows = [call(seq, NOW - MINUTE, model=f"tuned-{seq}", key=f"k{seq}") for seq in range(1, 50)]
    site = Site(home, CountingLedger(rows), Assets(web))
    found = site.get(f"/api/v1/series?bucket={bucket}&by={by}&tz=UTC").json()
    assert series == [([by], 6), ([], 1)]
    assert sum(sum(line["calls"]) for line in found["lines"]) == 49 == sum(found["total"]["calls"])


def test_models_beyond_the_most_expensive_six_share_one_line(home: Home, web: Path) -> None:
    rows = [call(seq, NOW - MINUTE, model=f"tuned-{seq}") for seq in range(1, 10)]
    series = Site(home, FakeLedger(rows), Assets(web)).get("/api/v1/series?bucket=hour&by=model").json()
    assert [line["is_rest"] for line in series["lines"]] == [False] * 6 + [True]
    assert sum(series["lines"][-1]["calls"]) == 3


def test_all_pages_together_are_every_call_once(site: Site) -> None:
    seen: list[int] = []
    cursor = ""
    while True:
        page = site.get(f"/api/v1/calls?since=all&limit=2{cursor}").json()
        seen += [row["seq"] for row in page["calls"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_filters_have_the_names_of_the_command_lines_flags(site: Site) -> None:
    def seqs(query: str) -> list[int]:
        return [row["seq"] for row in site.get(f"/api/v1/calls?since=all&{query}").json()["calls"]]

    assert seqs("app=ingest&user=anna") == [5]
    assert seqs("status=429") == [8]
    assert seqs("cost_state=unpriced") == [7]
    assert seqs("provider=anthropic&surface=anthropic.messages") == [6]
    assert seqs("key=0d93b2aa71c5e0f4") == [6]
    assert seqs("app=ingest&app=night") == [5, 4, 3]
    assert seqs("app=ingest,night") == []
    assert seqs(f"since=yesterday&until=today&{BERLIN}".replace("since=", "app=night&since=", 1)) == [3]


@pytest.mark.parametrize(
    ("target", "parameter"),
    [
        ("summary?sinc=today", "sinc"),
        ("summary?since=lately", "since"),
        ("summary?since=2026-13-01", "since"),
        ("summary?since=99999999d", "since"),
        ("summary?since=999999w", "since"),
        ("summary?since=0001-01-01", "since"),
        ("summary?until=yesterday", "until"),
        ("summary?tz=Mars/Olympus", "tz"),
        ("summary?tz=../../etc/passwd", "tz"),
        ("summary?cost_state=cheap", "cost_state"),
        ("summary?outcome=fine", "outcome"),
        ("summary?status=abc", "status"),
        (f"summary?model={'m' * 600}", "model"),
        ("breakdown?by=colour", "by"),
        ("breakdown?by=model,model", "by"),
        ("breakdown?limit=0", "limit"),
        ("breakdown?limit=1e3", "limit"),
        ("series?bucket=week", "bucket"),
        ("series?by=colour", "by"),
        ("series?bucket=minute&since=30d", "bucket"),
        ("series?bucket=minute&since=all", "bucket"),
        ("calls?limit=501", "limit"),
        ("calls?limit=-1", "limit"),
        ("calls?before=x", "before"),
        ("calls?after=1", "after"),
        ("calls?before=99999999999999999999", "before"),
        ("calls?cursor=x", "cursor"),
        ("calls?format=xlsx", "format"),
        ("live?since=lately", "since"),
    ],
)
def test_a_bad_parameter_is_refused_with_what_is_allowed(site: Site, target: str, parameter: str) -> None:
    answer = site.get(f"/api/v1/{target}")
    body = answer.json()
    assert answer.status == 422
    assert set(body) == {"code", "message", "details"}
    assert body["details"]["parameter"] == parameter
    assert body["details"]["allowed"]


@pytest.mark.parametrize("call_id", ["019aa000", "ffff", "x", "%2e%2e", "a" * 70, "' OR 1=1"])
def test_a_call_that_is_not_one_call_is_not_found(site: Site, call_id: str) -> None:
    answer = site.get(f"/api/v1/calls/{call_id}")
    assert (answer.status, answer.json()["code"]) == (404, "call_not_found")


class Broken(FakeLedger):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def reply(self, request: Request) -> Reply:
        raise self.error


def test_a_ledger_that_cannot_be_read_is_a_503_in_the_same_shape(home: Home, web: Path) -> None:
    site = Site(home, Broken(LedgerSchemaError("made by a newer Farebox")), Assets(web))
    answer = site.get("/api/v1/summary")
    assert (answer.status, answer.json()["code"]) == (503, "ledger_schema_newer")


def test_a_bug_of_ours_is_a_500_that_tells_nothing(home: Home, web: Path) -> None:
    site = Site(home, Broken(ZeroDivisionError("secret detail")), Assets(web))
    answer = site.get("/api/v1/summary")
    assert (answer.status, answer.json()["code"]) == (500, "internal_error")
    assert b"secret detail" not in answer.body


class Slow(FakeLedger):
    """Answers questions when told to, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__([call(1, NOW)])
        self.go = threading.Event()
        self.started = threading.Event()
        self.asked = 0

    def reply(self, request: Request) -> Reply:
        self.asked += 1
        self.started.set()
        assert self.go.wait(30)
        return super().reply(request)


def test_what_nobody_waits_for_is_not_asked_and_a_receipt_never_waits_for_a_report(
    home: Home, web: Path
) -> None:
    rows = Slow()
    site = Site(home, rows, Assets(web))
    headers = [(b"host", HOST.encode()), (b"authorization", f"Bearer {site.token}".encode())]

    async def click_through_filters() -> None:
        gone = asyncio.Event()
        running = asyncio.ensure_future(ask_raw(site.app, "/api/v1/breakdown", headers))
        assert await asyncio.to_thread(rows.started.wait, 30)
        left = [
            asyncio.ensure_future(ask_raw(site.app, "/api/v1/breakdown", headers, gone=gone)) for _ in "abc"
        ]
        await asyncio.sleep(0.01)
        gone.set()
        assert [answer.status for answer in await asyncio.gather(*left)] == [0, 0, 0]
        assert (await ask_raw(site.app, "/api/v1/calls/019aa000", headers)).status == 200
        rows.go.set()
        assert (await running).status == 200

    asyncio.run(click_through_filters())
    site.ledger.close()
    assert rows.asked == 1


def test_an_empty_ledger_answers_zeros_everywhere(home: Home, web: Path) -> None:
    site = Site(home, FakeLedger(), Assets(web))
    for target in (
        "summary",
        "breakdown?by=key",
        "series?bucket=hour",
        "series?since=all",
        "calls?since=all",
    ):
        assert site.get(f"/api/v1/{target}").status == 200
    assert site.get("/api/v1/summary").json()["sums"]["priced_percent"] == "100.0"


def test_a_question_nested_without_end_is_a_wrong_parameter(site: Site) -> None:
    found = site.get(f"/api/v1/questions?request={{%22x%22:{'[' * 20_000}")
    assert found.status == 422
