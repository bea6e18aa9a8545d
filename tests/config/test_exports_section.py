"""`exports:` says which systems usage is handed over to; everything that is wrong is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from farebox.channels.usage.usage_settings import RULES, dated_ns, usual_settings
from farebox.config import read_layers
from farebox.config.configuration import ExportConfig
from farebox.config.exports_section import EXPORTS_EXAMPLE
from farebox.home import Home


def read(home: Path, text: str) -> tuple[tuple[ExportConfig, ...], list[str]]:
    home.mkdir(exist_ok=True)
    (home / "farebox.yaml").write_text(text)
    layers = read_layers(Home(home), prices=False)
    return layers.config.exports, [str(finding) for finding in layers.findings]


def test_the_example_is_read_and_its_key_is_a_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "rk_canary")
    (export,), findings = read(tmp_path / "home", EXPORTS_EXAMPLE)
    assert not findings
    assert (export.usage.form, export.usage.granularity, export.usage.unmapped) == ("stripe", "hour", "hold")
    assert export.usage.account("acme") == "cus_Q1w2E3r4" and export.usage.account("beta") == ""
    assert "canary" not in repr(export)
    assert export.secret.secret().reveal() == "rk_canary"


def test_every_key_is_read(tmp_path: Path) -> None:
    (export,), findings = read(
        tmp_path / "home",
        "exports: {o: {orb: {env: K}, url: 'http://127.0.0.1:9/v1', event: tokens, since: 2026-11-01, "
        "unmapped: hold, granularity: day, "
        "meters: {cost_usd: usd}, max_age: 90m, id_memory: none, customers: {a: b}}}",
    )
    assert not findings
    said = export.usage
    assert (said.event, said.since_ns, said.granularity) == ("tokens", 1_793_491_200 * 10**9, "day")
    assert (said.max_age_s, said.id_memory_s, said.meters) == (5_400, None, {"cost_usd": "usd"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exports: [x]", "a mapping of names"),
        ("exports: {Bad: {orb: {env: K}}}", "a-z, 0-9"),
        ("exports: {o: {}}", "one of stripe, lago"),
        ("exports: {o: {orb: {env: K}, lago: {env: L}}}", "one of stripe, lago"),
        ("exports: {o: {orb: {env: K}, granularty: day}}", "granularity"),
        ("exports: {o: {orb: {env: K}, granularity: week}}", "call, hour, day"),
        ("exports: {o: {orb: {env: K}, unmapped: drop}}", "hold, same"),
        ("exports: {o: {orb: {env: K}, meters: {output: x}}}", "output_tokens"),
        ("exports: {o: {orb: {env: K}, meters: {}}}", "at least one"),
        ("exports: {o: {orb: {env: K}, meters: {calls: x, output_tokens: x}}}", "one name twice"),
        ("exports: {o: {stripe: {env: K}, meters: {cost_usd: x}}}", "whole numbers only"),
        ("exports: {o: {stripe: {env: K}, event: x}}", "meters"),
        ("exports: {o: {orb: {env: K}, since: yesterday}}", "2026-11-01"),
        ("exports: {o: {orb: {env: K}, max_age: soon}}", "45m"),
        ("exports: {o: {orb: {env: K}, url: 'http://example.com'}}", "https://"),
        ("exports: {o: {orb: {env: K}, address: 10.0.0.1}}", "a `url`"),
        ("exports: {o: {orb: {env: K}, customers: [a]}}", "a mapping"),
        ("exports: {o: {orb: {env: K}, customers: {a: 'b c'}}}", "without spaces"),
        ("exports: {o: {orb: {env: K}}}\nchannels: {o: {desktop: true}}", "another name"),
        ("channels: {o: {desktop: true}}\nexports: {o: {orb: {env: K}}}", "another name"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    _, findings = read(tmp_path / "home", text)
    assert len(findings) == 1 and said in findings[0], findings


def test_all_of_it_at_once(tmp_path: Path) -> None:
    _, findings = read(
        tmp_path / "home",
        "exports: {a: {orb: {env: K}, color: red, since: x}, b: {lago: {env: K}, unmapped: y, max_age: z}}",
    )
    assert len(findings) == 4


@pytest.mark.parametrize("form", list(RULES))
def test_no_timestamp_is_sent_that_would_be_refused(form: str) -> None:
    settings, now = usual_settings(form), 2_000_000_000 * 10**9  # type: ignore[arg-type]
    rules = settings.rules
    for age_s in (0, 59, 3_600, 12 * 3_600, 34 * 86_400, 35 * 86_400, 400 * 86_400, -200, -400, -86_500):
        dated = dated_ns(settings, now - age_s * 10**9, now)
        assert rules.max_age_s is None or dated > now - rules.max_age_s * 10**9
        assert rules.max_ahead_s is None or dated < now + rules.max_ahead_s * 10**9
        assert dated in (now, now - age_s * 10**9)
