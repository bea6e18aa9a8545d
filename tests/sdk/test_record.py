"""Usage, outcomes and scores that the program states itself."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from types import FrameType
from typing import Any

import pytest
from metered import Metered, attributed, tokens

import farebox
from farebox.errors import UsageError
from farebox.ledger import verify
from farebox.ledger.database import open_reader
from farebox.sdk.statements.events import _around

USED = {"input_uncached": 900, "cache_read": 100, "output_text": 50}


def test_quantities_are_recorded_and_priced(metered: Metered) -> None:
    event_id = farebox.record(
        provider="openai", model="gpt-4o", usage=USED, customer="acme", tags={"feature": "summary"}
    )
    row = metered.row()
    assert row.event_id == event_id and tokens(row) == (1000, 100, 50)
    assert row.cost_state == "priced" and row.witness == "sdk" and row.provider == "openai"
    assert attributed(row, "customer", "tag.feature") == ("acme", "summary")


@pytest.mark.parametrize(
    ("provider", "model", "usage"),
    [
        ("openai", "gpt-4o", {"prompt_tokens": 1000, "completion_tokens": 50,
                              "prompt_tokens_details": {"cached_tokens": 100}}),
        ("openai", "gpt-4o", {"input_tokens": 1000, "output_tokens": 50, "total_tokens": 1050,
                              "input_tokens_details": {"cached_tokens": 100},
                              "output_tokens_details": {"reasoning_tokens": 0}}),
        ("anthropic", "claude-sonnet-4-5", {"input_tokens": 900, "cache_read_input_tokens": 100,
                                            "cache_creation_input_tokens": 0, "output_tokens": 50}),
        ("google", "gemini-2.5-flash", {"promptTokenCount": 1000, "cachedContentTokenCount": 100,
                                        "candidatesTokenCount": 50, "totalTokenCount": 1050}),
    ],
    ids=["chat", "responses", "anthropic", "google"],
)  # fmt: skip
def test_a_providers_own_usage_object_is_understood(
    metered: Metered, provider: str, model: str, usage: dict[str, Any]
) -> None:
    farebox.record(provider=provider, model=model, usage=usage)
    row = metered.row()
    assert tokens(row) == (1000, 100, 50) and row.cost_state == "priced"


def test_seconds_keep_their_fraction_and_a_provider_of_ones_own_has_its_name(metered: Metered) -> None:
    farebox.record(provider="my-speech", model="listener", usage={"audio_seconds": 12.5})
    row = metered.row()
    assert row.quantities == {"audio_seconds": Decimal("12.5")}
    assert (row.provider, row.cost_state) == ("my-speech", "unpriced")


def test_the_same_event_recorded_again_is_one_row(metered: Metered) -> None:
    for _ in range(3):
        farebox.record(provider="openai", model="gpt-4o", usage=USED, event_id="job-17", customer="acme")
    farebox.record(provider="openai", model="gpt-4o", usage=USED, event_id="job-18")
    assert len(metered.rows()) == 2
    assert not kinds_of_marks(metered)


def test_the_same_id_with_other_content_is_a_conflict_and_the_first_stands(metered: Metered) -> None:
    farebox.record(provider="openai", model="gpt-4o", usage=USED, event_id="job-17")
    metered.rows()
    farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 7}, event_id="job-17")
    assert [row.output_tokens for row in metered.rows()] == [50]
    assert kinds_of_marks(metered) == ["conflict"]


def kinds_of_marks(metered: Metered) -> list[str]:
    connection = open_reader(metered.home)
    assert connection is not None
    try:
        return [kind for (kind,) in connection.execute("SELECT kind FROM mark")]
    finally:
        connection.close()


def test_a_uuid_is_kept_as_it_is(metered: Metered) -> None:
    text = "01890a5d-ac96-774b-bcce-b302099a8057"
    farebox.record(provider="openai", model="gpt-4o", usage=USED, event_id=text)
    assert metered.row().event_id == text


def test_a_moment_with_its_zone_is_when_it_happened(metered: Metered) -> None:
    farebox.record(
        provider="openai", model="gpt-4o", usage=USED, occurred_at=datetime(2026, 11, 1, 12, tzinfo=UTC)
    )
    assert metered.row().occurred_at.startswith("2026-11-01T12:00:00")


@pytest.mark.parametrize(
    "wrong",
    [
        {"provider": "Open AI"},
        {"model": ""},
        {"usage": {}},
        {"usage": {"words": 5}},
        {"usage": {"output_text": -1}},
        {"usage": {"output_text": 1.5}},
        {"usage": {"output_text": True}},
        {"usage": {"output_text": "NaN"}},
        {"usage": 5},
        {"event_id": " "},
        {"occurred_at": datetime(2026, 11, 1)},
        {"occurred_at": 1_795_900_000},
        {"occurred_at": 10**30},
        {"occurred_at": True},
        {"event_id": "sk-proj-" + "a1B2" * 8},
        {"occurred_at": datetime(9999, 12, 31, tzinfo=UTC)},
    ],
    ids=str,
)
def test_what_cannot_be_recorded_is_refused_and_leaves_nothing(
    metered: Metered, wrong: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"provider": "openai", "model": "gpt-4o", "usage": USED, **wrong}
    with pytest.raises(UsageError):
        farebox.record(**given)
    assert metered.rows() == []


def test_what_was_not_recorded_has_no_id(metered: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    assert farebox.record(provider="openai", model=5, usage=USED) is None  # type: ignore[arg-type]
    assert metered.rows() == []
    assert farebox.record(provider="openai", model="gpt-4o", usage=USED) == metered.row().event_id


def test_what_stands_around_is_said_of_recorded_usage_too(metered: Metered) -> None:
    with farebox.attribute(customer="acme", task="t-1"):
        farebox.record(provider="openai", model="gpt-4o", usage=USED, task="t-2")
        farebox.record(provider="openai", model="gpt-4o", usage=USED)
    assert [attributed(row, "customer", "task") for row in metered.rows()] == [
        ("acme", "t-2"), ("acme", "t-1"),
    ]  # fmt: skip


def test_outcomes_and_scores_reach_the_record_and_its_chains(metered: Metered) -> None:
    with farebox.attribute(customer="acme"):
        farebox.outcome("lead.qualified", task="t-1", value="40.00", event_id="o-1")
        farebox.outcome("lead.qualified", task="t-1", value="40.00", event_id="o-1")
        farebox.score(task="t-1", name="faithfulness", value=0.92)
    assert metered.rows() == [], "they are no calls"
    connection = open_reader(metered.home)
    assert connection is not None
    assert connection.execute("SELECT name, value FROM outcome").fetchall() == [("lead.qualified", "40.00")]
    assert connection.execute("SELECT name, value FROM score").fetchall() == [("faithfulness", "0.92")]
    connection.close()
    assert verify(metered.home).ok


@pytest.mark.parametrize("value", ["much", "NaN", True, [1]], ids=str)
def test_a_value_that_is_no_number_is_refused(metered: Metered, value: Any) -> None:
    with pytest.raises(UsageError):
        farebox.outcome("x", value=value)
    with pytest.raises(UsageError):
        farebox.score(name="x", value=value)


def test_flush_says_whether_everything_survives(metered: Metered) -> None:
    assert farebox.flush()
    farebox.record(provider="openai", model="gpt-4o", usage=USED)
    assert farebox.flush()
    farebox.shutdown()
    farebox.record(provider="openai", model="gpt-4o", usage=USED)
    assert len(metered.rows()) == 2, "after a shutdown recording begins anew"


def test_durability_is_one_of_two_words(metered: Metered) -> None:
    with pytest.raises(UsageError):
        farebox.configure(durability="perhaps")


def test_threads_that_record_at_once_never_get_the_attribution_of_each_other() -> None:
    """Another thread comes in between any two lines: whose an event is stays what was said around it."""
    below = {"app": "test"}, {"app": "process"}
    mine, other = (({"customer": name}, {"customer": "sdk"}) for name in ("mine", "other"))

    def intrude(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code is _around.__code__:
            sys.settrace(None)
            _around(below, other)
            sys.settrace(intrude)
            frame.f_trace = intrude
        return intrude

    before = sys.gettrace()
    sys.settrace(intrude)
    try:
        found = [_around(below, mine)[0]["customer"] for _ in range(3)]
    finally:
        sys.settrace(before)
    assert found == ["mine"] * 3


def test_a_key_in_a_name_is_not_written_down(metered: Metered) -> None:
    key = "sk-proj-" + "a1B2" * 8
    assert farebox.outcome(key, value=1)
    assert farebox.score(name=f"of {key}", value=1)
    journals = list(metered.home.journal.rglob("*.seg"))
    assert journals and all(key.encode() not in path.read_bytes() for path in journals)
    assert any(b"of [key]" in path.read_bytes() for path in journals)
