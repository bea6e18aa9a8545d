"""genai-prices' own usage cases, read through our surfaces: equal, or different by a named rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.wire.genai_cases import Case, expected, load, measured

from farebox import catalog

Counts = dict[str, int]

_PARTS_OF_TOTALS = (
    "cache_read_tokens",
    "cache_write_tokens",
    "output_reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "output_image_tokens",
)


def _usage(case: Case) -> dict[str, Any]:
    return case.body.get("usage") or {}


def _different(ours: Counts, theirs: Counts) -> set[str]:
    return {name for name in {*ours, *theirs} if ours.get(name, 0) != theirs.get(name, 0)}


def _knows_more(case: Case, ours: Counts, theirs: Counts) -> bool:
    different = _different(ours, theirs)
    return all(name not in theirs for name in different) and different <= {*_PARTS_OF_TOTALS, "web_searches"}


def _passes_of_several_models(case: Case, ours: Counts, theirs: Counts) -> bool:
    kinds = {entry.get("type") for entry in _usage(case).get("iterations") or ()}
    return bool(kinds & {"compaction", "advisor_message", "fallback_message"})


def _billed_units(case: Case, ours: Counts, theirs: Counts) -> bool:
    return case.extractor == ("cohere", "tokens") and ours["input_tokens"] < theirs["input_tokens"]


def _reasoning_beside(case: Case, ours: Counts, theirs: Counts) -> bool:
    if case.extractor != ("x-ai", "default"):
        return False
    reasoning = ours.get("output_reasoning_tokens", 0)
    return ours.get("output_tokens", 0) - theirs.get("output_tokens", 0) == reasoning


def _thinking_in_the_total(case: Case, ours: Counts, theirs: Counts) -> bool:
    usage = _usage(case)
    hidden = usage.get("total_tokens", 0) - usage.get("prompt_tokens", 0) - usage.get("completion_tokens", 0)
    return case.extractor == ("google", "chat") and 0 < hidden == ours.get("output_reasoning_tokens")


def _grok_on_azure(case: Case, ours: Counts, theirs: Counts) -> bool:
    return case.extractor == ("azure", "chat") and "grok" in (case.model or "")


RULES: dict[str, Callable[[Case, Counts, Counts], bool]] = {
    # A count inside an equal total that the extractor passes over: flat `cached_tokens`, the older
    # `num_cached_tokens`, cache writes and thinking on hosts where it reads the totals alone.
    "we read a detail that the extractor leaves out": _knows_more,
    # Compaction, advisor and fallback passes are charged beside the top level, which it reads alone.
    "several passes are charged by themselves": _passes_of_several_models,
    # `tokens` holds what Cohere adds itself; `billed_units` is on the invoice.
    "billed units are charged, not tokens": _billed_units,
    # xAI's chat counts reasoning beside the completion, which its total confirms.
    "reasoning lies beside the completion": _reasoning_beside,
    "hidden thinking is charged as output": _thinking_in_the_total,
    # Grok on Azure reports cached tokens beside the prompt.
    "cached tokens lie beside the prompt": _grok_on_azure,
}
"""Why a reading may differ. The first rule that holds explains it."""


@pytest.fixture(scope="module")
def differing(recordings: Path) -> list[tuple[Case, Counts, Counts]]:
    if not (recordings / "genai_prices_dataset.jsonl.gz").is_file():
        pytest.skip("no data set of usage cases")
    loaded = catalog.load()
    found = [(case, measured(loaded, case), expected(case)) for case in load(recordings)]
    assert len(found) > 9_000
    return [(case, ours, theirs) for case, ours, theirs in found if ours != theirs]


def test_every_case_is_read_the_same_or_differs_by_a_rule(
    differing: list[tuple[Case, Counts, Counts]],
) -> None:
    unexplained = [
        (case.id, *case.extractor, ours, theirs)
        for case, ours, theirs in differing
        if not any(rule(case, ours, theirs) for rule in RULES.values())
    ]
    assert unexplained == []


def test_every_rule_is_needed(differing: list[tuple[Case, Counts, Counts]]) -> None:
    first = {
        next((name for name, rule in RULES.items() if rule(case, ours, theirs)), "")
        for case, ours, theirs in differing
    }
    assert first == set(RULES)
