"""Prices, capture and settings through the API: what they show, and what may be changed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fake_ledger import FakeLedger, call
from served import NOW, Answer, Site, day_of_calls
from test_api import BERLIN, agrees_with_snapshot

from farebox.home import Home
from farebox.pricing import load_book
from farebox.server.api.services import Services
from farebox.server.assets import Assets
from farebox.snapshot import read_snapshot

KEY = "a1b2c3d4e5f60718"


@pytest.fixture
def system(home: Home, web: Path) -> Iterator[Site]:
    home.config.write_text(f'keys: {{"{"0" * 16}": {{label: of the file, customer: acme}}}}\n')
    site = Site(home, day_of_calls(), Assets(web))
    yield site
    site.ledger.close()


def change(site: Site, method: str, path: str, body: Any = None) -> Answer:
    """Change something as whoever has the token."""
    headers = {"authorization": f"Bearer {site.token}", "content-type": "application/json"}
    return site.ask(f"/api/v1/{path}", headers, method, b"" if body is None else json.dumps(body).encode())


def test_the_models_of_the_span_have_their_prices_beside_them(system: Site) -> None:
    found = system.get(f"/api/v1/prices/models?since=7d&{BERLIN}").json()
    by_model = {each["model"]: each for each in found["models"]}
    assert by_model["my-finetune"]["prices"] == [] and by_model["my-finetune"]["unpriced_calls"] == 1
    mini = by_model["gpt-4o-mini"]["prices"]
    assert {row["unit"] for row in mini} >= {"input_per_1m", "output_per_1m"} or mini[0]["price_id"]
    assert all(row["in_force"] for row in mini)
    found["price_book"] = "0123456789abcdef"
    for model in found["models"]:
        model["prices"] = model["prices"][:2]
    agrees_with_snapshot("api/prices_models.json", found)


def test_the_history_of_a_model_is_every_price_that_it_had(system: Site) -> None:
    found = system.get("/api/v1/prices/history?provider=openai&model=gpt-4o-mini").json()
    assert found["prices"] and all(row["price_id"] for row in found["prices"])
    assert system.get("/api/v1/prices/history?model=").status == 422


def test_a_price_is_set_as_by_the_command_and_a_wrong_one_changes_nothing(system: Site) -> None:
    file = system.home.path / "prices.d" / "set.yaml"
    wrong = change(system, "PUT", "prices/own", {"model": "my-llm/my-finetune", "rates": {"inptu": "cheap"}})
    assert wrong.status == 422 and wrong.json()["details"]["findings"]
    assert not file.exists()
    right = change(
        system, "PUT", "prices/own", {"model": "my-llm/my-finetune", "rates": {"input": "2", "output": "4"}}
    )
    assert right.status == 200, right.body
    assert right.json()["entry"]["input_per_1m"] == "2" and file.exists()
    (row, *_) = system.get("/api/v1/prices/history?provider=my-llm&model=my-finetune").json()["prices"]
    assert row["price_source"] == "user"
    nothing = change(system, "PUT", "prices/own", {"model": "x", "rates": {}})
    assert nothing.status == 422


def test_whoever_asks_while_new_prices_are_read_waits_for_them(
    system: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Services(system.home, system.ledger)
    before = services.book().digest
    first, released = threading.Event(), threading.Event()

    def slow(*given: Any, **named: Any) -> Any:
        first.set()
        assert released.wait(30)
        return load_book(*given, **named)

    monkeypatch.setattr("farebox.pricing.price_watch.load_book", slow)
    folder = system.home.path / "prices.d"
    folder.mkdir(mode=0o700)
    (folder / "set.yaml").write_text('pricing: {"a/b": {input_per_1m: "1"}}\n')
    (folder / "set.yaml").chmod(0o600)
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(services.book)
        assert first.wait(30)
        other = threads.submit(services.book)
        released.set()
        assert one.result().digest == other.result().digest != before


def test_how_prices_are_kept_up_to_date_is_shown(system: Site) -> None:
    found = system.get("/api/v1/prices/updates").json()
    assert (found["update"], found["waiting_changes"], found["list_from"]) == ("off", 0, None)


def test_keys_are_those_seen_and_those_named_and_the_files_own_stay(system: Site) -> None:
    seen = system.get("/api/v1/keys").json()["keys"]
    assert {key["fingerprint"] for key in seen} == {KEY, "0d93b2aa71c5e0f4", "0" * 16} or len(seen) >= 2
    assert seen[0]["calls"] > 0
    named = change(system, "PUT", f"keys/{KEY}", {"label": "backend", "customer": "acme"})
    assert named.status == 200, named.body
    (key,) = [each for each in named.json()["keys"] if each["fingerprint"] == KEY]
    assert (key["label"], key["customer"], key["origin"]) == ("backend", "acme", "command")
    assert read_snapshot(system.home).keys()[KEY].customer == "acme"
    gone = change(system, "DELETE", f"keys/{KEY}")
    assert gone.status == 200
    assert change(system, "DELETE", f"keys/{KEY}").status == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("keys/not-a-fingerprint", {"label": "x"}),
        (f"keys/{KEY}", {"label": ""}),
        (f"keys/{KEY}", {"label": "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"}),
        (f"keys/{KEY}", {"label": "x", "colour": "red"}),
        (f"keys/{KEY}", {"label": "x" * 65}),
    ],
)
def test_a_name_that_makes_no_sense_is_refused_and_no_key_is_repeated(
    system: Site, path: str, body: Any
) -> None:
    answer = change(system, "PUT", path, body)
    assert answer.status in (404, 422)
    assert b"sk-proj" not in answer.body


def test_a_token_is_shown_once_and_revoked_for_good(system: Site) -> None:
    made = change(system, "POST", "tokens", {"name": "grafana", "scope": "read", "expires": "90d"}).json()
    assert made["secret"] and made["token"]["state"] == "active" and made["token"]["expires_at"]
    listed = system.get("/api/v1/tokens")
    assert made["secret"].encode() not in listed.body
    assert [each["name"] for each in listed.json()["tokens"]] == ["grafana"]
    again = change(system, "POST", "tokens", {"name": "grafana", "scope": "read"})
    assert again.status == 422
    gone = change(system, "DELETE", f"tokens/{made['token']['id']}").json()
    assert [each["state"] for each in gone["tokens"]] == ["revoked"]
    assert change(system, "DELETE", "tokens/none").status == 404
    wrong = change(system, "POST", "tokens", {"name": "x", "scope": "emperor"})
    assert wrong.json()["details"]["allowed"] == ["ingest", "read", "admin", "client", "portal"]
    assert change(system, "POST", "tokens", {"name": "x", "scope": "read", "expires": "soon"}).status == 422


def test_the_configuration_says_where_each_value_comes_from(system: Site) -> None:
    found = system.get("/api/v1/configuration").json()
    assert found["files"] == [str(system.home.config)] and found["findings"] == []
    values = {each["key"]: each for each in found["values"]}
    assert values["listen"]["layer"] == "default"
    assert any(each["origin"].startswith(str(system.home.config)) for each in found["values"])


def test_capture_lists_its_sources_and_what_is_missing(system: Site) -> None:
    found = system.get("/api/v1/capture").json()
    (source,) = found["sources"]
    assert (source["source"], source["calls"], source["calls_last_minutes"]) == ("proxy:test", 9, 3)
    assert found["losses"] == dict.fromkeys(found["losses"], 0)
    assert (found["added"]["calls"], found["added"]["p50_us"]) == (9, 60)
    assert found["sizes"]["free_bytes"] > 0
    found["processes"], found["sizes"] = [], dict.fromkeys(found["sizes"], 4_096)
    agrees_with_snapshot("api/capture.json", found)


def test_the_percentiles_of_added_time_are_of_the_calls_that_the_proxy_saw(home: Home, web: Path) -> None:
    rows = [msgspec.structs.replace(call(number, NOW), added_us=number) for number in range(1, 101)]
    rows.append(msgspec.structs.replace(call(101, NOW), added_us=0, witness="otlp"))
    site = Site(home, FakeLedger(rows), Assets(web))
    assert site.get("/api/v1/capture").json()["added"] == {"calls": 100, "p50_us": 50, "p99_us": 99}
    site.ledger.close()


def test_the_doctor_says_what_is_wrong_first_and_what_to_do(system: Site) -> None:
    system.home.config.write_text("listen: nowhere\n")
    found = system.get("/api/v1/doctor").json()
    assert found["ok"] is False
    failed = {each["name"]: each["fix"] for each in found["findings"] if not each["ok"]}
    assert failed["configuration"] and "".join(failed) == "".join(
        each["name"] for each in found["findings"][: len(failed)]
    )
    assert "doctor" in found["command"]
