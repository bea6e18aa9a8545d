"""Our list price against the money providers state: recordings of real traffic, read by the meter.

What cannot be equal stands in docs/reference/exceptions.md with its reason.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from farebox import catalog as catalogs
from farebox.pricing.book import PriceBook

ROOT = Path(__file__).resolve().parents[2]
EXCEPTIONS = ROOT / "docs" / "reference" / "exceptions.md"


class Stated(NamedTuple):
    """One recording whose provider says what it cost."""

    id: str
    stated: int
    counted: int | None
    """What counts in the ledger."""
    listed: int | None
    is_plain: bool
    """Tokens only: no tool, no image, no key of the user's own."""


@pytest.fixture
def replaying(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from replaying import direct, judging, recordings  # pyright: ignore[reportMissingImports]

    yield direct, judging, recordings
    for name in [name for name in sys.modules if name.partition(".")[0] == "replaying"]:
        del sys.modules[name]


def stated_by(provider: str, replaying: Any, folder: Path, book: PriceBook) -> Iterator[Stated]:
    direct, judging, recordings = replaying
    catalog = catalogs.load()
    for recording in recordings.load(folder):
        if not recording.surface.startswith(f"{provider}."):
            continue  # gRPC is among them: the meter reads its messages as it reads JSON
        judged = judging.expected_cost_pico(recording)
        if judged is None or judged[1] != "provider":
            continue
        extraction = direct.extract(catalog, recording, 1)
        at_ns = int(datetime.fromisoformat(recording.recorded_at).timestamp()) * 10**9
        rated = [
            book.rate(
                part,
                occurred_at_ns=at_ns,
                completeness=extraction.completeness,
                billable=extraction.billable,
            )
            for part in extraction.parts
        ]
        quantities = [name for part in extraction.parts for name, count in part.quantities.items() if count]
        tokens = {"input", "cache", "output"}
        own_key = any(part.facts.get("byok", "").lower() == "true" for part in extraction.parts)
        listed = [each.list_cost_pico for each in rated]
        yield Stated(
            recording.id,
            judged[0],
            sum(each.cost_pico or 0 for each in rated),
            None if None in listed else sum(each for each in listed if each is not None),
            not own_key and all(name.partition("_")[0] in tokens for name in quantities),
        )


@pytest.mark.parametrize("provider", ["xai", "openrouter", "perplexity"])
def test_what_a_provider_states_is_what_counts(
    provider: str, replaying: Any, recordings: Path, shipped: PriceBook
) -> None:
    found = list(stated_by(provider, replaying, recordings, shipped))
    assert found
    assert [each.id for each in found if each.counted != each.stated] == []


@pytest.mark.parametrize(("provider", "share"), [("xai", Decimal("0.98")), ("openrouter", Decimal("0.92"))])
def test_our_list_price_makes_the_same_to_the_last_digit(
    provider: str, share: Decimal, replaying: Any, recordings: Path, shipped: PriceBook
) -> None:
    found = list(stated_by(provider, replaying, recordings, shipped))
    plain = [each for each in found if each.is_plain]
    equal = [each for each in plain if each.listed == each.stated]
    assert Decimal(len(equal)) >= share * len(plain), f"{len(equal)} of {len(plain)} " + str(
        [(each.id, each.stated, each.listed) for each in plain if each.listed != each.stated]
    )


@pytest.mark.parametrize("provider", ["xai", "openrouter", "perplexity"])
def test_every_difference_that_remains_stands_in_the_exceptions(
    provider: str, replaying: Any, recordings: Path, shipped: PriceBook
) -> None:
    page = EXCEPTIONS.read_text(encoding="utf-8")
    found = stated_by(provider, replaying, recordings, shipped)
    unlisted = [each for each in found if each.listed != each.stated and each.id not in page]
    assert unlisted == []
