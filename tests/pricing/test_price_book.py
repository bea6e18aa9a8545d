from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from price_books import SOURCE, compiled_from, ns

from farebox.errors import PriceFileError
from farebox.pricing.book import PriceBook
from farebox.pricing.compiled_book import compile_prices, open_prices, source_digest
from farebox.pricing.facts import RatedPart
from farebox.pricing.model_names import FAMILY, SNAPSHOT, matches, rank
from farebox.wire.facts import LEAVES, Part

Make = Callable[..., PriceBook]


def provider(name: str, models: str, head: str = "") -> str:
    return f"provider: {name}\n{head}\nmodels:\n{models}"


def model(owner: str, name: str, usd: str, match: str = "") -> str:
    clause = match or f"{{equals: {name}}}"
    row = f'{{id: {owner}/{name}/ever, per_1m: {{input: "{usd}"}}, {SOURCE}}}'
    return f"  - id: {name}\n    match: {clause}\n    prices: [{row}]\n"


def rate(
    book: PriceBook, owner: str, name: str | None, requested: str | None = None, **facts: str
) -> RatedPart:
    part = Part(
        provider=owner,
        response_model=name,
        request_model=requested,
        quantities={"input_uncached": 1},
        facts=facts,
    )
    return book.rate(part, occurred_at_ns=ns("2026-05-01"), completeness="final", billable=True)


def test_the_answered_model_sets_the_price_and_the_requested_one_helps_out(book_of: Make) -> None:
    book = book_of({"a": provider("a", model("a", "big", "2") + model("a", "small", "1"))})
    assert rate(book, "a", "small", "big").priced_model == "small"
    assert rate(book, "a", "no-such", "big").priced_model == "big"
    assert rate(book, "a", None, "big").priced_model == "big"
    assert rate(book, "a", None, None).reason == "model_not_known"


def test_the_requested_model_goes_first_where_it_says_more(book_of: Make) -> None:
    prices = provider("a", model("a", "eu.big", "3") + model("a", "big", "2"))
    book = book_of({"a": prices}, overlay="providers: {a: {request_model_first: yes}}")
    assert rate(book, "a", "big", "eu.big").priced_model == "eu.big"


def test_the_first_model_that_matches_is_the_model(book_of: Make) -> None:
    models = model("a", "o3-mini", "1", "{starts_with: o3-mini}") + model("a", "o3", "2", "{starts_with: o3}")
    book = book_of({"a": provider("a", models)})
    assert rate(book, "a", "O3-Mini-2025").priced_model == "o3-mini"
    assert rate(book, "a", "o3-2025").priced_model == "o3"


def test_a_compact_date_means_the_dashed_one(book_of: Make) -> None:
    book = book_of({"a": provider("a", model("a", "x", "1", "{equals: x-2025-12-11}"))})
    assert rate(book, "a", "x-20251211").priced_model == "x"
    assert rate(book, "a", "x-20251399").cost_state == "unpriced"


def test_a_reseller_sells_at_the_makers_standard_price(book_of: Make) -> None:
    maker = f"""
provider: maker
models:
  - id: m
    match: {{equals: m}}
    prices:
      - {{id: maker/m/ever, per_1m: {{input: "2"}}, {SOURCE}}}
      - {{id: maker/m/flex, when: {{service_tier: flex}}, per_1m: {{input: "1"}}, {SOURCE}}}
"""
    book = book_of(
        {"maker": maker, "shop": provider("shop", model("shop", "own", "9"), "fallbacks: [maker]")}
    )
    assert rate(book, "shop", "m", service_tier="flex").lines[0].price_id == "maker/m/ever#input"
    assert rate(book, "maker", "m", service_tier="flex").lines[0].price_id == "maker/m/flex#input"


def test_a_user_beats_our_corrections_and_they_beat_the_import(book_of: Make) -> None:
    prices = {"a": provider("a", model("a", "m", "1"))}
    row = f'{{id: a/m/fix, effective_from: "2026-01-01", per_1m: {{input: "2"}}, {SOURCE}}}'
    overlay = f"providers: {{a: {{models: [{{id: m, match: {{equals: m}}, prices: [{row}]}}]}}}}"
    plain, corrected = book_of(prices), book_of(prices, overlay=overlay)
    users = book_of(prices, overlay=overlay, user="m: {per_1m: 3}")
    sources = [rate(book, "a", "m").lines[0].price_source for book in (plain, corrected, users)]
    assert sources == ["genai-prices", "overlay", "user"]
    assert len({book.digest for book in (plain, corrected, users)}) == 3


def test_one_provider_can_share_the_list_of_another(book_of: Make) -> None:
    row = f'{{id: vx/m/fix, per_1m: {{input: "2"}}, {SOURCE}}}'
    overlay = f"""
providers:
  vx:
    prices_of: a
    strip_prefixes: [models/]
    models: [{{id: m, match: {{equals: m}}, prices: [{row}]}}]
"""
    book = book_of({"a": provider("a", model("a", "m", "1") + model("a", "n", "5"))}, overlay=overlay)
    assert rate(book, "vx", "models/m").lines[0].price_id == "vx/m/fix#input"
    assert rate(book, "vx", "n").lines[0].price_id == "a/n/ever#input"
    assert rate(book, "a", "m").lines[0].price_id == "a/m/ever#input"


def test_a_factor_applies_to_tokens_where_the_facts_say_so(book_of: Make) -> None:
    overlay = f"""
providers:
  a:
    adjustments:
      - {{id: geo, match: {{equals: m}}, when: {{geo: us}}, multiply: "1.1", {SOURCE}}}
"""
    prices = {"a": provider("a", model("a", "m", "3"))}
    book = book_of(prices, overlay=overlay)
    line = rate(book, "a", "m", geo="US").lines[0]
    assert (line.amount_pico, line.price_id) == (3_300_000, "a/m/ever#input*1.1(geo)")
    assert line.price_source == "overlay"
    assert rate(book, "a", "m", geo="global").cost_pico == 3_000_000
    own = book_of(prices, overlay=overlay, user="m: {per_1m: 5}")
    assert rate(own, "a", "m", geo="us").cost_pico == 5_000_000, "a user's price is the price"


def test_what_runs_on_your_own_machine_is_free_until_you_price_it(book_of: Make) -> None:
    overlay = f"""
providers:
  local:
    no_charge: [{{state: free, because: own_machine, unless: {{ends_with: "-cloud"}}, {SOURCE}}}]
"""
    book = book_of({}, overlay=overlay)
    free = rate(book, "local", "llama3")
    assert (free.cost_state, free.reason, free.cost_pico) == ("free", "own_machine", 0)
    assert rate(book, "local", "big-cloud").cost_state == "unpriced"
    priced = book_of({}, overlay=overlay, user="local/*: {per_1m: 1}")
    assert rate(priced, "local", "llama3").cost_pico == 1_000_000


def test_provisioned_capacity_is_included_and_its_list_price_stays_visible(book_of: Make) -> None:
    overlay = f"""
providers:
  a: {{no_charge: [{{state: included, because: provisioned, when: {{traffic: provisioned}}, {SOURCE}}}]}}
"""
    book = book_of({"a": provider("a", model("a", "m", "1"))}, overlay=overlay)
    rated = rate(book, "a", "m", traffic="PROVISIONED")
    assert (rated.cost_state, rated.cost_pico, rated.list_cost_pico) == ("included", 0, 1_000_000)


def test_a_least_quantity_is_charged(book_of: Make) -> None:
    overlay = f"providers: {{a: {{minimums: [{{leaf: input_uncached, at_least: '10', {SOURCE}}}]}}}}"
    book = book_of({"a": provider("a", model("a", "m", "1"))}, overlay=overlay)
    assert rate(book, "a", "m").cost_pico == 10_000_000


def test_a_default_price_serves_known_models_only(book_of: Make) -> None:
    overlay = f"""
providers:
  a: {{defaults: [{{id: a/any, per_1k: {{calls_maps: "5"}}, {SOURCE}}}]}}
"""
    book = book_of({"a": provider("a", model("a", "m", "1"))}, overlay=overlay)
    maps = {"calls_maps": 1}
    known = Part(provider="a", response_model="m", quantities=maps)  # pyright: ignore[reportArgumentType]
    unknown = Part(provider="a", response_model="z", quantities=maps)  # pyright: ignore[reportArgumentType]
    states = [
        book.rate(part, occurred_at_ns=0, completeness="final", billable=True).cost_state
        for part in (known, unknown)
    ]
    assert states == ["priced", "unpriced"]


def test_prices_can_be_looked_up_with_their_history(book_of: Make) -> None:
    rows = f"""
    prices:
      - {{id: a/m/ever, per_1m: {{input: "3"}}, {SOURCE}}}
      - id: a/m/2026-03-01
        effective_from: "2026-03-01"
        per_1m: {{input: "2"}}
        tiers: [{{above: "1000", per_1m: {{input: "4"}}}}]
        source: a page
        checked: "2026-03-02"
"""
    book = book_of({"a": provider("a", "  - id: m\n    match: {equals: m}" + rows)})
    history = book.find(None, "M")
    assert [(line.price_id, line.usd, line.above_input_tokens) for line in history] == [
        ("a/m/ever#input", "3", None),
        ("a/m/2026-03-01#input", "2", None),
        ("a/m/2026-03-01#input>1000", "4", 1000),
    ]
    now = book.find("a", "m", ns("2026-02-01"))
    assert [(line.price_id, line.source) for line in now] == [("a/m/ever#input", "a test")]
    assert book.find(None, "nobody-has-this") == []


def test_what_the_network_calls_models_cannot_fill_the_memory(book_of: Make) -> None:
    book = book_of({"a": provider("a", model("a", "m", "1"))})
    for index in range(9000):
        rate(book, "a", f"made-up-{index}")
    assert len(book._plans) <= 4096  # pyright: ignore[reportPrivateUsage]


def test_clauses_combine() -> None:
    both = {"all": [{"contains": "claude"}, {"any": [{"ends_with": "-v2"}, {"regex": r"-v\d+:0$"}]}]}
    assert matches(both, "eu.claude-3-v2")
    assert matches(both, "claude-v7:0")
    assert not matches(both, "claude-v7:1")
    assert matches({}, "anything")


def test_a_snapshot_is_a_date_a_number_or_latest() -> None:
    for suffix in ("-2024-08-06", "-20240806", "-latest", "-0613", "-001", "@20250101", "-2411"):
        assert rank("m", "m" + suffix, is_family=False) == SNAPSHOT, suffix
    for suffix in ("-mini", "-preview", "-2", "o", "-16k", "-2024-08-06-mini"):
        assert rank("m", "m" + suffix, is_family=False) == 0, suffix
    assert rank("claude-3.5", "claude-3-5-sonnet", is_family=True) == FAMILY


BROKEN = """
provider: a
modells: []
models:
  - id: m
    match: {equals: m, contains: n}
    prices:
      - {id: a/m/1, per_1m: {input: "two", ouput: "1"}, source: x, checked: "2026-01-01"}
      - {id: a/m/1, per_2m: {input: "1"}, source: x}
      - {id: a/m/2, per_1: {input: "-1"}, hours: "25:00-26:00", source: x, checked: "2026-01-01"}
      - {id: a/m/3, effective_from: soon, tiers: [{above: "1", from: "2"}], source: x, checked: y}
"""


def test_a_malformed_price_file_gives_every_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError) as caught:
        compiled_from(tmp_path, {"a": BROKEN})
    found = {(finding.line, finding.found) for finding in caught.value.findings}
    assert found == {
        (3, "unknown key 'modells'"),
        (6, "mapping"),
        (8, "'two'"),
        (8, "ouput"),
        (9, "a/m/1"),
        (9, "per_2m"),
        (9, "no checked"),
        (10, "'-1'"),
        (10, "'25:00-26:00'"),
        (11, "'soon'"),
        (11, "mapping"),
    }
    assert all(finding.file.endswith("a/prices.yaml") for finding in caught.value.findings)


def test_a_compiled_book_is_used_while_its_sources_are_the_same(tmp_path: Path) -> None:
    catalog, cache = tmp_path / "catalog", tmp_path / "cache"
    compiled_from(catalog, {"a": provider("a", model("a", "m", "1"))})
    content = compile_prices(catalog)
    cache.mkdir()
    place = cache / f"prices-{source_digest(catalog)[:16]}.msgpack"
    place.write_bytes(content)
    assert open_prices(cache, catalog).digest == source_digest(catalog)
    for damage in (b"", content[:-7], b"\x00" * 100):
        place.write_bytes(damage)
        assert PriceBook(open_prices(cache, catalog)).provider("a") is not None
    (catalog / "a" / "prices.yaml").write_text(provider("a", model("a", "m", "2")))
    changed = PriceBook(open_prices(cache, catalog))
    assert rate(changed, "a", "m").cost_pico == 2_000_000


def test_the_shipped_book_knows_how_to_pay_for_every_leaf() -> None:
    units = open_prices().units
    assert set(units.leaves) == set(LEAVES)
