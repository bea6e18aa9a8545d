"""The second price list: what the import takes from the map, and when its prices are asked."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from price_books import SOURCE, ns

from farebox import yamltext
from farebox.pricing.book import PriceBook
from farebox.pricing.compiled_book import CATALOG
from farebox.wire.facts import Part

ROOT = Path(__file__).resolve().parents[2]

KNOWN = f"""
provider: fireworks
models:
  - id: known
    match: {{equals: known}}
    prices:
      - {{id: fireworks/known/ever, per_1m: {{input: "1"}}, {SOURCE}}}
  - {{id: nameless-price, match: {{equals: nameless-price}}, prices: []}}
"""


@pytest.fixture
def importer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    spec = importlib.util.spec_from_file_location("import_litellm", ROOT / "tools" / "import_litellm.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["import_litellm"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(importer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Import a map into a catalog with one provider; return its file, '' where there is none."""
    catalog = tmp_path / "catalog"
    (catalog / "fireworks").mkdir(parents=True)
    shutil.copy(CATALOG / "units.yaml", catalog)
    (catalog / "fireworks" / "prices.yaml").write_text(KNOWN)

    def run(entries: dict[str, Any] | str, seen: str = "2026-11-21", provider: str = "fireworks") -> str:
        path = tmp_path / "map.json"
        path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
        arguments = ["import_litellm.py", str(path), "--seen", seen, "--catalog", str(catalog)]
        monkeypatch.setattr(sys, "argv", arguments)
        assert importer.main() == 0
        found = catalog / provider / "litellm.yaml"
        return found.read_text() if found.is_file() else ""

    return run


def rows(text: str) -> list[dict[str, Any]]:
    node, findings = yamltext.parse(text, "litellm.yaml")
    assert node is not None and not findings
    return node.plain()["prices"]


def chat(**costs: Any) -> dict[str, Any]:
    return {"litellm_provider": "fireworks_ai", "mode": "chat", **costs}


def test_only_models_without_a_better_price_are_taken(run: Callable[..., str]) -> None:
    text = run(
        {
            "fireworks_ai/known": chat(input_cost_per_token=5e-6),
            "fireworks_ai/nameless-price": chat(input_cost_per_token=2e-6),
            "fireworks_ai/new": chat(input_cost_per_token=1e-6),
            "kyma/new": {"litellm_provider": "kyma", "mode": "chat", "input_cost_per_token": 1e-6},
        }
    )
    assert [row["model"] for row in rows(text)] == ["nameless-price", "new"]


def test_zero_in_the_map_is_never_free(run: Callable[..., str]) -> None:
    text = run(
        {
            "fireworks_ai/all-zero": chat(input_cost_per_token=0.0, output_cost_per_token=0),
            "fireworks_ai/half": chat(input_cost_per_token=1e-6, output_cost_per_token=0.0),
        }
    )
    assert rows(text) == [{"model": "half", "seen": "2026-11-21", "per_1m": {"input": "1"}}]


def test_float_debris_is_rounded_to_fifteen_digits_and_said(
    run: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = run(
        '{"fireworks_ai/new": {"litellm_provider": "fireworks_ai", "mode": "chat",'
        ' "input_cost_per_token": 1.0000000000000001e-07, "output_cost_per_token": 1.1428571428571428e-06}}'
    )
    assert rows(text)[0]["per_1m"] == {"input": "0.1", "output": "1.14285714285714"}
    assert "1.0000000000000001e-07 read as" in capsys.readouterr().out


def test_every_axis_of_the_map_becomes_a_condition_or_a_tier(run: Callable[..., str]) -> None:
    text = run(
        {
            "fireworks_ai/new": chat(
                input_cost_per_token=1e-6,
                input_cost_per_token_above_200k_tokens=2e-6,
                input_cost_per_token_batches=5e-7,
                input_cost_per_token_priority=3e-6,
                cache_creation_input_token_cost=1.25e-6,
                cache_creation_input_token_cost_above_1hr=2e-6,
                search_context_cost_per_query={
                    "search_context_size_low": 0.01,
                    "search_context_size_medium": 0.01,
                    "search_context_size_high": 0.01,
                },
            )
        }
    )
    standard, batch, priority = rows(text)
    assert standard["per_1m"] == {"input": "1", "cache_write": "1.25", "cache_write_1h": "2"}
    assert standard["per_1k"] == {"calls_web_search": "10"}
    assert standard["tiers"] == [{"above": "200000", "per_1m": {"input": "2"}}]
    assert (batch["when"], batch["per_1m"]) == ({"processing": "batch"}, {"input": "0.5"})
    assert (priority["when"], priority["per_1m"]) == ({"service_tier": "priority"}, {"input": "3"})


def test_images_seconds_pages_and_searches_have_units_of_their_own(run: Callable[..., str]) -> None:
    def entry(mode: str, **costs: Any) -> dict[str, Any]:
        return {"litellm_provider": "fireworks_ai", "mode": mode, **costs}

    text = run(
        {
            "standard/1024-x-1792/painter": entry("image_generation", input_cost_per_pixel=4.79562e-08),
            "fireworks_ai/flux": entry("image_generation", output_cost_per_image=0.04),
            "fireworks_ai/both": entry(
                "image_generation", output_cost_per_image=0.04, output_cost_per_image_token=3e-5
            ),
            "fireworks_ai/whisper": entry("audio_transcription", input_cost_per_second=0.0001),
            "fireworks_ai/film": entry(
                "video_generation", output_cost_per_second=0.2, output_cost_per_second_480p=0.05
            ),
            "fireworks_ai/ocr": entry("ocr", ocr_cost_per_page=0.003),
            "fireworks_ai/rerank": entry("rerank", input_cost_per_query=0.002, input_cost_per_token=0.0),
        }
    )
    found = [{key: value for key, value in row.items() if key != "seen"} for row in rows(text)]
    assert found == [
        {
            "model": "painter",
            "when": {"size": "1024x1792", "quality": "standard"},
            "per_1": {"images": "0.088"},
        },
        {"model": "flux", "per_1": {"images": "0.04"}},
        {"model": "both", "per_1m": {"output_image": "30"}},
        {"model": "whisper", "per_hour": {"audio_seconds": "0.36"}},
        {"model": "film", "per_1": {"video_seconds": "0.2"}},
        {"model": "film", "when": {"resolution": "480p"}, "per_1": {"video_seconds": "0.05"}},
        {"model": "ocr", "per_1k": {"pages": "3"}},
        {"model": "rerank", "per_1k": {"search_units": "2"}},
    ]


def test_a_second_import_changes_nothing_and_a_changed_price_is_appended(run: Callable[..., str]) -> None:
    first = run({"fireworks_ai/new": chat(input_cost_per_token=1e-6)})
    assert run({"fireworks_ai/new": chat(input_cost_per_token=1e-6)}, seen="2026-12-01") == first
    later = run({"fireworks_ai/new": chat(input_cost_per_token=2e-6)}, seen="2026-12-01")
    assert later.startswith(first)
    assert rows(later)[-1] == {
        "model": "new",
        "seen": "2026-12-01",
        "since": "2026-12-01",
        "per_1m": {"input": "2"},
    }


LITELLM = """
provider: maker
prices:
  - {model: known, seen: "2026-11-21", per_1m: {input: "9"}}
  - {model: painter, seen: "2026-11-21", per_1: {images: "0.04"}}
  - {model: us-gov-west-1/titan, seen: "2026-11-21", per_1m: {input: "3"}}
  - {model: titan, seen: "2026-11-21", per_1m: {input: "2"}}
  - {model: titan, seen: "2026-12-01", since: "2026-12-01", per_1m: {input: "4"}}
  - {model: "ft:base*", seen: "2026-11-21", per_1m: {input: "7"}}
"""
MAKER = f"""
provider: maker
models:
  - id: known
    match: {{equals: known}}
    prices:
      - {{id: maker/known/ever, per_1m: {{input: "1"}}, {SOURCE}}}
"""


@pytest.mark.parametrize(
    ("model", "facts", "day", "usd", "source"),
    [
        ("known", {}, "2026-11-30", "1", "genai-prices"),
        ("titan", {}, "2026-11-30", "2", "litellm"),
        ("titan", {}, "2026-12-01", "4", "litellm"),
        ("titan", {"region": "us-gov-west-1"}, "2026-11-30", "3", "litellm"),
        ("ft:base:org::id", {}, "2026-11-30", "7", "litellm"),
    ],
)
def test_the_second_list_is_asked_last_and_says_so(
    book_of: Callable[..., PriceBook], model: str, facts: dict[str, str], day: str, usd: str, source: str
) -> None:
    book = book_of({"maker": MAKER}, litellm={"maker": LITELLM})
    part = Part(provider="maker", response_model=model, quantities={"input_uncached": 10**6}, facts=facts)
    rated = book.rate(part, occurred_at_ns=ns(day), completeness="final", billable=True)
    assert rated.cost_pico == int(usd) * 10**12
    assert [line.price_source for line in rated.lines] == [source]


def test_a_user_and_the_overlay_come_before_the_second_list(book_of: Callable[..., PriceBook]) -> None:
    overlay = f"""
providers:
  maker:
    models:
      - id: painter
        match: {{equals: painter}}
        prices: [{{id: maker/painter/ever@overlay, per_1: {{images: "0.05"}}, {SOURCE}}}]
"""
    part = Part(provider="maker", response_model="painter", quantities={"images": 1})

    def price_source(book: PriceBook) -> str | None:
        rated = book.rate(part, occurred_at_ns=ns("2026-11-30"), completeness="final", billable=True)
        return rated.lines[0].price_source

    lists = {"litellm": {"maker": LITELLM}}
    assert price_source(book_of(**lists)) == "litellm"
    assert price_source(book_of(**lists, overlay=overlay)) == "overlay"
    assert price_source(book_of(**lists, overlay=overlay, user="painter: {image_per_1: 0.06}")) == "user"


def test_no_shipped_row_of_the_second_list_is_free(shipped: PriceBook) -> None:
    for name in shipped.providers():
        prices = shipped.provider(name)
        assert prices is not None
        for model in prices.others:
            for row in model.rows:
                assert all(quote.usd.strip("0.") for quote in row.quotes.values()), row.id
