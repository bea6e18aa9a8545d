"""Small price books for tests, made from the text of price files."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from farebox import yamltext
from farebox.pricing.compiled_book import CATALOG, compile_prices
from farebox.pricing.contracts.terms import Contracts, read_contracts
from farebox.pricing.price_rows import CompiledPrices
from farebox.pricing.sources.user_prices import UserPricing, read_pricing

SOURCE = 'source: a test, checked: "2026-01-01"'


def ns(text: str) -> int:
    """Return the nanoseconds of an ISO moment, UTC where it names no offset."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def compiled_from(
    folder: Path, prices: dict[str, str], overlay: str = "", litellm: dict[str, str] | None = None
) -> CompiledPrices:
    """Return a compiled book of the real units and the given prices.yaml and litellm.yaml texts."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(CATALOG / "units.yaml", folder / "units.yaml")
    if overlay:
        (folder / "overlay.yaml").write_text(overlay)
    for name, texts in (("prices.yaml", prices), ("litellm.yaml", litellm or {})):
        for provider, text in texts.items():
            (folder / provider).mkdir(exist_ok=True)
            (folder / provider / name).write_text(text)
    return msgspec.msgpack.decode(compile_prices(folder), type=CompiledPrices)


def user_pricing(compiled: CompiledPrices, text: str) -> UserPricing:
    node, problems = yamltext.parse(text, "farebox.yaml")
    assert not problems
    pricing, findings = read_pricing(node, compiled.units.prices, frozenset(compiled.known))
    assert not findings, [str(finding) for finding in findings]
    return pricing


def agreements(compiled: CompiledPrices, text: str) -> Contracts:
    node, problems = yamltext.parse(text, "farebox.yaml")
    assert not problems
    contracts, findings = read_contracts(node, compiled.units.prices)
    assert not findings, [str(finding) for finding in findings]
    return contracts
