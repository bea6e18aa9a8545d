"""docs/guides/alerts.md: every example is read as it stands, and the tables tell what the reader does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from farebox import yamltext
from farebox.alerts.alert import COUNT_MEASURES, Alert
from farebox.alerts.definition import read_alerts
from farebox.alerts.kinds import FORMS, KindForm
from farebox.alerts.written_values import percent_text, span_text
from farebox.budgets.matching import DIMENSIONS

GUIDE = Path(__file__).parents[1] / "docs" / "guides" / "alerts.md"
TEXT = GUIDE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def alerts_of(block: str) -> tuple[Alert, ...]:
    root, findings = yamltext.parse(block, "farebox.yaml")
    assert root is not None
    section = root.get("alerts")
    assert section is not None
    found = read_alerts(section, findings, [])
    assert findings == []
    return found


@pytest.mark.parametrize("block", [each for each in BLOCKS if "alerts:" in each])
def test_every_example_is_read(block: str) -> None:
    assert alerts_of(block)


def test_the_four_ways_to_write_one_are_one() -> None:
    block = next(each for each in BLOCKS if "name: four" in each)
    assert len({(each.kind, each.subject, each.at, each.over_s) for each in alerts_of(block)}) == 1


def test_there_is_an_example_and_a_line_of_every_kind() -> None:
    block = next(each for each in BLOCKS if "unmetered: clients" in each)
    assert {each.kind for each in alerts_of(block)} == set(FORMS)
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT.partition("## All keys")[0], re.MULTILINE)) == set(FORMS)


@pytest.mark.parametrize(("kind", "form"), FORMS.items(), ids=list(FORMS))
def test_what_is_usual_is_what_the_table_says(kind: str, form: KindForm) -> None:
    (line,) = re.findall(rf"^\| `{kind}` \|.*\|(.*)\|$", TEXT, re.MULTILINE)
    if form.at:
        for each in form.at:
            assert percent_text(each).replace("%", " %") in line
    if form.over is not None and form.over[0]:
        assert span_text(form.over[0]) in line


def test_every_key_and_dimension_is_told() -> None:
    keys = TEXT.partition("## All keys")[2]
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]*) \|", keys, re.MULTILINE))))
    said = {key for form in FORMS.values() for key in form.keys}
    names = {name for form in FORMS.values() if form.threshold for name in form.names}
    assert told == said | names | {"name", "to", "severity", "over"}
    assert f"Dimensions: {', '.join(DIMENSIONS)}." in TEXT
    assert all(f"`{each}`" in TEXT for each in COUNT_MEASURES)


def test_readers_find_the_guide() -> None:
    assert "guides/alerts.md" in (GUIDE.parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_first_example_is_a_whole_file(tmp_path: Path) -> None:
    from farebox.alerts.references import missing
    from farebox.config.alerts_section import known_of_file
    from farebox.config.layers import load_config
    from farebox.home import Home

    home = Home(tmp_path)
    home.config.write_text(BLOCKS[0], encoding="utf-8")
    home.config.chmod(0o600)
    config = load_config(home)
    assert [each.name for each in config.alerts] == ["acme-spend", "jump"]
    assert missing(config.alert_references, known_of_file(config)) == []
