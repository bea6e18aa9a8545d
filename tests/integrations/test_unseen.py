"""Calls that only a framework saw, as records."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from pathlib import Path

import pytest
from metered import Metered

import farebox
from farebox.integrations.running import OpenRuns, begin
from farebox.integrations.unseen import leaves, provider_name, record_unseen
from farebox.sdk import model_calls


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Metered]:
    made = Metered(tmp_path / "home", lambda _: None)  # type: ignore[arg-type,return-value]
    yield made
    made.close()


def test_totals_become_quantities_without_what_is_counted_inside_them() -> None:
    assert leaves(350, 240, cache_read=100, cache_write=200, reasoning=200) == {
        "input_uncached": 50, "cache_read": 100, "cache_write_other": 200, "output_text": 40,
        "output_reasoning": 200,
    }  # fmt: skip
    assert leaves(10, 5, cache_read=30) == {"cache_read": 30, "output_text": 5}
    assert leaves(None, None) == {}


@pytest.mark.parametrize(
    ("framework", "catalog"),
    [("google_genai", "google"), ("Amazon_Bedrock", "bedrock"), ("mistralai", "mistral"),
     ("openai", "openai"), ("Own Model!", "own_model"), ("", "unknown"), (None, "unknown")],
)  # fmt: skip
def test_a_provider_has_the_catalogs_name_or_one_that_records_can_have(
    framework: str | None, catalog: str
) -> None:
    assert provider_name(framework) == catalog


def test_a_call_that_a_transport_has_seen_is_not_recorded(home: Metered) -> None:
    def run() -> None:
        call = model_calls.announce(None)
        model_calls.sent()
        assert not record_unseen(call, provider="openai", model="gpt-4o", usage={"input_uncached": 1})

    contextvars.copy_context().run(run)
    assert home.rows() == []


def test_a_call_is_recorded_as_it_was_announced_wherever_its_end_is_told(home: Metered) -> None:
    def run() -> model_calls.ModelCall:
        with farebox.attribute(customer="acme"):
            return model_calls.announce(begin("sdk:framework", "agent", "planner"))

    call = contextvars.copy_context().run(run)
    assert record_unseen(call, provider="openai", model="gpt-4o", usage=leaves(100, 10))
    row = home.row()
    assert (row.attribution["customer"], row.attribution["agent"]) == ("acme", "planner")
    assert (row.input_tokens, row.output_tokens, row.cost_state) == (100, 10, "priced")


def test_a_call_without_usage_is_unknown_and_never_free(home: Metered) -> None:
    assert record_unseen(None, provider="own", model="own-1")
    assert (home.row().completeness, home.row().cost_state) == ("none", "unknown")


def test_runs_that_never_end_are_forgotten_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farebox.integrations.running._OPEN_MAX", 2)
    runs = OpenRuns()
    for key in range(4):
        runs.add(key, None)
    assert [key in runs for key in range(4)] == [False, False, True, True]
