"""A working directory may be somebody else's. Its `farebox.yaml` can add, and it can loosen nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from price_books import ns

from farebox.config import Config, load_config
from farebox.config.trust import distrust, trust, trusted
from farebox.config.working_directory import SIZE_MAX
from farebox.errors import ConfigError, Finding, StateDirectoryError
from farebox.home import Home
from farebox.pricing import load_book
from farebox.pricing.price_watch import PriceWatch
from farebox.wire.facts import Part


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    directory = tmp_path / "cloned"
    directory.mkdir()
    monkeypatch.chdir(directory)
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def load(home: Home, text: str) -> Config:
    Path("farebox.yaml").write_text(text)
    return load_config(home)


def findings_of(home: Home, text: str) -> list[Finding]:
    with pytest.raises(ConfigError) as caught:
        load(home, text)
    return caught.value.findings


HOSTILE = {
    "providers.openai": "providers:\n  openai: {upstream: https://collects-keys.example.com}\n",
    "providers.mine": "providers:\n  mine: {upstream: https://collects-keys.example.com, speaks: openai}\n",
    "providers.evil.hosts": "providers:\n  evil: {speaks: openai, hosts: [api.openai.com]}\n",
    "providers.evil.upstream": "providers:\n  evil: {speaks: openai, upstream: http://elsewhere.example.com}\n",
    "interception": "interception: {ca_file: roots.pem}\n",
    "keys": 'keys: {"0123456789abcdef": {customer: somebody-else}}\n',
    "contracts": "contracts: {d: {with: provider, terms: [{discount_percent: 99}]}}\n",
    "pricing.gpt-4o": "pricing:\n  gpt-4o: {input_per_1m: 0.01, output_per_1m: 0.01}\n",
    "pricing.openai/gpt-4o": "pricing:\n  openai/gpt-4o: {input_per_1m: 0.01}\n",
    "pricing.*.markup": 'pricing:\n  "*": {markup: 0.1}\n',
    "pricing.x.margin_percent": "pricing:\n  x: {margin_percent: 1}\n",
    "pricing.x.priced_as": "pricing:\n  x: {priced_as: openai/gpt-4o-mini}\n",
    "pricing.ours": "pricing:\n  ours: {input_per_1m: 0.01}\n",
    "durability": "durability: process\n",
    "prices.update": "prices:\n  update: auto\n",
    "prices.from": "prices:\n  from: https://cheap-prices.example.com/list.json\n",
    "listen": "listen: 0.0.0.0:3273\n",
    "dashboard": "dashboard: 0.0.0.0:3274\n",
}

HOME = (
    "durability: power\nproviders:\n  mine: {upstream: https://llm.example.com, speaks: openai}\n"
    "pricing: {ours: {input_per_1m: 5}}\n"
)


@pytest.mark.parametrize("key", HOSTILE)
def test_what_would_loosen_something_is_a_finding_that_says_where_it_belongs(home: Home, key: str) -> None:
    home.config.write_text(HOME)
    Path("roots.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    findings = [found for found in findings_of(home, HOSTILE[key]) if found.key == key]
    assert findings, "the finding names the key"
    assert findings[0].file == str(Path("farebox.yaml").absolute())
    assert findings[0].line == (2 if HOSTILE[key].count("\n") == 2 else 1)
    assert any(
        words in str(findings[0])
        for words in (str(home.config), "home's `farebox.yaml`", "loopback", "power")
    )


@pytest.mark.parametrize("key", [key for key in HOSTILE if key not in ("listen", "dashboard")])
def test_the_same_text_in_the_homes_file_is_in_force(home: Home, key: str) -> None:
    """The negative control: it is the place that makes these findings, not the text."""
    (home.path / "roots.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    text = HOSTILE[key]
    home.config.write_text(text)
    load_config(home)


def test_what_harms_nobody_is_in_force(home: Home) -> None:
    config = load(
        home,
        "listen: 127.0.0.1:1\ndashboard: 127.0.0.1:2\ndurability: power\n"
        "providers:\n  mine: {upstream: 'http://127.0.0.1:8000', speaks: openai}\n"
        "pricing: {mine/big: {input_per_1m: 3}}\n",
    )
    assert (config.listen.port, config.dashboard.port, config.durability) == (1, 2, "power")
    assert config.providers["mine"].upstream == "http://127.0.0.1:8000"


def cost(config: Config, provider: str, model: str) -> int | None:
    book = load_book(config.pricing, directory=config.directory_pricing)
    part = Part(provider=provider, response_model=model, quantities={"input_uncached": 10**6})
    rated = book.rate(part, occurred_at_ns=ns("2026-11-01"), completeness="final", billable=True)
    return rated.cost_pico


def test_its_prices_count_only_for_what_has_no_price_otherwise(home: Home) -> None:
    plain = cost(load_config(home), "openai", "gpt-4o")
    assert plain
    config = load(
        home, 'pricing:\n  "*": {per_token: 0, cache_read_per_1m: 0}\n  mine/big: {input_per_1m: 3}\n'
    )
    assert cost(config, "openai", "gpt-4o") == plain
    assert cost(config, "mine", "big") == 3 * 10**12
    home.config.write_text('pricing: {"*": {per_token: 0}}\n')
    Path("farebox.yaml").unlink()
    assert cost(load_config(home), "openai", "gpt-4o") == 0  # the negative control: the home's may


def test_prices_that_are_followed_obey_the_same_rules(home: Home) -> None:
    watch = PriceWatch(home.path, None)
    before = watch.current().digest
    Path("farebox.yaml").write_text(HOSTILE["pricing.gpt-4o"])
    assert watch.current().digest == before
    assert "home's `farebox.yaml`" in str(watch.findings[0])
    Path("farebox.yaml").write_text("pricing: {mine/big: {input_per_1m: 3}}\n")
    assert watch.current().digest != before


def test_a_trusted_file_may_move_known_providers_until_it_changes(home: Home) -> None:
    file = Path("farebox.yaml")
    text = HOSTILE["providers.openai"]
    file.write_text(text)
    trust(home, file, text.encode())
    assert load_config(home).providers["openai"].upstream == "https://collects-keys.example.com"
    assert (home.path / "trusted.json").stat().st_mode & 0o777 == 0o600
    changed = text.replace("collects-keys", "elsewhere")
    assert [found.key for found in findings_of(home, changed)] == ["providers.openai"]
    assert load(home, text)
    assert distrust(home, file)
    assert not distrust(home, file)
    assert findings_of(home, text)


@pytest.mark.parametrize("key", ["interception", "keys", "contracts", "pricing.gpt-4o", "prices.from"])
def test_trust_moves_providers_and_nothing_else(home: Home, key: str) -> None:
    text = HOSTILE[key]
    trust(home, Path("farebox.yaml"), text.encode())
    assert findings_of(home, text)


def test_a_list_of_trusted_files_that_others_could_write_is_refused(home: Home) -> None:
    trust(home, Path("farebox.yaml"), b"")
    (home.path / "trusted.json").chmod(0o666)
    with pytest.raises(StateDirectoryError, match="chmod 600"):
        trusted(home)


def test_a_copy_of_a_trusted_file_elsewhere_is_not_trusted(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = HOSTILE["providers.openai"]
    trust(home, Path("farebox.yaml"), text.encode())
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert findings_of(home, text)


def test_a_file_of_any_size_is_no_configuration(home: Home) -> None:
    assert findings_of(home, "# " + "x" * SIZE_MAX)[0].key == "size"


def test_the_homes_own_directory_is_no_working_directory(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.config.write_text(HOSTILE["providers.openai"])
    monkeypatch.chdir(home.path)
    assert load_config(home).providers
