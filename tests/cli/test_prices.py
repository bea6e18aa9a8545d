"""`farebox prices`: set, import, update, diff, check, unpriced, as a person types them."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farebox.cli.main import main
from farebox.config import Config, load_config
from farebox.home import Home
from farebox.price_lists.look import look
from farebox.pricing import load_book
from farebox.pricing.sources.price_updates import SNAPSHOTS_KEPT, snapshots

CLI = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CLI:
    """Run `farebox prices …` against a fresh state directory: status, output, errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["farebox", "prices", *arguments, "--home", str(home)])
        status = main()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def usd(home: Path, model: str, unit: str = "input", provider: str | None = None) -> str | None:
    lines = load_book(state=home).find(provider, model, 2**62)
    return next((f"{line.unit_price_usd:f}" for line in lines if line.unit == unit), None)


def test_a_price_that_is_set_is_in_force_from_its_date(cli: CLI, home: Path) -> None:
    config = home / "farebox.yaml"
    home.mkdir(mode=0o700)
    config.write_text("# My own words.\npricing: {other: {input_per_1m: 1}}\n")
    assert cli("set", "my-model", "input=2.5", "output=10", "--from", "2026-01-01")[0] == 0
    assert cli("set", "my-model", "input=3", "--from", "2026-02-01")[0] == 0
    shown = json.loads(cli("show", "my-model", "--at", "2026-01-15", "--json")[1])["prices"]
    assert [(line["unit"], line["usd"]) for line in shown] == [("input", "2.5"), ("output", "10")]
    assert usd(home, "my-model") == "0.000003"
    assert config.read_text().startswith("# My own words.")
    assert (home / "prices.d" / "set.yaml").stat().st_mode & 0o777 == 0o600


def test_a_wrong_rate_is_explained_and_changes_nothing(cli: CLI, home: Path) -> None:
    cli("set", "my-model", "input=2.5", "--from", "ever")
    before = (home / "prices.d" / "set.yaml").read_bytes()
    status, _, errors = cli("set", "my-model", "inptu=2.5")
    assert (status, "perhaps input_per_1m" in errors) == (65, True)
    assert (home / "prices.d" / "set.yaml").read_bytes() == before
    assert cli("set", "my-model")[0] == 64


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.yaml", "pricing:\n  new-model: {input_per_1m: 1, output_per_1m: 2}\n"),
        ("p.yaml", "new-model: [{effective_from: 2026-01-01, per_1m: {input: 1, output: 2}}]\n"),
        ("p.json", '{"new-model": {"input_per_1m": 1.0, "output_per_1m": "2"}}'),
        ("p.csv", "model,input_per_1m,output_per_1m\nnew-model,1,2\n"),
    ],
)
def test_a_file_is_imported_whole(cli: CLI, home: Path, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert cli("import", str(tmp_path / name))[0] == 0
    assert (usd(home, "new-model"), usd(home, "new-model", "output")) == ("0.000001", "0.000002")


def test_every_mistake_of_a_file_is_reported_at_once_and_the_old_prices_stay(
    cli: CLI, home: Path, tmp_path: Path
) -> None:
    cli("set", "mine", "input=1", "--from", "ever")
    path = tmp_path / "bad.csv"
    path.write_text("model,input_per_1m,inptu_per_1m,effective_from\na,cheap,,\nb,1,2,\nc,1\nd,1,,soon\n")
    status, _, errors = cli("import", str(path))
    assert status == 65
    for expected in (
        f"{path}:2: a.input_per_1m: found 'cheap', expected a decimal number",
        f"{path}:3: b.inptu_per_1m: found unknown key 'inptu_per_1m', expected perhaps input_per_1m",
        f"{path}:4: row: found 2 cells, expected 4",
        f"{path}:5: d.effective_from: found 'soon', expected a date",
    ):
        assert expected in errors
    assert usd(home, "mine") == "0.000001"
    assert not (home / "prices.d" / "import-bad.yaml").exists()


def test_a_batch_in_other_units_is_put_aside_until_it_is_accepted(
    cli: CLI, home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "per-1k.csv"
    path.write_text("model,input_per_1m\ngpt-4o,2500\ngpt-4o-mini,150\nnew,1\n")
    status, _, errors = cli("import", str(path))
    assert (status, "1000 times" in errors, "--accept" in errors) == (65, True, True)
    assert usd(home, "gpt-4o", provider="openai") == "0.0000025"
    assert (home / "prices.quarantine" / "per-1k.yaml").is_file()
    assert cli("import", str(path), "--accept")[0] == 0
    assert usd(home, "gpt-4o", provider="openai") == "0.0025"


def own_list(*models: dict[str, Any]) -> bytes:
    listed = [
        {
            "id": model["id"],
            "match": {"equals": model["id"]},
            "prices": [
                {"id": f"maker/{model['id']}/ever", "source": "a page", "checked": "2026-11-21"}
                | {key: value for key, value in model.items() if key != "id"}
            ],
        }
        for model in models
    ]
    text = {"schema": "farebox.price-list/1", "providers": {"maker": {"models": listed}}}
    return json.dumps(text).encode()


A, B = {"id": "a", "per_1m": {"input": "1"}}, {"id": "b", "per_1m": {"input": "2"}}


def test_an_update_appends_and_a_move_without_a_date_holds_from_now(
    cli: CLI, home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "list.json"
    path.write_bytes(own_list(A, B))
    assert cli("update", str(path))[0] == 0
    path.write_bytes(own_list({**A, "per_1m": {"input": "3"}}, B))
    status, output, _ = cli("update", str(path))
    assert (status, "moved" in output, "observed" in output) == (0, True, True)
    rows = [line for line in load_book(state=home).find("maker", "a") if line.unit == "input"]
    assert [(line.usd, line.effective_from is None) for line in rows] == [("1", True), ("3", False)]
    assert rows[1].price_id.endswith("~observed#input")
    assert usd(home, "a", provider="maker") == "0.000003"
    assert "no price differs" in cli("update", str(path))[1]
    assert "moved" in cli("diff", "1", "2")[1]
    assert "2 new models" in cli("diff", "0", "1")[1]


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (own_list(A), "maker/b"),
        (own_list({**A, "per_1m": {"input": "6"}}, B), "more than 5 times"),
        (own_list({**A, "per_1m": {"input": "0.1"}}, B), "more than 5 times"),
        (own_list({**A, "per_1m": {"input": "0"}}, B), "more than 5 times"),
    ],
)
def test_an_update_that_removes_or_moves_far_needs_an_acknowledgement(
    cli: CLI, home: Path, tmp_path: Path, second: bytes, why: str
) -> None:
    path = tmp_path / "list.json"
    path.write_bytes(own_list(A, B))
    cli("update", str(path))
    path.write_bytes(second)
    status, _, errors = cli("update", str(path))
    assert (status, why in errors, "--acknowledge" in errors) == (65, True, True)
    assert (usd(home, "a", provider="maker"), len(snapshots(home))) == ("0.000001", 1)
    assert cli("update", str(path), "--acknowledge")[0] == 0
    assert usd(home, "b", provider="maker") == "0.000002", "a removed price stays: calls were made at it"
    assert cli("update", str(path))[0] == 0, "what was acknowledged is not asked again"


def test_an_update_is_checked_by_schema_size_and_digest(cli: CLI, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    for content, expected in (
        (b"[]", "price lists"),
        (b"{}", "schema: farebox.price-list/1"),
        (
            b'[{"id": "maker", "models": [{"id": "a", "match": {"is": "a"}, "prices": {}}]}]',
            "models[0].match",
        ),
        (b"\xff", "UTF-8"),
        (own_list({**A, "per_1m": {"input": "cheap"}}), "a decimal number"),
    ):
        path.write_bytes(content)
        status, _, errors = cli("update", str(path))
        assert (status, expected in errors) == (65, True), (expected, errors)
    path.write_bytes(own_list(A))
    assert cli("update", str(path), "--sha256", "0" * 64)[0] == 65
    assert not snapshots(home)
    digest = hashlib.sha256(own_list(A)).hexdigest()
    assert cli("update", str(path), "--sha256", digest)[0] == 0
    assert cli("update", "http://example.com/list.json")[0] == 65


def test_only_the_last_snapshots_are_kept(cli: CLI, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    for cents in range(SNAPSHOTS_KEPT + 2):
        path.write_bytes(own_list({**A, "per_1m": {"input": f"1.{cents:02d}"}}))
        cli("update", str(path))
    names = [found.name[:6] for found in snapshots(home)]
    assert names == [f"{number:06d}" for number in range(3, SNAPSHOTS_KEPT + 3)]


@pytest.fixture
def served() -> Iterator[tuple[str, list[str | None]]]:
    """A server of one list with an ETag; the ETags it was asked for."""
    asked: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("If-None-Match"))
            fresh = asked[-1] != '"v1"'
            self.send_response(200 if fresh else 304)
            self.send_header("ETag", '"v1"')
            self.end_headers()
            if fresh:
                self.wfile.write(own_list(A))

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/list.json", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_url_is_asked_with_the_etag_of_the_last_time(
    cli: CLI, home: Path, served: tuple[str, list[str | None]]
) -> None:
    url, asked = served
    assert cli("update", url)[0] == 0
    assert usd(home, "a", provider="maker") == "0.000001"
    status, output, _ = cli("update", url)
    assert (status, "has not changed" in output, asked) == (0, True, [None, '"v1"'])


GENAI = """[{"id": "x-ai", "name": "X", "api_pattern": "x", "models": [
  {"id": "grok-new", "match": {"or": [{"equals": "Grok-New"}, {"starts_with": "grok-new-"}]},
   "prices": [{"prices": {"input_mtok": {"base": 2, "tiers": [{"start": 199999, "price": 4.0}]},
                          "output_mtok": "6"}},
              {"constraint": {"start_date": "2030-01-01"}, "prices": {"input_mtok": 1}}],
   "price_variants": [{"when": {"service_tier": "Flex"}, "prices": {"input_mtok": 1.0000000000000002}}]}]}]"""


def test_the_published_data_of_genai_prices_is_read_as_the_import_reads_it(
    cli: CLI, home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "data.json"
    path.write_text(GENAI)
    status, _, errors = cli("update", str(path))
    assert (status, "would be gone" in errors) == (65, True), "this list has one model of many"
    assert cli("update", str(path), "--acknowledge")[0] == 0
    lines = load_book(state=home).find("xai", "grok-new-1")
    assert [(line.unit, line.usd, line.above_input_tokens, line.when, line.effective_from) for line in lines][
        :5
    ] == [
        ("input", "2", None, {}, None),
        ("output", "6", None, {}, None),
        ("input", "4", 199999, {}, None),
        ("input", "1", None, {}, "2030-01-01"),
        ("input", "1", None, {"service_tier": "flex"}, None),
    ]


def test_check_finds_mistakes_everywhere_and_disagreements_of_the_user_with_the_list(
    cli: CLI, home: Path
) -> None:
    assert cli("check")[0] == 0
    cli("set", "openai/gpt-4o-mini", "input=0.1505", "--from", "ever")
    answer = json.loads(cli("check", "--json")[1])
    assert answer["disagreements"] == []
    cli("set", "openai/gpt-4o-mini", "input=0.16", "--from", "ever")
    status, output, _ = cli("check", "--json")
    found = json.loads(output)["disagreements"]
    assert status == 1
    assert {(each["unit"], each["usd"], each["other_usd"]) for each in found} == {
        ("input", "1.6E-7", "1.5E-7")
    }
    (home / "prices.d" / "bad.yaml").write_text("pricing: {a: {input_per_1m: x}}\ncontracs: {}\n")
    (home / "farebox.yaml").write_text("contracts: {c: {with: nobody, terms: [{markup: 2}]}}\n")
    status, output, _ = cli("check")
    assert status == 65
    for expected in ("a.input_per_1m", "contracs", "c.with"):
        assert expected in output


def test_list_can_be_narrowed_to_a_source_and_a_unit(cli: CLI) -> None:
    lines = json.loads(cli("list", "sora-2*", "--source", "litellm", "--json")[1])["prices"]
    assert lines and {(line["price_source"], line["unit"]) for line in lines} == {
        ("litellm", "video_seconds")
    }
    assert cli("list", "no-such-model")[0] == 1


def test_a_price_names_its_source_once(cli: CLI) -> None:
    shown = cli("show", "gpt-4o-mini")[1]
    assert "genai-prices" in shown
    assert "genai-prices: genai-prices" not in shown


def test_a_price_of_an_unknown_model_suggests_the_nearest_ones(cli: CLI) -> None:
    status, _, errors = cli("show", "gtp-4o")
    assert status == 1
    assert "Did you mean gpt-4o" in errors
    cli("set", "my-finetune", "input=1")
    assert "Did you mean my-finetune?" in cli("show", "my-finetine")[2]
    assert "Did you mean openai/gpt-4o-mini" in cli("show", "openai/gpt-4o-mni")[2]
    assert "Did you mean" not in cli("show", "zzzzzzzzzzzz")[2]


def test_what_a_price_depends_on_is_shown_at_any_width(cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for arguments in (("list", "openai/gpt-4o"), ("show", "gpt-4o")):
        lines = cli(*arguments)[1].splitlines()
        assert any("prio" in line or "iority" in line for line in lines)
        assert max(map(len, lines)) <= 60


def held(home: Path, tmp_path: Path, *models: dict[str, Any]) -> Config:
    """Have a list held for review, after one with A and B was taken over."""
    file = tmp_path / "list.json"
    place = Home(home)
    place.prepare()
    config = load_config(place, flags={"prices.update": "auto", "prices.from": str(file)})
    for content in (own_list(A, B), own_list(*models)):
        file.write_bytes(content)
        look(place, config)
    return config


def test_review_shows_before_and_after_and_accept_takes_it_over(cli: CLI, home: Path, tmp_path: Path) -> None:
    held(home, tmp_path, {**A, "per_1m": {"input": "6"}}, B)
    status, output, _ = cli("review")
    assert status == 0
    assert "! maker/a input would move from $0.000001 to $0.000006, more than 5 times" in output
    assert re.search(r"moved +maker/a +input +\S*1\S* .* +\S*6", output)
    assert "1 price changed" in output
    shown = json.loads(cli("review", "--json")[1])
    assert [(each["before_usd"], each["after_usd"]) for each in shown["changes"]] == [
        ("0.000001", "0.000006")
    ]
    assert usd(home, "a", provider="maker") == "0.000001"
    status, output, _ = cli("accept")
    assert (status, "in force: 1 price changed" in output) == (0, True)
    assert usd(home, "a", provider="maker") == "0.000006"
    rows = [line.usd for line in load_book(state=home).find("maker", "a") if line.unit == "input"]
    assert rows == ["1", "6"], "rows are appended, never edited"
    assert cli("review")[0] == 1
    assert cli("accept")[0] == 1


def test_a_rejected_list_is_not_held_again_and_a_newer_one_is(cli: CLI, home: Path, tmp_path: Path) -> None:
    config = held(home, tmp_path, {**A, "per_1m": {"input": "6"}}, B)
    assert cli("reject")[0] == 0
    assert look(Home(home), config).words == "the list is one that was rejected"
    assert cli("review")[0] == 1
    (tmp_path / "list.json").write_bytes(own_list({**A, "per_1m": {"input": "7"}}, B))
    assert look(Home(home), config).state == "held"
    assert cli("review")[0] == 0
