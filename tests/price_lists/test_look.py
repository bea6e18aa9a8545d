"""Looking for newer prices: a good list comes into force, everything else leaves the old ones."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from price_server import A, B, PriceServer, price_list, price_server

from farebox.clock import now_ns
from farebox.config import Config, load_config
from farebox.config.configuration import PricesConfig
from farebox.home import Home
from farebox.price_lists.fetching import SIZE_MAX
from farebox.price_lists.held_list import held_list
from farebox.price_lists.last_look import LastLook, is_due, last_look, note_failure
from farebox.price_lists.look import look
from farebox.price_lists.news import news
from farebox.pricing import load_book
from farebox.pricing.sources.price_updates import newest, snapshots

DAY_NS = 86400 * 10**9


@pytest.fixture
def server() -> Iterator[PriceServer]:
    with price_server() as found:
        found.content = price_list(A, B)
        yield found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def looked(home: Home, server: PriceServer, content: bytes | None = None, **settings: str) -> LastLook:
    """Look once in mode `auto`, for this content."""
    if content is not None:
        server.content = content
    return look(home, configured(home, server, **settings))


def configured(home: Home, server: PriceServer, **settings: str) -> Config:
    flags = {"update": "auto", "from": server.url, **settings}
    return load_config(home, flags={f"prices.{key}": text for key, text in flags.items()})


def usd(home: Home, model: str, unit: str = "input") -> str | None:
    lines = load_book(state=home.path).find("maker", model, 2**62)
    return next((f"{line.unit_price_usd:f}" for line in lines if line.unit == unit), None)


def in_force(home: Home) -> tuple[str | None, str | None]:
    return usd(home, "a"), usd(home, "b")


OLD = ("0.000001", "0.000002")


@pytest.fixture
def taken(home: Home, server: PriceServer) -> Home:
    """A home that has taken over the first list."""
    assert looked(home, server).state == "taken"
    assert in_force(home) == OLD
    return home


def dearer(price: str) -> dict[str, object]:
    return {**A, "per_1m": {"input": price, "output": "4"}}


def test_a_good_list_is_taken_over_and_its_rows_are_appended(taken: Home, server: PriceServer) -> None:
    found = looked(taken, server, price_list(dearer("3"), B, {"id": "c", "per_1m": {"input": "9"}}))
    assert (found.state, found.words) == ("taken", "1 price changed, 1 new model")
    assert in_force(taken) == ("0.000003", OLD[1])
    rows = [line for line in load_book(state=taken.path).find("maker", "a") if line.unit == "input"]
    assert [line.usd for line in rows] == ["1", "3"], "the row that was in force is still there"
    assert rows[1].effective_from
    assert held_list(taken) is None


def test_a_price_that_moves_more_than_five_times_is_held_and_the_rest_taken(
    taken: Home, server: PriceServer
) -> None:
    found = looked(taken, server, price_list(dearer("6"), {**B, "per_1m": {"input": "3"}}))
    assert (found.state, found.words) == ("partly_held", "1 price changed; 1 more wait for review")
    assert in_force(taken) == (OLD[0], "0.000003")
    held = held_list(taken)
    assert held is not None
    assert "maker/a input would move from $0.000001 to $0.000006, more than 5 times" in held.reasons[0]


@pytest.mark.parametrize("price", ["6", "0.1", "0"])
def test_a_list_with_nothing_but_far_moves_changes_nothing(
    taken: Home, server: PriceServer, price: str
) -> None:
    assert looked(taken, server, price_list(dearer(price), B)).state == "held"
    assert in_force(taken) == OLD


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (price_list(A), "1 model would be gone: maker/b"),
        (price_list(A, B, provider="other"), "1 provider would be gone: maker"),
        (price_list(dearer("2"), {**B, "id": "b2"}), "1 model would be gone: maker/b"),
    ],
)
def test_a_smaller_list_is_held_whole(taken: Home, server: PriceServer, content: bytes, why: str) -> None:
    assert looked(taken, server, content).state == "held"
    assert in_force(taken) == OLD
    held = held_list(taken)
    assert held is not None
    assert why in held.reasons


def test_a_truncated_list_is_not_even_held(taken: Home, server: PriceServer) -> None:
    server.cut_at = 200
    found = looked(taken, server, price_list(dearer("3"), B))
    assert (found.state, found.failures) == ("failed", 1)
    assert "cut short" in found.words
    server.cut_at = None
    server.content = server.content[:-20]
    assert looked(taken, server).failures == 2
    assert (in_force(taken), held_list(taken), len(snapshots(taken.path))) == (OLD, None, 1)
    assert looked(taken, server, price_list(dearer("3"), B)).state == "taken"  # the negative control


@pytest.mark.parametrize("way", ["hex", "url", "file"])
def test_a_list_with_a_wrong_digest_is_not_even_held(
    taken: Home, server: PriceServer, tmp_path: Path, way: str
) -> None:
    right = price_list(dearer("3"), B)
    digest = hashlib.sha256(right).hexdigest()
    server.other["/list.json.sha256"] = f"{digest}  list.json\n".encode()
    (tmp_path / "sums").write_text(f"{digest}  list.json\n")
    wanted = {"hex": digest, "url": f"{server.url}.sha256", "file": str(tmp_path / "sums")}[way]
    found = looked(taken, server, price_list(dearer("4"), B), sha256=wanted)
    assert (found.state, "sha256" in found.words) == ("failed", True)
    assert (in_force(taken), held_list(taken)) == (OLD, None)
    assert looked(taken, server, right, sha256=wanted).state == "taken"


def test_a_list_that_was_in_force_before_is_older_and_held(taken: Home, server: PriceServer) -> None:
    looked(taken, server, price_list(dearer("3"), B))
    found = looked(taken, server, price_list(A, B))
    assert found.state == "held"
    assert in_force(taken) == ("0.000003", OLD[1])
    held = held_list(taken)
    assert held is not None
    assert held.reasons == ["it is an older list that was in force before"]


def test_a_list_that_its_server_calls_older_is_held(taken: Home, server: PriceServer) -> None:
    server.headers["Last-Modified"] = "Fri, 20 Nov 2026 10:00:00 GMT"
    looked(taken, server, price_list(dearer("3"), B))
    server.headers["Last-Modified"] = "Thu, 19 Nov 2026 10:00:00 GMT"
    assert looked(taken, server, price_list(dearer("2"), B)).state == "held"
    assert in_force(taken) == ("0.000003", OLD[1])
    server.headers["Last-Modified"] = "Sat, 21 Nov 2026 10:00:00 GMT"
    assert looked(taken, server, price_list(dearer("2.5"), B)).state == "taken"  # the negative control


def test_a_price_of_the_past_that_is_corrected_does_not_replace_the_one_in_force(
    taken: Home, server: PriceServer
) -> None:
    rows = [
        {"per_1m": {"input": "1", "output": "4"}},
        {"effective_from": "2026-10-01", "per_1m": {"input": "2", "output": "4"}},
    ]
    looked(taken, server, price_list({**A, "rows": rows}, B))
    rows[0] = {"per_1m": {"input": "1.5", "output": "4"}}
    looked(taken, server, price_list({**A, "rows": rows}, B))
    assert in_force(taken)[0] == "0.000002"


def test_a_list_without_the_newest_prices_that_we_have_is_older_and_held(
    taken: Home, server: PriceServer
) -> None:
    dated = [
        {"per_1m": A["per_1m"]},
        {"effective_from": "2026-10-01", "per_1m": {"input": "2", "output": "4"}},
    ]
    looked(taken, server, price_list({**A, "rows": dated}, B))
    assert in_force(taken)[0] == "0.000002"
    dated[1] = {"effective_from": "2026-09-01", "per_1m": {"input": "3"}}
    assert looked(taken, server, price_list({**A, "rows": dated}, B)).state == "held"
    assert in_force(taken)[0] == "0.000002"


def test_a_redirect_to_another_host_is_refused_and_never_asked(taken: Home, server: PriceServer) -> None:
    with price_server() as elsewhere:
        elsewhere.content = price_list(dearer("3"), B)
        server.status = 302
        server.headers["Location"] = elsewhere.url
        found = looked(taken, server)
        assert found.state == "failed"
        assert f"a redirect to {elsewhere.url.removesuffix('/list.json')}" in found.words
        assert elsewhere.requests == []
    assert in_force(taken) == OLD


def test_a_redirect_on_the_same_host_is_followed(taken: Home, server: PriceServer) -> None:
    server.status = 302
    server.headers["Location"] = "/moved.json"
    server.other["/moved.json"] = price_list(dearer("3"), B)
    assert looked(taken, server).state == "taken"


def test_a_new_model_that_takes_the_calls_of_known_ones_is_held(taken: Home, server: PriceServer) -> None:
    shadow = {"id": "z", "match": {"starts_with": "a"}, "per_1m": {"input": "0.01"}}
    assert looked(taken, server, price_list(A, B, shadow)).state == "held"
    assert in_force(taken) == OLD
    held = held_list(taken)
    assert held is not None
    assert held.reasons == ["the new model maker/z would take the calls of a"]


def test_a_price_for_a_new_condition_is_compared_with_the_usual_one(taken: Home, server: PriceServer) -> None:
    rows = [A, {"per_1m": {"input": "0.1"}, "when": {"service_tier": "flex"}, "mark": "@service_tier=flex"}]
    model = {"id": "a", "rows": [{"per_1m": A["per_1m"]}, rows[1]]}
    assert looked(taken, server, price_list(model, B)).state == "held"
    rows[1]["per_1m"] = {"input": "0.5"}
    assert looked(taken, server, price_list(model, B)).state == "taken"  # the negative control


TIER = {"tiers": [{"above": 1000, "per_1m": {"input": "900"}}]}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (
            {"per_1m": {"input": "1", "output": "4"}, **TIER},
            "a input above 1,000 input tokens would move from $0.000001 to $0.0009",
        ),
        (
            {"per_1m": {"input": "1.1", "output": "4"}, **TIER},
            "a input above 1,000 input tokens would move from $0.000001 to $0.0009",
        ),
        (
            {"per_1m": {"input": "1", "output": "4"}, "per_1": {"requests": "100"}},
            "a requests would be $100, more than 5 times the highest price of the model, $0.000004",
        ),
        ({"per_1m": {"input": "1"}}, "a output would have no price any more"),
    ],
)
def test_a_price_that_had_nothing_before_it_is_held_where_it_is_far_from_all_others(
    taken: Home, server: PriceServer, row: dict[str, object], why: str
) -> None:
    """A tier, a unit, a gap: each would change what calls cost, without moving a price that is there."""
    found = looked(taken, server, price_list({"id": "a", "rows": [row]}, {**B, "per_1m": {"input": "3"}}))
    assert found.state == "partly_held"
    assert in_force(taken) == (OLD[0], "0.000003")
    assert {line.unit_price_usd for line in load_book(state=taken.path).find("maker", "a", 2**62)} == {
        Decimal("0.000001"),
        Decimal("0.000004"),
    }
    held = held_list(taken)
    assert held is not None
    assert any(why in reason for reason in held.reasons), held.reasons


def test_a_tier_and_a_unit_that_cost_about_the_same_are_taken_over(taken: Home, server: PriceServer) -> None:
    """The control."""
    row = {
        "per_1m": {"input": "1", "output": "4", "cache_read": "0.1"},
        "tiers": [{"above": 1000, "per_1m": {"input": "2"}}],
    }
    found = looked(taken, server, price_list({"id": "a", "rows": [row]}, B))
    assert (found.state, found.words) == ("taken", "1 price changed, 1 new price")


def test_a_new_model_that_costs_far_more_than_all_others_is_held(taken: Home, server: PriceServer) -> None:
    found = looked(taken, server, price_list(A, B, {"id": "c", "per_1m": {"input": "11"}}))
    assert found.state == "held"
    assert usd(taken, "c") is None


def test_in_review_everything_waits(home: Home, server: PriceServer) -> None:
    found = looked(home, server, update="review")
    assert (found.state, found.words) == ("held", "2 new models; the list waits for review")
    assert in_force(home) == (None, None)
    held = held_list(home)
    assert held is not None
    assert held.reasons == []


def test_an_unchanged_list_is_not_sent_again(taken: Home, server: PriceServer) -> None:
    found = looked(taken, server)
    assert (found.state, found.words) == ("unchanged", "the list has not changed")
    assert server.requests[-1] == ("/list.json", server.etag())


def test_a_failed_list_is_asked_for_again_whole(taken: Home, server: PriceServer) -> None:
    looked(taken, server, b"{}")
    assert looked(taken, server, b"{}").state == "failed", "its ETag was not remembered"


def test_a_list_of_any_size_is_refused(taken: Home, server: PriceServer) -> None:
    found = looked(taken, server, b" " * (SIZE_MAX + 1))
    assert (found.state, "at most" in found.words) == ("failed", True)
    assert in_force(taken) == OLD


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_server_in_trouble_leaves_the_old_prices(taken: Home, server: PriceServer, status: int) -> None:
    server.status = status
    found = looked(taken, server)
    assert (found.state, str(status) in found.words, in_force(taken)) == ("failed", True, OLD)


def test_a_list_can_be_a_file(home: Home, server: PriceServer, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_bytes(price_list(A))
    assert looked(home, server, **{"from": "list.json"}).state == "taken"
    (tmp_path / "list.json").unlink()
    assert looked(home, server, **{"from": "list.json"}).state == "failed"
    assert usd(home, "a") == OLD[0]


def test_looks_are_an_interval_apart_and_further_while_they_fail(home: Home, server: PriceServer) -> None:
    prices = configured(home, server).prices
    now = now_ns()
    assert is_due(None, prices, now)
    first = look(home, configured(home, server), at_ns=now)
    assert DAY_NS <= first.next_at_ns - now <= int(DAY_NS * 1.1)
    assert not is_due(first, prices, now + DAY_NS - 1)
    assert is_due(first, prices, now + int(DAY_NS * 1.1))
    assert is_due(first, PricesConfig(update="auto", every_s=60, source=server.url), now + 66 * 10**9)
    assert is_due(first, PricesConfig(update="auto", source="https://elsewhere.example"), now)
    assert is_due(first, prices, now - 1), "the clock was set back"
    assert not is_due(None, PricesConfig(update="off"), now)
    server.status = 500
    pauses: list[int] = []
    for _ in range(12):
        failed = look(home, configured(home, server), at_ns=now)
        pauses.append((failed.next_at_ns - now) // 10**9)
    assert 300 <= pauses[0] <= 330
    assert 600 <= pauses[1] <= 660
    assert all(86400 <= pause <= int(86400 * 1.1) for pause in pauses[9:])


def test_news_say_what_changed_what_waits_and_what_fails(taken: Home, server: PriceServer) -> None:
    prices = configured(taken, server).prices
    assert "the price lists were updated on" in news(taken, prices, now_ns())[0]
    assert news(taken, prices, now_ns() + 2 * DAY_NS) and not news(taken, PricesConfig(), now_ns())
    looked(taken, server, price_list(dearer("6"), B))
    waiting = news(taken, prices, now_ns())[0]
    assert "with 1 change waits, see " in waiting and "farebox prices review: maker/a input" in waiting
    server.status = 500
    looked(taken, server)
    assert "the old ones stay in force: " in news(taken, prices, now_ns())[1]
    note_failure(taken, configured(taken, server), "it hung")
    last = last_look(taken)
    assert last is not None
    assert (last.words, last.failures) == ("it hung", 2)
    server.status = 200
    looked(taken, server)
    assert "nobody has looked" in news(taken, prices, now_ns() + 4 * DAY_NS)[1]


def test_damaged_notes_and_held_lists_are_made_again(taken: Home, server: PriceServer) -> None:
    looked(taken, server, price_list(dearer("6"), B))
    folder = taken.path / "prices.updates"
    for name in ("held.json", "last.json"):
        (folder / name).write_text('{"schema": 1')
    assert (held_list(taken), last_look(taken)) == (None, None)
    assert looked(taken, server).state == "held"
    held = json.loads((folder / "held.json").read_text())
    held["content"] = "AAAA"
    (folder / "held.json").write_text(json.dumps(held))
    assert held_list(taken) is None, "what is held is what was fetched"


KILLED = """
import os, signal, sys
left = int(sys.argv[1])

def dying(name, real):
    def call(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    return call

for name in ("open", "fsync", "rename", "replace", "unlink", "close", "mkdir"):
    setattr(os, name, dying(name, getattr(os, name)))
import pathlib
for name in ("replace", "unlink", "mkdir", "rename"):
    setattr(pathlib.Path, name, dying(name, getattr(pathlib.Path, name)))
from farebox.price_lists.__main__ import run
sys.exit(run(sys.argv[2:]))
"""


def test_a_kill_at_any_step_leaves_the_old_prices_or_the_new(home: Home, server: PriceServer) -> None:
    looked(home, server)
    new = ("0.000003", "0.000004")
    server.content = price_list(dearer("3"), {**B, "per_1m": {"input": "4"}})
    arguments = [
        "--home",
        str(home.path),
        "--set",
        "prices.update=auto",
        "--set",
        f"prices.from={server.url}",
    ]
    seen: list[tuple[str | None, str | None]] = []
    for step in range(60):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(step), *arguments],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert newest(home.path) is not None
        seen.append(in_force(home))
        if done.returncode == 0 and in_force(home) == new:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert set(seen) == {OLD, new}
    assert seen == sorted(seen), "once they are in force, they stay"
    assert looked(home, server).state == "unchanged"


def test_two_who_update_at_once_lose_nothing(home: Home, server: PriceServer, tmp_path: Path) -> None:
    files = []
    for number in range(4):
        file = tmp_path / f"{number}.json"
        file.write_bytes(price_list({"id": f"m{number}", "per_1m": {"input": "1"}}, provider=f"p{number}"))
        files.append(file)
    environment = {**os.environ, "FAREBOX_HOME": str(home.path)}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "farebox.cli", "prices", "update", str(file)],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for file in files
    ]  # fmt: skip
    assert [each.wait(60) for each in running] == [0] * 4
    found = newest(home.path)
    assert found is not None
    assert sorted(found.providers) == ["p0", "p1", "p2", "p3"]
