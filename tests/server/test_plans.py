"""`/api/v1/customers`, plans and subscriptions: shown to readers, changed by the owner as commands do."""

from __future__ import annotations

from typing import Any

import msgspec
from served import Answer, Site

CUSTOMERS, PLANS, SUBSCRIPTIONS = "/api/v1/customers", "/api/v1/plans", "/api/v1/subscriptions"
BODY = {
    "customers": {"acme": {"name": "Acme Inc."}},
    "plans": {"pro": {"base": "20.00", "charges": [{"name": "Use", "meter": "cost", "markup_percent": 20}]}},
    "subscriptions": [{"customer": "acme", "plan": "pro", "start": "2026-11-01"}],
}


def sent(site: Site, method: str, path: str, body: Any = None) -> Answer:
    content = b"" if body is None else msgspec.json.encode(body)
    return site.ask(path, {"authorization": f"Bearer {site.token}"}, method, content)


def test_before_anything_was_set_everything_is_empty(site: Site) -> None:
    assert site.get(CUSTOMERS).json()["customers"] == []
    assert site.get(PLANS).json()["plans"] == []
    assert site.get(SUBSCRIPTIONS).json()["subscriptions"] == []
    assert site.get(f"{CUSTOMERS}?customer=acme").status == 404
    assert site.get(f"{PLANS}?plan=pro").status == 404


def test_what_is_put_is_stored_and_a_preview_is_not(site: Site) -> None:
    preview = sent(site, "POST", f"{PLANS}/preview", BODY)
    assert preview.status == 200, preview.body
    assert preview.json()["dry_run"] is True and len(preview.json()["changes"]) == 3
    assert site.get(PLANS).json()["plans"] == []
    assert sent(site, "PUT", PLANS, BODY).json()["dry_run"] is False
    (plan,) = site.get(PLANS).json()["plans"]
    assert (plan["name"], plan["version"], plan["base"], plan["used"]) == ("pro", 1, "20.00", True)
    (customer,) = site.get(f"{CUSTOMERS}?customer=acme").json()["customers"]
    assert [each["plan"] for each in customer["subscriptions"]] == ["pro"]


def test_a_subscription_is_changed_and_ended(site: Site) -> None:
    sent(site, "PUT", PLANS, BODY)
    sent(site, "PUT", PLANS, {"plans": {"max": {"base": "99", "charges": BODY["plans"]["pro"]["charges"]}}})  # type: ignore[index]
    moved = sent(
        site, "POST", f"{SUBSCRIPTIONS}/change", {"customer": "acme", "plan": "max", "at": "2026-12-01"}
    )
    assert [(each["plan"], each["until"]) for each in moved.json()["subscriptions"]] == [
        ("pro", "2026-12-01"),
        ("max", None),
    ]
    ended = sent(site, "POST", f"{SUBSCRIPTIONS}/end", {"customer": "acme", "at": "2027-01-01"})
    assert ended.json()["subscriptions"][1]["until"] == "2027-01-01"


def test_everything_that_is_wrong_is_in_the_response(site: Site) -> None:
    wrong = {"plans": {"pro": {"base": "-1", "charges": [{"meter": "callz", "unit": "1"}]}}}
    refused = sent(site, "PUT", PLANS, wrong)
    assert refused.status == 422
    assert len(refused.json()["details"]["findings"]) == 2
    assert site.get(PLANS).json()["plans"] == []


YAML = b"""plans:
  pro:
    base: "20.00"
    charges:
      - name: Output
        meter: output_tokens
        where: {model: gpt-4o}
        graduated: [{up_to: 1000000, unit: "20.00"}, {unit: "15.00"}]
        per: million
      - {name: Use, meter: cost, markup_percent: 20, minimum: "5.00"}
"""


def sent_text(site: Site, method: str, path: str, text: bytes) -> Answer:
    headers = {"authorization": f"Bearer {site.token}", "content-type": "application/yaml; charset=utf-8"}
    return site.ask(path, headers, method, text)


def test_a_yaml_text_is_previewed_and_applied(site: Site) -> None:
    preview = sent_text(site, "POST", f"{PLANS}/preview", YAML)
    assert preview.status == 200, preview.body
    assert [(each["kind"], each["action"]) for each in preview.json()["changes"]] == [("plan", "add")]
    assert site.get(PLANS).json()["plans"] == []
    assert sent_text(site, "PUT", PLANS, YAML).json()["dry_run"] is False
    (plan,) = site.get(PLANS).json()["plans"]
    again = sent_text(site, "POST", f"{PLANS}/preview", plan["written"].encode())
    assert [each["action"] for each in again.json()["changes"]] == ["same"], (
        "what is shown can be applied again"
    )


def test_mistakes_of_a_yaml_text_are_told_with_their_lines(site: Site) -> None:
    wrong = YAML.replace(b'base: "20.00"', b'base: "-1"').replace(b"meter: cost", b"meter: costs")
    details = sent_text(site, "PUT", PLANS, wrong).json()["details"]
    assert list(zip(details["lines"], details["fields"], strict=True)) == [
        ("3", "plans.pro.base"),
        ("10", "plans.pro.charges[1].meter"),
    ]
    assert all(
        finding.startswith(f"the text:{line}: {field}: found ")
        for finding, line, field in zip(details["findings"], details["lines"], details["fields"], strict=True)
    )
    broken = sent_text(site, "PUT", PLANS, b"plans:\n  pro: {base: 1\n").json()
    assert broken["code"] == "config_invalid" and broken["details"]["fields"] == [""]
    assert site.get(PLANS).json()["plans"] == []


def test_a_plan_says_in_words_what_it_charges(site: Site) -> None:
    sent_text(site, "PUT", PLANS, YAML)
    (plan,) = site.get(PLANS).json()["plans"]
    assert [(each["name"], each["price"], each["conditions"]) for each in plan["words"]] == [
        ("Base fee", "20.00", ["at the end of the period"]),
        (
            "Output",
            "output tokens, up to 1,000,000: 20.00 per 1,000,000; then 15.00 per 1,000,000",
            ["model gpt-4o"],
        ),
        ("Use", "cost + 20 %", ["at least 5.00"]),
    ]
    assert plan["conditions"] == ["final 48 hours after a period's end"]
