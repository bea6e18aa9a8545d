"""Which budgets a call counts for."""

from __future__ import annotations

import msgspec
import pytest

from farebox.budgets.budget import Budget, BudgetSet, Period, Stop
from farebox.budgets.matching import Matcher, attributes, without_stated_customer


def budget(name: str = "b", each: str | None = None, **where: tuple[str, ...] | str) -> Budget:
    values = {
        key.replace("__", "."): (value,) if isinstance(value, str) else value for key, value in where.items()
    }
    return Budget(name=name, limit_pico=1, period=Period(kind="day"), where=values, each=each)


def call(**said: str) -> dict[str, str]:
    given = {name.replace("__", "."): value for name, value in said.items()}
    key = given.pop("key", None)
    return attributes(
        given,
        {name: "key:0123456789abcdef" if name == "key_label" else "header:x" for name in given},
        provider=given.pop("provider", "openai"),
        request_model=given.pop("model", "gpt-4o"),
        key_fingerprint=key,
    )


def matched(each: Budget, said: dict[str, str]) -> bool:
    return bool(Matcher(BudgetSet(budgets=(each,))).judge(said).budgets)


@pytest.mark.parametrize(
    ("where", "said", "fits"),
    [
        ({}, {}, True),
        ({"customer": "acme"}, {"customer": "acme"}, True),
        ({"customer": "acme"}, {"customer": "acme2"}, False),
        ({"customer": "acme"}, {"customer": "Acme"}, False),
        ({"customer": "acme"}, {}, False),
        ({"customer": ("acme", "other")}, {"customer": "other"}, True),
        ({"customer": "*"}, {"customer": "anybody"}, True),
        ({"customer": "*"}, {}, False),
        ({"customer": ""}, {}, True),
        ({"customer": ""}, {"customer": "acme"}, False),
        ({"model": "gpt-4o"}, {"model": "gpt-4o-mini"}, False),
        ({"model": "gpt-4o*"}, {"model": "gpt-4o-mini"}, True),
        ({"model": "*-mini"}, {"model": "gpt-4o-mini"}, True),
        ({"model": "*4o*mini"}, {"model": "gpt-4o-mini"}, True),
        ({"model": "a*a"}, {"model": "a"}, False),
        ({"model": "gpt.4o*"}, {"model": "gpt-4o"}, False),
        ({"model": "gpt-[45]o"}, {"model": "gpt-4o"}, False),
        ({"provider": "anthropic"}, {}, False),
        ({"tag__feature": "summary"}, {"tag__feature": "summary"}, True),
        ({"tag__feature": "summary"}, {"tag__Feature": "summary"}, True),
        ({"key": "0123456789abcdef"}, {"key": "0123456789abcdef"}, True),
        ({"key": "back*"}, {"key": "0123456789abcdef", "key_label": "backend"}, True),
        ({"process": "42"}, {"process__pid": "42"}, True),
        ({"customer": "acme", "model": "gpt-4o"}, {"customer": "acme"}, True),
        ({"customer": "acme", "model": "o3"}, {"customer": "acme"}, False),
    ],
)
def test_a_budget_is_for_calls_that_fit_every_dimension(
    where: dict[str, tuple[str, ...] | str], said: dict[str, str], fits: bool
) -> None:
    assert matched(budget(**where), call(**said)) is fits  # pyright: ignore[reportArgumentType]


def test_each_value_has_the_limit_for_itself_and_calls_without_one_are_not_limited() -> None:
    matcher = Matcher(BudgetSet(budgets=(budget(each="session"),)))
    found = [matcher.judge(call(session=name)).budgets[0].value for name in ("one", "two", "one")]
    assert found == ["one", "two", "one"]
    assert matcher.judge(call()).budgets == ()


def test_each_key_is_counted_by_its_fingerprint_whatever_it_is_called() -> None:
    matcher = Matcher(BudgetSet(budgets=(budget(each="key", key="backend"),)))
    said = call(key="0123456789abcdef", key_label="backend")
    assert matcher.judge(said).budgets[0].value == "0123456789abcdef"


def test_a_call_counts_for_every_budget_that_fits_in_the_order_of_the_set() -> None:
    limits = BudgetSet(budgets=(budget("a"), budget("b", customer="x"), budget("c", model="gpt*")))
    assert [each.budget.name for each in Matcher(limits).judge(call()).budgets] == ["a", "c"]


def test_a_stop_refuses_exactly_what_it_names() -> None:
    stop = Stop(dimension="session", value="a*", reason="runs away", since_ns=1)
    matcher = Matcher(BudgetSet(stops=(stop,)))
    assert matcher.judge(call(session="a*")).stop == stop
    assert matcher.judge(call(session="abc")).stop is None
    assert matcher.judge(call()).stop is None


def test_the_model_is_the_one_asked_for_or_else_the_one_that_responded() -> None:
    assert attributes({}, {}, provider="p", request_model="a", response_model="b")["model"] == "a"
    assert attributes({}, {}, provider="p", request_model=None, response_model="b")["model"] == "b"
    assert "model" not in attributes({}, {}, provider="p", request_model=None)


def test_a_stated_customer_is_left_out_where_others_reach_the_proxy() -> None:
    said = {"customer": "acme", "session": "s"}
    assert without_stated_customer(said, {"customer": "header:x-farebox-customer"}) == {"session": "s"}
    for source in ("token:0199", "key:0123456789abcdef"):
        assert without_stated_customer(said, {"customer": source}) == said


def test_a_pattern_of_many_stars_takes_no_time_that_grows_with_a_power_of_them() -> None:
    each = budget(model="*a" * 60 + "b")
    assert not matched(each, call(model="a" * 256))


def test_what_was_decided_is_remembered_by_what_matters_only() -> None:
    matcher = Matcher(BudgetSet(budgets=(budget(customer="acme"),)))
    first = matcher.judge(call(customer="acme", session="one"))
    assert matcher.judge(call(customer="acme", session="two")) is first


def test_an_empty_set_matches_nothing() -> None:
    assert not Matcher(BudgetSet()) and Matcher(BudgetSet(budgets=(budget(),)))


def test_only_a_key_that_is_listed_as_exempt_passes_a_budget() -> None:
    """AT-G3: no credential is a way around, and none is exempt that is not named."""
    each = msgspec.structs.replace(budget(), exempt=("nightly", "0123456789abcdef"))
    assert not matched(each, call(key="0123456789abcdef"))
    assert not matched(each, call(key="aaaaaaaaaaaaaaaa", key_label="nightly"))
    for said in (
        call(),
        call(key="aaaaaaaaaaaaaaaa"),
        call(key="aaaaaaaaaaaaaaaa", key_label="backend"),
        call(customer="nightly", user="0123456789abcdef", agent="nightly"),
    ):
        assert matched(each, said), said


def test_a_header_cannot_claim_the_label_of_an_exempt_key() -> None:
    each = msgspec.structs.replace(budget(), exempt=("nightly",))
    claimed = {"key_label": "nightly", "key": "nightly"}
    sources = dict.fromkeys(claimed, "header:x-farebox-key_label")
    said = attributes(
        claimed, sources, provider="openai", request_model=None, key_fingerprint="aaaaaaaaaaaaaaaa"
    )
    assert matched(each, said)
    without_key = attributes(claimed, sources, provider="openai", request_model=None)
    assert matched(each, without_key), "nor can one that shows no key"
    sources["key_label"] = "key:aaaaaaaaaaaaaaaa"
    said = attributes(claimed, sources, provider="openai", request_model=None)
    assert not matched(each, said), "the negative control: the owner's label"


@pytest.mark.parametrize("name", ["provider", "model", "key", "process"])
def test_what_is_known_of_a_call_is_not_taken_from_what_it_says_of_itself(name: str) -> None:
    found = attributes({name: "claimed"}, {}, provider="openai", request_model=None)
    assert "claimed" not in found.values()
