"""`/api/v1/privacy`: every place that keeps persons, and where one of them stands."""

from __future__ import annotations

import pytest
from served import Site

from farebox.config import KeyConfig
from farebox.control.key_changes import label_key

PRIVACY = "/api/v1/privacy"


def test_every_place_is_told_and_of_a_person_where_they_stand(site: Site) -> None:
    label_key(site.home, "a" * 16, KeyConfig(label="k", user="alice"), "uid:1", 1)
    answer = site.get(PRIVACY).json()
    assert answer["found"] is None
    assert {"ledger.db", "journal/", "control.db: audit"} <= {each["place"] for each in answer["places"]}
    found = site.get(f"{PRIVACY}?field=user&value=alice").json()["found"]
    assert [(each["place"], each["stays"]) for each in found] == [
        ("control.db: key", "declared"),
        ("control.db: audit", "declared"),
    ]
    assert site.get(f"{PRIVACY}?field=customer&value=alice").json()["found"] == []


@pytest.mark.parametrize("query", ["field=user", "value=alice", "field=model&value=gpt-4o", "user=alice"])
def test_what_names_no_person_is_refused(site: Site, query: str) -> None:
    assert site.get(f"{PRIVACY}?{query}").status == 422
