"""Names that stand for a customer: which goes first, and from when until when."""

from __future__ import annotations

import pytest

from farebox.charges.identities import EVER, NEVER, Identities, Identity, without_mapped

IDENTITIES = Identities(
    (
        Identity(customer="by-key", dimension="key", value="ab12"),
        Identity(customer="by-label", dimension="key", value="Backend"),
        Identity(customer="by-user", dimension="user", value="ann", until_ns=100),
        Identity(customer="by-user-later", dimension="user", value="ann", from_ns=100),
        Identity(customer="by-agent", dimension="agent", value="writer"),
        Identity(customer="by-tag", dimension="tag.Team", value="core"),
    )
)
NAMES = {"user": "ann", "agent": "writer", "tag.team": "core"}


@pytest.mark.parametrize(
    ("values", "sources", "key", "customer", "source"),
    [
        ({**NAMES, "customer": "stated"}, {"customer": "header:x"}, "ab12", "stated", "header:x"),
        (NAMES, {}, "ab12", "by-key", "key:mapped"),
        ({**NAMES, "key_label": "Backend"}, {"key_label": "key:ff"}, "ff", "by-label", "key:mapped"),
        ({**NAMES, "key_label": "Backend"}, {"key_label": "header:x"}, "ff", "by-user", "mapped:user"),
        (NAMES, {}, None, "by-user", "mapped:user"),
        ({"agent": "writer", "tag.team": "core"}, {}, None, "by-agent", "mapped:agent"),
        ({"tag.team": "core"}, {}, None, "by-tag", "mapped:tag.team"),
        ({"tag.team": "other"}, {}, "zz", None, None),
    ],
)
def test_what_a_call_states_goes_first_then_key_user_agent_and_tags(
    values: dict[str, str], sources: dict[str, str], key: str | None, customer: str | None, source: str | None
) -> None:
    found, by = IDENTITIES.resolved(values, sources, key, 50)
    assert (found.get("customer"), by.get("customer")) == (customer, source)
    assert {name: value for name, value in found.items() if name != "customer"} == {
        name: value for name, value in values.items() if name != "customer"
    }


@pytest.mark.parametrize(("at_ns", "customer"), [(99, "by-user"), (100, "by-user-later")])
def test_a_name_stands_for_the_customer_of_its_date(at_ns: int, customer: str) -> None:
    assert IDENTITIES.resolved({"user": "ann"}, {}, None, at_ns)[0]["customer"] == customer
    assert IDENTITIES.end_ns(at_ns) == (100 if at_ns < 100 else NEVER)
    assert IDENTITIES.end_ns(EVER) == 100


def test_a_customer_that_an_earlier_mapping_found_gives_way_and_a_stated_one_stays() -> None:
    mapped = IDENTITIES.resolved({"user": "ann"}, {}, None, 1)
    moved = Identities((Identity(customer="other", dimension="user", value="ann"),))
    assert moved.resolved(*mapped, None, 1)[0]["customer"] == "other"
    assert Identities().resolved(*mapped, None, 1) == ({"user": "ann"}, {})
    assert without_mapped(*mapped) == ({"user": "ann"}, {})
    stated = {"user": "ann", "customer": "x"}, {"customer": "sdk:call"}
    assert moved.resolved(*stated, None, 1) is not None
    assert moved.resolved(*stated, None, 1)[0] is stated[0]
    assert without_mapped(*stated)[0] is stated[0]
