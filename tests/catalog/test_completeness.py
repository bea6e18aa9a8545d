"""Every folder of the catalog is complete: routes, a price or the reason for none, and fixtures.

Folders that hold only prices are listed in `catalog/price_lists.yaml`, and nowhere else.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml
from tests.catalog.fixtures import FOLDER, meter, rated, read
from tests.pricing.price_books import SOURCE, compiled_from

from farebox.catalog import Catalog, Provider
from farebox.catalog.loading import load_data, read_catalog
from farebox.catalog.shape import CatalogData, ProviderData
from farebox.pricing import load_book
from farebox.pricing.book import PriceBook

LISTS = "price_lists.yaml"
_COSTS = ("priced", "included", "free", "provider_reported")
"""What a fixture's cost is where the price book knows the model."""


class PriceList(msgspec.Struct, forbid_unknown_fields=True):
    """A folder that holds only prices, as `price_lists.yaml` describes it."""

    of: str
    used_by: str | None = None


def gaps(folder: Path, data: CatalogData, book: PriceBook) -> list[str]:
    """Return what is missing in the folders of a catalog, one sentence each."""
    listed = yaml.safe_load((folder / LISTS).read_text(encoding="utf-8"))["lists"]
    lists = msgspec.convert(listed, dict[str, PriceList])
    places = {path.name for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"}
    found = [f"{name}: is in {LISTS} and has no folder" for name in sorted(lists.keys() - places)]
    for name in sorted(places):
        if name in lists:
            found += _gaps_of_list(name, lists[name], data, book)
        elif name not in data.providers:
            found.append(f"{name}: no routes: neither provider.yaml nor an entry in {LISTS}")
        else:
            found += _gaps_of_provider(folder / name, data.providers[name], data, book)
    return found


def _gaps_of_list(name: str, entry: PriceList, data: CatalogData, book: PriceBook) -> Iterator[str]:
    if name in data.providers:
        yield f"{name}: has routes and is in {LISTS}"
    if not has_prices(name, book):
        yield f"{name}: is in {LISTS} and has no prices"
    users = {
        endpoint.surface.partition(".")[0]
        for provider in data.providers.values()
        for endpoint in data.endpoints[provider.id]
        if any(list_name == name for list_name in _matching(endpoint.prices, book))
    }
    if entry.used_by is not None and entry.used_by not in users:
        yield f"{name}: {entry.used_by} does not use it"
    if entry.used_by is None and users:
        yield f"{name}: used_by is missing: {', '.join(sorted(users))}"


def _gaps_of_provider(
    place: Path, provider: ProviderData, data: CatalogData, book: PriceBook
) -> Iterator[str]:
    name = place.name
    if not (provider.hosts or provider.upstream):
        yield f"{name}: neither host nor upstream says where it is reached"
    if not any(endpoint.format for endpoint in data.endpoints[provider.id]):
        yield f"{name}: no routes: none that is metered"
    priced = is_priced(provider, data, book)
    if not priced and not provider.unpriced_because:
        yield f"{name}: neither a price nor unpriced_because"
    if priced and provider.unpriced_because:
        yield f"{name}: unpriced_because, and it has prices"
    kinds: set[str] = set()
    costs: set[str] = set()
    found = Provider(provider, data.formats, endpoints=lambda: data.endpoints[provider.id])
    loaded = Catalog({name: found})
    for file in sorted(place.glob("fixtures/*.yaml")):
        fixture = read(file)
        extraction = meter(fixture, [fixture.body], loaded=loaded)
        if not fixture.messages and any(part.quantities for part in extraction.parts):
            kinds.add("stream" if extraction.streamed else "JSON")
        costs |= {part.cost_state for part in rated(extraction, book)}
    for kind in ("JSON", "stream") if streams(provider, data) else ("JSON",):
        if kind not in kinds:
            yield f"{name}: no {kind} fixture with usage"
    if priced and kinds and costs.isdisjoint(_COSTS):
        yield f"{name}: no fixture of a model that has a price"


def has_prices(list_name: str, book: PriceBook) -> bool:
    """Return whether a list has a price, or says that calls are free or included whatever they are."""
    prices = book.provider(list_name)
    if prices is None:
        return False
    if prices.overlay.prices_of:
        return has_prices(prices.overlay.prices_of, book)
    unconditional = [rule for rule in prices.overlay.no_charge if not rule.when]
    return bool(prices.models or prices.others or prices.overlay.models or unconditional)


def is_priced(provider: ProviderData, data: CatalogData, book: PriceBook) -> bool:
    """Return whether the provider's calls are priced: by its list, or by those its paths choose from.

    A list that only one route names does not count: `speaks` takes such routes over.
    """
    if has_prices(provider.prices or provider.id, book):
        return True
    chosen = [endpoint.prices for endpoint in data.endpoints[provider.id] if "{" in endpoint.prices]
    return any(has_prices(name, book) for template in chosen for name in _matching(template, book))


def _matching(template: str, book: PriceBook) -> list[str]:
    """Return the lists that `huggingface_{inference}` can mean."""
    return fnmatch.filter(book.providers(), re.sub(r"\{\w+\}", "*", template)) if template else []


def streams(provider: ProviderData, data: CatalogData) -> bool:
    """Return whether a response can be a stream: a format says with what a complete one ends.

    Sessions over a socket are not streams: their formats have `turns`.
    """
    names = {
        name
        for endpoint in data.endpoints[provider.id]
        for name in (endpoint.format, *endpoint.by_model.values())
        if name is not None
    }
    return any(data.formats[name].terminal and not data.formats[name].turns for name in names)


def test_no_folder_of_the_catalog_lacks_routes_prices_or_fixtures() -> None:
    assert gaps(FOLDER, load_data(), load_book()) == []


PROVIDER = """
id: tea
name: Tea
upstream: https://api.tea.example
endpoints:
  - {path: /v1/brew, surface: brew, format: brew}
formats:
  brew:
    terminal: [type=done]
    tokens:
      - {total: input, rest: input_uncached}
"""
PRICES = f"""
provider: tea
models:
  - id: oolong
    match: {{equals: oolong}}
    prices: [{{id: tea/oolong/ever, per_1m: {{input: "1"}}, {SOURCE}}}]
"""
JSON = """
method: POST
path: /v1/brew
status: 200
headers: {content-type: application/json}
body: '{"model": "oolong", "usage": {"input": 3}}'
expect: {}
"""
STREAM = """
method: POST
path: /v1/brew
status: 200
headers: {content-type: text/event-stream}
body: |
  data: {"model": "oolong", "usage": {"input": 3}}

  data: {"type": "done"}

expect: {}
"""
COMPLETE = {
    "price_lists.yaml": "lists: {}",
    "tea/provider.yaml": PROVIDER,
    "tea/prices.yaml": PRICES,
    "tea/fixtures/brew.yaml": JSON,
    "tea/fixtures/brew_stream.yaml": STREAM,
}
REASON = f'{PROVIDER}unpriced_because: "It is on the house."\n'
LISTED = 'lists: {tea: {of: "Tea"}}'
GONE = None


def written_gaps(folder: Path, files: dict[str, str | None]) -> list[str]:
    """Return the gaps of a small catalog written into `folder`."""
    for name, text in files.items():
        if text is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    data = read_catalog(sorted(folder.glob("*/provider.yaml")))
    return gaps(folder, data, PriceBook(compiled_from(folder, {})))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tea/prices.yaml": GONE, "tea/provider.yaml": REASON},
        {
            "tea/provider.yaml": PROVIDER.replace("    terminal: [type=done]\n", ""),
            "tea/fixtures/brew_stream.yaml": GONE,
        },
        {
            "price_lists.yaml": LISTED,
            "tea/provider.yaml": GONE,
            "tea/fixtures/brew.yaml": GONE,
            "tea/fixtures/brew_stream.yaml": GONE,
        },
    ],
    ids=["priced", "a reason for no price", "without streams", "a price list"],
)
def test_a_complete_folder_has_no_gaps(tmp_path: Path, changes: dict[str, str | None]) -> None:
    assert written_gaps(tmp_path, {**COMPLETE, **changes}) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"tea/provider.yaml": GONE},
            "tea: no routes: neither provider.yaml nor an entry in price_lists.yaml",
        ),
        (
            {"tea/provider.yaml": PROVIDER.replace("format: brew}", "free: poll}")},
            "tea: no routes: none that is metered",
        ),
        (
            {"tea/provider.yaml": PROVIDER.replace("upstream: https://api.tea.example\n", "")},
            "tea: neither host nor upstream says where it is reached",
        ),
        ({"tea/prices.yaml": GONE}, "tea: neither a price nor unpriced_because"),
        ({"tea/provider.yaml": REASON}, "tea: unpriced_because, and it has prices"),
        ({"tea/fixtures/brew.yaml": GONE}, "tea: no JSON fixture with usage"),
        ({"tea/fixtures/brew_stream.yaml": GONE}, "tea: no stream fixture with usage"),
        ({"tea/fixtures/brew.yaml": JSON.replace('"input": 3', "")}, "tea: no JSON fixture with usage"),
        (
            {
                "tea/fixtures/brew.yaml": JSON.replace("oolong", "matcha"),
                "tea/fixtures/brew_stream.yaml": STREAM.replace("oolong", "matcha"),
            },
            "tea: no fixture of a model that has a price",
        ),
        ({"price_lists.yaml": LISTED}, "tea: has routes and is in price_lists.yaml"),
        (
            {"price_lists.yaml": LISTED, "tea/prices.yaml": GONE, "tea/provider.yaml": GONE},
            "tea: is in price_lists.yaml and has no prices",
        ),
        (
            {
                "price_lists.yaml": 'lists: {tea: {of: "Tea", used_by: cafe}}',
                "tea/provider.yaml": GONE,
            },
            "tea: cafe does not use it",
        ),
        (
            {"price_lists.yaml": 'lists: {cocoa: {of: "Cocoa"}}'},
            "cocoa: is in price_lists.yaml and has no folder",
        ),
    ],
)
def test_a_gap_is_found(tmp_path: Path, changes: dict[str, str | None], said: str) -> None:
    assert said in written_gaps(tmp_path, {**COMPLETE, **changes})
