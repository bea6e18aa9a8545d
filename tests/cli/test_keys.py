"""Names for keys: kept privately, used by the proxy, never the key itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from farebox.cli.keys import forget, label, show
from farebox.cli.options import Place
from farebox.config import KeyConfig, load_config
from farebox.errors import ConfigError, UsageError
from farebox.snapshot import SnapshotReader, read_snapshot

FINGERPRINT = "0123456789abcdef"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_label_is_kept_and_reaches_the_proxy(capsys: pytest.CaptureFixture[str]) -> None:
    assert label(FINGERPRINT, "backend", customer="acme") == 0
    home = Place().state()
    for file in (home.control, home.snapshot):
        assert file.stat().st_mode & 0o777 == 0o600
    proxy = SnapshotReader(home)
    assert proxy.current.key(FINGERPRINT) == KeyConfig(label="backend", customer="acme")
    capsys.readouterr()
    show()
    assert re.search(rf"{FINGERPRINT} +backend +acme", capsys.readouterr().out)
    show(as_json=True)
    (named,) = json.loads(capsys.readouterr().out)["keys"]
    assert (named["fingerprint"], named["label"], named["customer"]) == (FINGERPRINT, "backend", "acme")
    forget(FINGERPRINT)
    assert proxy.renew()
    assert proxy.current.key(FINGERPRINT) is None


def test_a_binding_that_a_new_name_drops_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    label(FINGERPRINT, "backend", customer="acme", user="ana")
    assert "no longer" not in capsys.readouterr().out
    label(FINGERPRINT, "frontend", user="ana")
    assert "no longer those of customer acme:" in capsys.readouterr().out
    label(FINGERPRINT, "front", user="ana")
    assert "no longer" not in capsys.readouterr().out


def test_the_file_wins_over_what_was_labelled() -> None:
    label(FINGERPRINT, "backend")
    home = Place().state()
    home.config.write_text(f'keys: {{"{FINGERPRINT}": {{label: ours, customer: acme}}}}\n')
    keys = read_snapshot(home).keys(load_config(home).keys)
    assert keys == {FINGERPRINT: KeyConfig(label="ours", customer="acme")}


@pytest.mark.parametrize("text", ["sk-proj-secret", "0123", "0123456789ABCDEF"])
def test_what_is_no_fingerprint_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        label(text, "backend")
    Place().state().config.write_text(f'keys: {{"{text}": {{label: x}}}}\n')
    with pytest.raises(ConfigError) as found:
        load_config(Place().state())
    assert text not in str(refused.value)
    assert "16 hex digits" in str(found.value)


def test_a_name_that_the_file_overrules_is_not_promised(capsys: pytest.CaptureFixture[str]) -> None:
    label(FINGERPRINT, "backend")
    assert "is now called backend" in capsys.readouterr().out
    Place().state().config.write_text(f'keys: {{"{FINGERPRINT}": {{label: ours}}}}\n')
    label(FINGERPRINT, "frontend")
    assert "stays ours" in capsys.readouterr().out
