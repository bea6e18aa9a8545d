from __future__ import annotations

import importlib.util
import sys
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farebox import yamltext
from farebox.pricing.compiled_book import CATALOG
from farebox.pricing.sources.price_files import read_prices

genai = pytest.importorskip("genai_prices.types")

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("import_prices", ROOT / "tools" / "import_prices.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["import_prices"] = module
    spec.loader.exec_module(module)
    return module


def source(*models: Any) -> Any:
    return genai.Provider(id="x-ai", name="A", api_pattern="a", models=list(models))


def sold(name: str, prices: Any, **more: Any) -> Any:
    return genai.ModelInfo(id=name, match=genai.ClauseEquals(equals=name), prices=prices, **more)


def usd(**prices: Any) -> Any:
    return genai.ModelPrice(
        **{key: Decimal(value) if isinstance(value, str) else value for key, value in prices.items()}
    )


def imported(
    tool: ModuleType, provider: Any, existing: dict[str, Any] | None = None, checked: str = "2026-11-21"
) -> dict[str, Any]:
    names = tool.PriceNames(CATALOG)
    content = tool.Importer(names, "genai-prices 1", checked).provider(provider, existing)
    root, findings = yamltext.parse(tool.written(content), "prices.yaml")
    assert root is not None
    assert not findings
    _, problems = read_prices(root, names.known)
    assert not problems, [str(problem) for problem in problems]
    return root.plain()


def rows(content: dict[str, Any], model: int = 0) -> list[dict[str, Any]]:
    return content["models"][model]["prices"]


def test_numbers_become_quoted_text_and_noise_of_binary_floats_goes(tool: ModuleType) -> None:
    content = imported(tool, source(sold("m", usd(input_mtok="0.18000000000000002", output_mtok="2.50"))))
    assert rows(content) == [
        {
            "id": "xai/m/ever",
            "per_1m": {"input": "0.18", "output": "2.5"},
            "source": "genai-prices 1",
            "checked": "2026-11-21",
        }
    ]


def test_dates_hours_tiers_and_variants_become_rows(tool: ModuleType) -> None:
    start = genai.StartDateConstraint(start_date=date(2026, 8, 17))
    night = genai.TimeOfDateConstraint(start_time=time(1), end_time=time(4))
    tiered = genai.TieredPrices(base=Decimal(1), tiers=[genai.Tier(start=199_999, price=Decimal(2))])
    prices = [
        genai.ConditionalPrice(prices=usd(input_mtok="3")),
        genai.ConditionalPrice(constraint=start, prices=usd(input_mtok=tiered)),
        genai.ConditionalPrice(constraint=night, prices=usd(input_mtok="4")),
    ]
    variants = [
        genai.PriceVariant(when={"service_tier": "flex"}, prices=usd(input_mtok="0.5"), constraint=start),
        genai.PriceVariant(when={"service_tier": "flex"}, prices=usd(input_mtok="0.4")),
    ]
    content = imported(tool, source(sold("m", prices, price_variants=variants)))
    short = [{k: v for k, v in row.items() if k not in ("source", "checked")} for row in rows(content)]
    assert short == [
        {"id": "xai/m/ever", "per_1m": {"input": "3"}},
        {
            "id": "xai/m/2026-08-17",
            "effective_from": "2026-08-17",
            "per_1m": {"input": "1"},
            "tiers": [{"from": "200000", "per_1m": {"input": "2"}}],
        },
        {
            "id": "xai/m/2026-08-17@01:00-04:00",
            "effective_from": "2026-08-17",
            "hours": "01:00-04:00",
            "per_1m": {"input": "4"},
        },
        {
            "id": "xai/m/ever@service_tier=flex",
            "when": {"service_tier": "flex"},
            "per_1m": {"input": "0.4"},
        },
        {
            "id": "xai/m/2026-08-17@service_tier=flex",
            "effective_from": "2026-08-17",
            "when": {"service_tier": "flex"},
            "per_1m": {"input": "0.5"},
        },
    ]


def test_a_changed_price_is_appended_with_the_day_it_was_noticed(tool: ModuleType) -> None:
    first = imported(tool, source(sold("m", usd(input_mtok="1"))))
    second = imported(tool, source(sold("m", usd(input_mtok="2"))), first, "2026-12-24")
    assert rows(second)[0] == rows(first)[0]
    assert rows(second)[1] == {
        "id": "xai/m/2026-12-24",
        "per_1m": {"input": "2"},
        "source": "genai-prices 1",
        "checked": "2026-12-24",
        "effective_from": "2026-12-24",
        "observed": "yes",
    }
    again = imported(tool, source(sold("m", usd(input_mtok="2"))), second, "2026-12-31")
    assert again == second


def test_a_model_that_disappears_keeps_its_prices(tool: ModuleType) -> None:
    first = imported(tool, source(sold("old", usd(input_mtok="1")), sold("m", usd(input_mtok="1"))))
    second = imported(tool, source(sold("m", usd(input_mtok="1"))), first)
    assert second == first


def test_a_new_model_stands_where_it_stands_in_the_source(tool: ModuleType) -> None:
    broad = genai.ModelInfo(
        id="o3", match=genai.ClauseStartsWith(starts_with="o3"), prices=usd(input_mtok="1")
    )
    first = imported(tool, source(broad))
    second = imported(tool, source(sold("o3-mini", usd(input_mtok="2")), broad), first)
    assert [model["id"] for model in second["models"]] == ["o3-mini", "o3"]


def test_new_names_of_a_model_are_added(tool: ModuleType) -> None:
    first = imported(tool, source(sold("m", usd(input_mtok="1"))))
    wider = genai.ModelInfo(
        id="m",
        match=genai.ClauseOr(or_=[genai.ClauseEquals(equals="m"), genai.ClauseEquals(equals="M-2")]),
        prices=usd(input_mtok="1"),
    )
    second = imported(tool, source(wider), first)
    assert second["models"][0]["match"] == {"any": [{"equals": "m"}, {"equals": "m-2"}]}
    assert rows(second) == rows(first)


def test_importing_into_the_shipped_files_changes_nothing(tool: ModuleType) -> None:
    names = tool.PriceNames(CATALOG)
    importer = tool.Importer(names, "whatever", "2099-01-01")
    for theirs in tool.genai_providers:
        path = CATALOG / tool.OUR_IDS.get(theirs.id, theirs.id) / "prices.yaml"
        existing = tool.existing_file(path)
        assert tool.written(importer.provider(theirs, existing)) == path.read_text(encoding="utf-8")
    assert importer.appended == 0
