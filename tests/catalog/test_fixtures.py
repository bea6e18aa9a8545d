"""Every fixture of the catalog comes out as it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.catalog.fixtures import FILES, NAMES, meter, read, surface, told


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_fixture_is_read_as_it_says(file: Path) -> None:
    fixture = read(file)
    expect = {name: value for name, value in fixture.expect.items() if name != "surface"}
    assert surface(fixture) == fixture.expect["surface"]
    assert told(meter(fixture, [fixture.body]), expect) == expect


def test_every_fixture_says_where_its_shape_comes_from() -> None:
    assert [
        name for name, file in zip(NAMES, FILES, strict=True) if not file.read_text().startswith("# ")
    ] == []
