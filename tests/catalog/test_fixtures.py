"""Every fixture of the catalog comes out as it says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from tests.catalog.fixtures import FILES, NAMES, meter, rated, read, surface, told

from farebox.pricing import load_book

COSTED = {name: file for name, file in zip(NAMES, FILES, strict=True) if read(file).cost is not None}


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_fixture_is_read_as_it_says(file: Path) -> None:
    fixture = read(file)
    expect = {name: value for name, value in fixture.expect.items() if name != "surface"}
    assert surface(fixture) == fixture.expect["surface"]
    assert told(meter(fixture, [fixture.body]), expect) == expect


@pytest.mark.parametrize("file", COSTED.values(), ids=COSTED)
def test_a_fixture_costs_what_it_says(file: Path) -> None:
    fixture = read(file)
    assert fixture.cost is not None
    parts = rated(meter(fixture, [fixture.body]), load_book(), fixture.cost["at"] or "")
    usd = fixture.cost["usd"]
    if usd is None:
        assert {part.cost_state for part in parts} == {"unpriced"}
    else:
        assert sum(part.cost_pico or 0 for part in parts) == Decimal(usd) * 10**12
        assert "unpriced" not in {part.cost_state for part in parts}


def test_every_fixture_says_where_its_shape_comes_from() -> None:
    assert [
        name for name, file in zip(NAMES, FILES, strict=True) if not file.read_text().startswith("# ")
    ] == []
