"""Made-up calls: their records say what the product reads out of such calls, and a seed repeats them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from farebox.catalog import load
from farebox.config import ProviderConfig
from farebox.demo import company
from farebox.demo.company import Model
from farebox.demo.exchanges import Call, Tokens, done_of, quantities_of, result_of, usage_of
from farebox.demo.traffic import SPAN_NS, Traffic
from farebox.journal.records import encode
from farebox.recording.stated_usage import measure

UNTIL = 1_796_000_000 * 10**9
MODELS = [each for each in vars(company).values() if isinstance(each, Model)]
OWN = {company.OWN.provider: ProviderConfig(upstream=f"http://{company.OWN.host}", speaks="openai")}


def records(calls: int = 600, seed: int = 1) -> list[bytes]:
    return [
        encode(done_of(work) if isinstance(work, Call) else result_of(work))
        for work in Traffic(calls, seed, UNTIL)
    ]


def test_the_same_seed_makes_the_same_calls_and_another_one_others() -> None:
    assert records() == records()
    assert records() != records(seed=2)


@pytest.mark.parametrize("calls", [1, 17, 900])
def test_there_are_as_many_calls_as_were_asked_for_in_the_order_of_their_ends(calls: int) -> None:
    made = list(Traffic(calls, 3, UNTIL))
    assert sum(isinstance(work, Call) for work in made) == calls
    assert all(before.ended_ns <= after.ended_ns for before, after in pairwise(made))
    began = [work.began_ns for work in made if isinstance(work, Call)]
    assert min(began) >= UNTIL - SPAN_NS
    assert made[-1].ended_ns < UNTIL


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_models_route_is_the_catalogs(model: Model) -> None:
    provider = load(OWN).provider(model.provider)
    assert provider is not None
    endpoint = provider.endpoint("POST", model.path)
    assert (endpoint.provider_id, endpoint.surface) == (model.provider, model.surface)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_quantities_are_what_is_read_out_of_the_usage_object(model: Model) -> None:
    anthropic = model.usage == "anthropic"
    tokens = Tokens(
        uncached=1_000,
        cached=0 if model.usage == "embeddings" else 300,
        written_5m=40 if anthropic else 0,
        written_1h=7 if anthropic else 0,
        output=0 if model.usage == "embeddings" else 55,
        reasoning=0 if anthropic or model.usage == "embeddings" else 21,
        searches=2 if anthropic else 0,
    )
    provider = load(OWN).provider(model.provider)
    assert provider is not None
    place = "usageMetadata" if model.usage == "google" else "usage"
    found = measure(
        provider.endpoint("POST", model.path),
        {"model": model.name, place: usage_of(model, tokens)},
        model.name,
    )
    (part,) = found.parts
    stated = {leaf: count for leaf, count in part.quantities.items() if count}
    assert stated == {leaf: count for leaf, count in quantities_of(model, tokens).items() if count}
