"""`farebox.yaml` as a specification: what is accepted, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from farebox.config import (
    Address,
    Config,
    ProviderConfig,
    flags_from,
    load_config,
    parse_address,
    read_layers,
    upstream_problem,
)
from farebox.config.configuration import DEFAULT_PRICES
from farebox.config.values_in_force import values_in_force
from farebox.errors import ConfigError, Finding
from farebox.home import Home
from farebox.proxy.configuration import read_config

PRICING_OF_THE_ISSUE = """\
pricing:
  gpt-4o:
    per_token: 0.000005
    markup: 1.2 # 20% margin
  claude-3.5:
    per_token: 0.000003
    markup: 1.5
"""
CONFIGURATION_OF_THE_ISSUE = """\
listen: 127.0.0.1:3273
dashboard: 127.0.0.1:3274
durability: process          # or power
providers:
  openai: {upstream: "http://127.0.0.1:9001"}
  my-llm: {upstream: "http://gpu-box:8000", speaks: openai}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("FAREBOX_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def load(home: Home, text: str) -> Config:
    home.config.write_text(text)
    return load_config(home)


def findings_of(home: Home, text: str) -> list[Finding]:
    with pytest.raises(ConfigError) as caught:
        load(home, text)
    return caught.value.findings


def test_without_a_file_the_defaults_are_a_laptops(home: Home) -> None:
    config = load_config(home)
    assert config.file is None
    assert (str(config.listen), str(config.dashboard)) == ("127.0.0.1:3273", "127.0.0.1:3274")
    assert config.durability == "process"


def test_the_documented_configuration_works_as_it_is(home: Home) -> None:
    config = load(home, CONFIGURATION_OF_THE_ISSUE)
    assert config.listen == Address("127.0.0.1", 3273)
    assert config.providers == {
        "openai": ProviderConfig(upstream="http://127.0.0.1:9001"),
        "my-llm": ProviderConfig(upstream="http://gpu-box:8000", speaks="openai"),
    }


def test_the_documented_prices_work_as_they_are_and_stay_text(home: Home) -> None:
    config = load(home, PRICING_OF_THE_ISSUE)
    assert config.pricing is not None
    assert config.pricing.plain()["gpt-4o"] == {"per_token": "0.000005", "markup": "1.2"}


def test_every_problem_is_told_at_once_with_line_key_and_what_was_expected(home: Home) -> None:
    findings = findings_of(
        home,
        "listen: 127.0.0.1:99999\ndurabilty: power\nproviders:\n  openai:\n    upstrem: x\n    upstream: ftp://h\n",
    )
    assert [(finding.line, finding.key) for finding in findings] == [
        (1, "listen"),
        (2, "durabilty"),
        (5, "providers.openai.upstrem"),
        (6, "providers.openai.upstream"),
    ]
    assert 'did you mean "durability"?' in findings[1].expected
    assert 'did you mean "upstream"?' in findings[2].expected
    assert str(findings[0]).startswith(
        f"{home.config}:1: listen: found '127.0.0.1:99999', expected host:port"
    )


@pytest.mark.parametrize("address", ["0.0.0.0:3273", "192.168.1.5:80", "gpu-box:3273", "[2001:db8::1]:3273"])
def test_an_address_others_can_reach_is_refused(home: Home, address: str) -> None:
    assert "loopback" in findings_of(home, f'listen: "{address}"\n')[0].expected


def test_one_address_cannot_serve_both(home: Home) -> None:
    assert findings_of(home, "dashboard: 127.0.0.1:3273\n")[0].key == "dashboard"


@pytest.mark.parametrize(
    "url",
    ["ftp://host", "host:80", "http://", "http://u:p@host", "http://host/?a=1", "http://host/#x",
     "http://host:99999", "http://ho st", "http://host:0", "http://host/?"],
)  # fmt: skip
def test_an_upstream_is_a_base_url_and_nothing_else(url: str) -> None:
    assert upstream_problem(url)


@pytest.mark.parametrize("url", ["https://api.openai.com", "http://127.0.0.1:9001/v1", "http://[::1]:8000"])
def test_base_urls_are_accepted(url: str) -> None:
    assert upstream_problem(url) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:1", Address("127.0.0.1", 1)),
        ("[::1]:0", Address("::1", 0)),
        ("::1:80", None),
        ("localhost", None),
        (":80", None),
        ("a:-1", None),
        ("a:¹", None),
    ],
)
def test_addresses_are_host_and_port(text: str, expected: Address | None) -> None:
    assert parse_address(text) == expected


def test_each_layer_overrides_the_one_before_it(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def port(flags: dict[str, str] | None = None) -> int:
        return load_config(home, flags=flags).listen.port

    assert port() == 3273
    home.config.write_text("listen: 127.0.0.1:1001\ndurability: power\n")
    assert port() == 1001
    (tmp_path / "farebox.yaml").write_text("listen: 127.0.0.1:1002\n")
    assert port() == 1002
    assert load_config(home).durability == "power"  # what the nearer file leaves out is the home's
    monkeypatch.setenv("FAREBOX_LISTEN", "127.0.0.1:1003")
    assert port() == 1003
    assert port({"listen": "127.0.0.1:1004"}) == 1004


def test_a_named_file_takes_the_place_of_both_files(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.config.write_text("durability: power\n")
    (tmp_path / "farebox.yaml").write_text("listen: 127.0.0.1:1002\n")
    named = tmp_path / "other.yaml"
    named.write_text("dashboard: 127.0.0.1:1003\n")
    found = load_config(home, named)
    assert (found.durability, found.listen.port, found.dashboard.port) == ("process", 3273, 1003)
    assert found.named == str(named)
    monkeypatch.setenv("FAREBOX_CONFIG", str(named))
    assert load_config(home).file == str(named)


def test_every_value_knows_where_it_comes_from(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.config.write_text("# ours\nlisten: 127.0.0.1:1001\nprices:\n  update: review\n")
    file = tmp_path / "farebox.yaml"
    file.write_text("providers:\n  my-llm:\n    upstream: http://127.0.0.1:8000\n    speaks: openai\n")
    monkeypatch.setenv("FAREBOX_PRICES_EVERY", "90m")
    layers = read_layers(home, flags={"durability": "power"})
    assert layers.findings == []
    values = {each.key: (each.value, each.layer, each.origin) for each in values_in_force(layers)}
    assert values == {
        "listen": ("127.0.0.1:1001", "home", f"{home.config}:2"),
        "dashboard": ("127.0.0.1:3274", "default", "default"),
        "durability": ("power", "flag", "--durability"),
        "prices.update": ("review", "home", f"{home.config}:4"),
        "prices.every": ("90m", "environment", "FAREBOX_PRICES_EVERY"),
        "prices.from": (DEFAULT_PRICES, "default", "default"),
        "prices.sha256": (None, "default", "default"),
        "tls.certificate": (None, "default", "default"),
        "tls.key": (None, "default", "default"),
        "public_url": (None, "default", "default"),
        "trusted_proxies": (None, "default", "default"),
        "limits.token_requests_per_minute": (None, "default", "default"),
        "limits.address_requests_per_minute": (None, "default", "default"),
        "limits.body_bytes_max": (None, "default", "default"),
        "providers.my-llm.upstream": ("http://127.0.0.1:8000", "directory", f"{file}:3"),
        "providers.my-llm.speaks": ("openai", "directory", f"{file}:4"),
    }


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        (
            "FAREBOX_LISTEN",
            "0.0.0.0:1",
            "the environment: FAREBOX_LISTEN: found '0.0.0.0:1', expected a loopback",
        ),
        ("FAREBOX_DURABILITY", "pwoer", 'did you mean "power"?'),
        ("FAREBOX_PRICES_EVERY", "1s", "a duration of 1m to 90d"),
    ],
)
def test_a_wrong_variable_is_a_finding_that_names_it(
    home: Home, monkeypatch: pytest.MonkeyPatch, variable: str, text: str, told: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError) as caught:
        load_config(home)
    assert told in str(caught.value)


def test_the_proxy_reads_the_environment_and_flags_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_config(home).durability == "process"
    monkeypatch.setenv("FAREBOX_DURABILITY", "power")
    assert read_config(home).durability == "power"
    assert read_config(home, flags={"durability": "process"}).durability == "process"
    home.config.write_text("pricing: {my-model: {input_per_1m: 1}}\n")
    assert read_config(home).pricing is None


def test_flags_are_handed_to_other_processes_as_text() -> None:
    assert flags_from(["listen=127.0.0.1:1", "prices.from=https://a.example/?x=y"]) == {
        "listen": "127.0.0.1:1",
        "prices.from": "https://a.example/?x=y",
    }
    with pytest.raises(ConfigError, match="--set"):
        flags_from(["nothing=1"])


def test_a_removed_working_directory_has_no_file(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load_config(home).file is None


def test_a_named_file_that_is_missing_is_told(home: Home, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(home, tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: [", "no value where one belongs"),
        ("- a\n", "list"),
        ("listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n", "a second time"),
        ("? [a]\n: b\n", "a key that is not text"),
        ("providers: &a\n  x: *a\n", "an alias to itself"),
        ("providers: " + "[" * 80 + "]" * 80, "deeper nesting"),
    ],
)
def test_broken_yaml_is_a_finding(home: Home, text: str, found: str) -> None:
    assert any(finding.found == found for finding in findings_of(home, text))


def test_bytes_that_are_not_text_are_a_finding_with_their_line(home: Home) -> None:
    home.config.write_bytes(b"listen: 127.0.0.1:1\n# \xff\n")
    with pytest.raises(ConfigError) as caught:
        load_config(home)
    assert caught.value.findings[0].line == 2
