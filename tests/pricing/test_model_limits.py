"""How much models read and write at most, and where those figures come from."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farebox.pricing.book import PriceBook
from farebox.pricing.model_limits import PLACE, LimitBook, ModelLimits, load_limits

ROOT = Path(__file__).resolve().parents[2]


def book(**providers: dict[str, list[int | None]]) -> LimitBook:
    return LimitBook(json.dumps({"sources": ["a test"], "providers": providers}).encode())


def test_the_shipped_file_says_where_its_figures_come_from() -> None:
    limits = load_limits()
    assert [source.partition(" ")[0] for source in limits.sources] == ["genai-prices", "litellm"]
    assert limits.of(["openai"], ["gpt-4o-mini"]) == ModelLimits(128_000, 16_384, True)
    assert limits.of(["anthropic"], ["claude-sonnet-4-5"]).window == 200_000
    assert limits.of(["google"], ["gemini-2.5-pro"]) == ModelLimits(1_048_576, 65_536, True)


def test_every_figure_is_a_count_of_tokens() -> None:
    content: dict[str, Any] = json.loads(PLACE.read_bytes())
    figures = [
        figure for models in content["providers"].values() for pair in models.values() for figure in pair
    ]
    assert len(figures) > 5000
    assert all(figure is None or 1 <= figure <= 20_000_000 for figure in figures)


def test_an_unknown_model_has_the_largest_limits_of_its_provider() -> None:
    limits = book(maker={"small": [1000, 100], "large": [9000, 500]}, other={"huge": [50_000, 4000]})
    assert limits.of(["maker"], ["small"]) == ModelLimits(1000, 100, True)
    assert limits.of(["maker"], ["unheard-of"]) == ModelLimits(9000, 500, False)
    assert limits.of(["nobody"], ["unheard-of"]) == ModelLimits(50_000, 4000, False)


def test_what_is_not_known_of_a_model_is_its_providers_largest_within_the_window() -> None:
    limits = book(maker={"half": [400, None], "other": [9000, 500], "all": [2000, 2000]})
    assert limits.of(["maker"], ["half"]) == ModelLimits(400, 400, False)
    assert limits.of(["maker"], ["unheard-of"]).output == 500, "2,000 of 2,000 says that nobody knows it"
    assert limits.of(["maker"], ["all"]) == ModelLimits(2000, 2000, True)


def test_a_name_is_looked_for_at_every_seller_and_under_every_name() -> None:
    limits = book(reseller={"x": [10, 5]}, maker={"model": [70, 7]})
    assert limits.of(["reseller", "maker"], ["Model-2026", "model"]) == ModelLimits(70, 7, True)


def test_most_models_with_a_price_have_a_window_that_is_known(shipped: PriceBook) -> None:
    limits = load_limits()
    for provider in ("openai", "anthropic", "google", "xai", "mistral"):
        names = shipped.models(provider)
        known = [name for name in names if limits.of([provider], [name]) != limits.of([provider], [])]
        assert len(known) > 0.5 * len(names), provider


@pytest.fixture
def importer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("genai_prices")
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    spec = importlib.util.spec_from_file_location("import_limits", ROOT / "tools" / "import_limits.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "import_limits", module)
    spec.loader.exec_module(module)
    return module


def test_an_import_raises_limits_and_never_drops_a_model(
    importer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "genai_providers", [])
    kept = {"sources": [], "providers": {"openai": {"retired": [10, 2], "gpt-x": [100, 90]}}}
    (tmp_path / "model_limits.json").write_text(json.dumps(kept))
    entry = {"litellm_provider": "openai", "mode": "chat", "max_input_tokens": 400, "max_output_tokens": 50}
    (tmp_path / "map.json").write_text(json.dumps({"gpt-x": entry, "sample_spec": {}}))
    arguments = ["import_limits.py", str(tmp_path / "map.json"), "--catalog", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert importer.main() == 0
    first = (tmp_path / "model_limits.json").read_text()
    assert json.loads(first)["providers"] == {"openai": {"gpt-x": [400, 90], "retired": [10, 2]}}
    assert importer.main() == 0
    assert (tmp_path / "model_limits.json").read_text() == first, "twice changes nothing"
