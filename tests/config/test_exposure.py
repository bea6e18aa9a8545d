"""Listening beyond loopback: what it needs, and what is a finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from farebox.config import (
    Address,
    Config,
    exposure_problem,
    is_exposed,
    load_config,
    read_layers,
)
from farebox.errors import ConfigError
from farebox.home import Home

TLS = "tls: {certificate: fullchain.pem, key: privkey.pem}\n"
PUBLIC = "public_url: https://farebox.example.com\n"


@pytest.fixture
def home(away_from_home: Path) -> Home:
    home = Home(away_from_home)
    home.prepare()
    return home


def read(home: Home, text: str) -> Config:
    home.config.write_text(text)
    return load_config(home)


def expected(home: Home, text: str) -> list[tuple[str, int, str]]:
    home.config.write_text(text)
    return [(found.key, found.line, found.expected) for found in read_layers(home).findings]


@pytest.mark.parametrize("key", ["listen", "dashboard"])
@pytest.mark.parametrize("host", ["192.0.2.7", "[2001:db8::1]", "[::]"])
def test_an_address_beyond_loopback_needs_tls(home: Home, key: str, host: str) -> None:
    (found,) = expected(home, f'{PUBLIC}{key}: "{host}:3999"\n')
    assert found[:2] == (key, 2) and "`tls:`" in found[2]
    config = read(home, f'{PUBLIC}{TLS}{key}: "{host}:3999"\n')
    assert is_exposed(getattr(config, key), config)
    assert config.tls.certificate == str(home.path / "fullchain.pem")


def test_an_address_for_every_network_needs_a_public_url(home: Home) -> None:
    (found,) = expected(home, f'{TLS}listen: "0.0.0.0:3273"\n')
    assert "public_url" in found[2]
    read(home, f'{TLS}listen: "192.0.2.7:3273"\n')  # this one has a name: itself


def test_a_certificate_without_a_key_is_a_finding_and_the_other_way_round(home: Home) -> None:
    assert expected(home, "tls: {certificate: a.pem}\n") == [("tls.certificate", 1, "`key` beside it")]
    assert expected(home, "tls: {key: a.pem}\n") == [("tls.key", 1, "`certificate` beside it")]


@pytest.mark.parametrize(
    "url",
    [
        "http://farebox.example.com",
        "farebox.example.com",
        "https://",
        "https://farebox.example.com/path",
        "https://user@farebox.example.com",
        "https://farebox.example.com:0",
        "https://farebox.example.com:99999",
        "https://farebox.example.com?x",
        "https://*.example.com",
        "https://fare box",
    ],
)
def test_what_is_no_public_url_is_a_finding(home: Home, url: str) -> None:
    (found,) = expected(home, f'public_url: "{url}"\n')
    assert "https://" in found[2]


def test_a_public_url_is_kept_in_one_spelling(home: Home) -> None:
    assert (
        read(home, "public_url: https://Farebox.example.com/\n").public_url == "https://farebox.example.com"
    )
    assert read(home, 'public_url: "https://[2001:db8::1]:3274"\n').public_url is not None


def test_a_reverse_proxy_in_front_makes_a_loopback_listener_exposed(home: Home) -> None:
    config = read(home, "trusted_proxies: 127.0.0.1, 10.1.2.3/8\n")
    assert config.trusted_proxies == "127.0.0.1, 10.0.0.0/8"
    assert is_exposed(config.listen, config)
    assert not is_exposed(Config().listen, Config())
    assert len(expected(home, "trusted_proxies: nginx\n")) == 1


def test_limits_are_whole_numbers(home: Home) -> None:
    limits = read(home, "limits: {token_requests_per_minute: 60, body_bytes_max: 0}\n").limits
    assert (limits.token_requests_per_minute, limits.address_requests_per_minute) == (60, None)
    assert limits.body_bytes_max == 0
    for wrong in ("-1", "1.5", "many", "1e3"):
        assert len(expected(home, f'limits: {{token_requests_per_minute: "{wrong}"}}\n')) == 1


def test_a_working_directory_may_set_none_of_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home.path.parent / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for text in (TLS, PUBLIC, "trusted_proxies: 0.0.0.0/0\n", "limits: {body_bytes_max: 0}\n"):
        (folder / "farebox.yaml").write_text(text)
        with pytest.raises(ConfigError):
            load_config(home)


def test_loopback_needs_nothing() -> None:
    assert exposure_problem(Address("127.0.0.1", 3273), Config()) is None


def test_a_public_url_without_a_certificate_of_ours_means_a_reverse_proxy(home: Home) -> None:
    """Everything that comes through one comes from loopback: without tokens it would be open to the world."""
    config = read(home, PUBLIC)
    assert is_exposed(config.listen, config)
    config = read(home, f"{PUBLIC}{TLS}")  # the dashboard speaks TLS, the proxy stays on loopback
    assert not is_exposed(config.listen, config)
    config = read(home, "")
    assert not is_exposed(config.listen, config)
