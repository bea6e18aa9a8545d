"""`farebox config`: what is in force and why, mistakes in a file, trust in a directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farebox.cli.config import check, distrust, show, trust
from farebox.cli.options import Place
from farebox.cli.setting_flags import SettingFlags
from farebox.config import load_config


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_show_prints_each_value_with_its_file_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    file = Place().state().config
    file.write_text("\ndurability: power\n")
    assert show(settings=SettingFlags(listen="127.0.0.1:9")) == 0
    shown = capsys.readouterr().out
    lines = {line[2:].split()[0]: line[2:].split()[1:] for line in shown.splitlines()}
    assert lines["durability"] == ["power", f"{file}:2"]
    assert lines["listen"] == ["127.0.0.1:9", "--listen"]
    assert "* prices.update" in shown
    assert lines["dashboard"] == ["127.0.0.1:3274", "default"]


def test_show_prints_json_with_the_files_and_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    file = Place().state().config
    file.write_text("durability: pwoer\n")
    Path("farebox.yaml").write_text("listen: 127.0.0.1:7\n")
    assert show(as_json=True) == 78
    shown = json.loads(capsys.readouterr().out)
    assert shown["files"] == [str(file), str(Path("farebox.yaml").absolute())]
    assert [found["key"] for found in shown["findings"]] == ["durability"]
    assert {each["key"]: each["layer"] for each in shown["values"]}["listen"] == "directory"


def test_check_names_every_mistake_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("listen: 0.0.0.0:1\npricing: {gpt-4o: {per_token: cheap}}\n")
    assert check(file) == 78
    told = capsys.readouterr().out
    assert f"{file}:1: listen" in told
    file.write_text("pricing: {gpt-4o: {per_token: cheap}}\n")
    assert check(file) == 78
    assert f"{file}:1: pricing.gpt-4o.per_token" in capsys.readouterr().out
    file.write_text("durability: power\n")
    assert check(file) == 0
    assert "0 mistakes" in capsys.readouterr().out


def test_trust_and_distrust_are_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    Path("farebox.yaml").write_text("providers: {openai: {upstream: 'https://llm.example.com'}}\n")
    assert check() == 78
    assert "config trust" in capsys.readouterr().out
    assert trust() == 0
    assert load_config(Place().state()).providers["openai"].upstream == "https://llm.example.com"
    assert distrust() == 0
    assert distrust() == 0
    assert "was not trusted" in capsys.readouterr().out
    assert check() == 78
