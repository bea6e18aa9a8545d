"""What the guide shows works as it is written there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from farebox import yamltext
from farebox.pricing import check_pricing, load_book
from farebox.pricing.book import PriceBook
from farebox.wire.facts import Part

GUIDE = Path(__file__).resolve().parent.parent.parent / "docs" / "guides" / "pricing.md"
BLOCKS = re.findall(r"```yaml\n(pricing:.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_of_the_guide_is_accepted(block: str) -> None:
    root, problems = yamltext.parse(block, "farebox.yaml")
    assert root is not None
    assert not problems
    assert check_pricing(root.get("pricing")) == []
    assert load_book(root.get("pricing")).digest != load_book().digest


def test_every_rate_the_guide_names_exists() -> None:
    table = GUIDE.read_text(encoding="utf-8").partition("| what | names |")[2].partition("\n\n")[0]
    for name in re.findall(r"`(\w+)`", table):
        root, _ = yamltext.parse(f"x: {{{name}_per_1k: 1}}", "farebox.yaml")
        assert check_pricing(root) == [], name


def test_the_price_ids_the_guide_quotes_exist(shipped: PriceBook) -> None:
    ids = re.findall(r"`((?:openai|xai)/\S+#\S+)`", GUIDE.read_text(encoding="utf-8"))
    assert len(ids) >= 2
    known = {line.price_id for model in ("gpt-4o", "grok-4.3") for line in shipped.find(None, model)}
    assert set(ids) <= known


def test_a_local_server_is_unpriced_until_it_is_said_to_be_free(shipped: PriceBook) -> None:
    call = Part(provider="my-llm", response_model="llama", quantities={"input_uncached": 5})
    root, _ = yamltext.parse("my-llm/*: {per_token: 0}", "farebox.yaml")
    states = [
        book.rate(call, occurred_at_ns=0, completeness="final", billable=True).cost_state
        for book in (shipped, load_book(root))
    ]
    assert states == ["unpriced", "free"]
