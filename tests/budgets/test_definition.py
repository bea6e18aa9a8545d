"""What people write of a budget: what is understood, and how every mistake is told at once."""

from __future__ import annotations

from typing import Any

import pytest

from farebox import yamltext
from farebox.budgets.budget import LIMIT_MAX, Budget, Period
from farebox.budgets.definition import plain, read_budgets
from farebox.errors import Finding
from farebox.money import PICO_PER_USD

OF_THE_ISSUE = """\
budgets:
  - name: acme-daily
    where: {customer: acme}        # any dimension or tag; left out: everything on this machine
    limit: "25.00"                 # dollars of cost; {price: "25.00"} for what the customer is charged
    period: day                    # hour, day, week, month, "rolling 24h", session, ever
    timezone: Europe/Berlin
    mode: hard                     # or soft
    stream: cut                    # or finish
    unpriced: ceiling              # or block, allow
    wait: 20s                      # before a call is refused for want of room
  - {name: per-session, each: session, limit: "2.00", period: session, mode: hard}
"""


def read(text: str) -> tuple[tuple[Budget, ...], list[Finding]]:
    root, findings = yamltext.parse(text, "/home/farebox.yaml")
    assert root is not None
    budgets = read_budgets(root.get("budgets") or root, findings)
    return budgets, findings


def one(**settings: str) -> Budget:
    budgets, findings = read(_one(settings))
    assert findings == []
    return budgets[0]


def mistake(**settings: str) -> Finding:
    _, findings = read(_one(settings))
    assert len(findings) == 1, findings
    return findings[0]


def _one(settings: dict[str, str]) -> str:
    said = {"name": "b", "limit": "1", "period": "day", **settings}
    return "budgets:\n  - " + "\n    ".join(f"{key}: {value}" for key, value in said.items() if value) + "\n"


def test_the_text_of_the_issue_works_as_it_is() -> None:
    budgets, findings = read(OF_THE_ISSUE)
    assert findings == []
    assert budgets == (
        Budget(
            name="acme-daily",
            where={"customer": ("acme",)},
            limit_pico=25 * PICO_PER_USD,
            period=Period(kind="day"),
            timezone="Europe/Berlin",
            origin="farebox.yaml:2",
        ),
        Budget(
            name="per-session",
            each="session",
            limit_pico=2 * PICO_PER_USD,
            period=Period(kind="session"),
            origin="farebox.yaml:11",
        ),
    )


@pytest.mark.parametrize(
    ("written", "dollars"),
    [
        ('"25.00"', "25"),
        ("25", "25"),
        ("25.10", "25.1"),
        ("0.000000000001", "0.000000000001"),
        ("1234567.123456789012", "1234567.123456789012"),
        ('"$25"', "25"),
        ("$25.50", "25.5"),
        ("25 USD", "25"),
        ("25usd", "25"),
        ("USD 25", "25"),
        ("US$25", "25"),
        ("25$", "25"),
        ('".50"', "0.5"),
        ("9000000", "9000000"),
    ],
)
def test_a_limit_is_read_exactly_from_its_text(written: str, dollars: str) -> None:
    assert plain(one(limit=written))["limit"] == dollars


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("-5", "more than 0"),
        ('"-$5"', "more than 0"),
        ('"$-5"', "more than 0"),
        ("0", "more than 0"),
        ("0.00", "more than 0"),
        ("9000000.01", "at most 9000000"),
        ("99999999999999999999", "at most 9000000"),
        ("1e3", "dollars as"),
        (".inf", "dollars as"),
        ("nan", "dollars as"),
        ("0x10", "dollars as"),
        ("0.0000000000001", "at most 12 decimals"),
        ('"1,000"', "without separators of thousands"),
        ('"1_000"', "without separators of thousands"),
        ('"2,50"', "with a decimal point"),
        ("25 EUR", "limits are in US dollars"),
        ('"€25"', "limits are in US dollars"),
        ("twenty", "dollars as"),
        ("\u0661\u0662", "dollars as"),
        ("[25]", "dollars as"),
        ("{prise: 25}", '{price: "25.00"}'),
        ("{price: 25, cost: 25}", '{price: "25.00"}'),
        ("{}", '{price: "25.00"}'),
        ("{price: -1}", "more than 0"),
    ],
)
def test_a_limit_that_is_none_is_refused(written: str, told: str) -> None:
    found = mistake(limit=written)
    assert told in found.expected
    assert found.key.startswith("budgets[0].limit") and found.line == 3


def test_the_largest_limit_is_one_that_counters_can_hold() -> None:
    assert one(limit="9000000").limit_pico == LIMIT_MAX < 2**63


def test_a_limit_can_be_on_what_the_customer_is_charged() -> None:
    found = one(limit='{price: "25.00"}')
    assert (found.measure, found.limit_pico) == ("price", 25 * PICO_PER_USD)
    assert plain(found)["limit"] == {"price": "25"}


@pytest.mark.parametrize(
    ("written", "period"),
    [
        ("hour", Period(kind="hour")),
        ("Day", Period(kind="day")),
        ("week", Period(kind="week")),
        ("month", Period(kind="month")),
        ("ever", Period(kind="ever")),
        ("rolling 24h", Period(kind="rolling", rolling_s=86_400)),
        ('"rolling 7d"', Period(kind="rolling", rolling_s=7 * 86_400)),
        ("rolling  90m", Period(kind="rolling", rolling_s=5_400)),
        ("{rolling: 24h}", Period(kind="rolling", rolling_s=86_400)),
    ],
)
def test_a_period_is_read(written: str, period: Period) -> None:
    assert one(period=written).period == period


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("daily", 'did you mean "day"?'),
        ("monthly", 'did you mean "month"?'),
        ("forever", 'did you mean "ever"?'),
        ("24h", 'did you mean "rolling 24h"?'),
        ("rolling", "hour, day"),
        ("rolling 5", "a duration"),
        ("rolling 1s", "a duration of 1m"),
        ("rolling 900d", "to 366d"),
        ("[day]", "hour, day"),
        ("{rolling: [1]}", "hour, day"),
    ],
)
def test_a_period_that_is_none_is_told_what_there_is(written: str, told: str) -> None:
    assert told in mistake(period=written).expected


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("Berlin", 'did you mean "Europe/Berlin"?'),
        ("europe/berlin", 'did you mean "Europe/Berlin"?'),
        ("Europe/Berlim", 'did you mean "Europe/Berlin"?'),
        ("New York", 'did you mean "America/New_York"?'),
        ("Mars/Olympus", "a time zone"),
        ("../../etc/passwd", "a time zone"),
        ("Europe", "a time zone"),
        ("[UTC]", "a time zone"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest(written: str, told: str) -> None:
    assert told in mistake(timezone=written).expected


@pytest.mark.parametrize(
    ("where", "values"),
    [
        ("{customer: acme}", {"customer": ("acme",)}),
        ("{customer: [acme, other]}", {"customer": ("acme", "other")}),
        ('{customer: ""}', {"customer": ("",)}),
        ('{model: "gpt-4o*", provider: openai}', {"model": ("gpt-4o*",), "provider": ("openai",)}),
        ("{tag.feature: summary}", {"tag.feature": ("summary",)}),
        ("{tag.Feature: summary}", {"tag.feature": ("summary",)}),
        ("{Customer: acme}", {"customer": ("acme",)}),
        ("{customer: 42, user: true}", {"customer": ("42",), "user": ("true",)}),
        ("{}", {}),
        ("null", {}),
    ],
)
def test_calls_are_named_by_dimensions_tags_lists_and_patterns(where: str, values: dict[str, Any]) -> None:
    assert one(where=where).where == values


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("{custmer: acme}", 'did you mean "customer"?'),
        ("{tags: {feature: x}}", "tags are written `tag.feature`"),
        ("{tag: {feature: x}}", "tags are written `tag.feature`"),
        ("{customer: []}", "at least one value"),
        ("{customer: {a: b}}", "a value, a list of values"),
        ("{customer: null}", "a value, a list of values"),
        ("customer=acme", "a mapping, as in"),
        ("[customer]", "a mapping, as in"),
        ("{Customer: a, customer: b}", "each dimension once"),
    ],
)
def test_calls_that_cannot_be_named_so_are_told_how(where: str, told: str) -> None:
    assert told in mistake(where=where).expected


@pytest.mark.parametrize(
    ("key", "written", "told"),
    [
        ("custmer", "acme", "one of name, where"),
        ("customer", "acme", "where: {customer: …}"),
        ("tag.feature", "x", "where: {tag.feature: …}"),
        ("amount", "5", 'did you mean "limit"?'),
        ("tz", "UTC", 'did you mean "timezone"?'),
        ("limits", "5", 'did you mean "limit"?'),
        ("except", "ops", 'did you mean "exempt"?'),
        ("mode", "strict", "hard or soft"),
        ("mode", "hrad", 'did you mean "hard"?'),
        ("stream", "stop", "cut or finish"),
        ("unpriced", "ignore", "ceiling or block or allow"),
        ("reserve", "most", "worst or likely"),
        ("wait", "20", "a duration of 0s to 1h"),
        ("wait", "2h", "a duration of 0s to 1h"),
        ("wait", "-1s", "a duration of 0s to 1h"),
        ("each", "sesion", 'did you mean "session"?'),
        ("each", "[user, session]", "one of customer"),
        ("ceiling", "-1", "more than 0"),
        ("exempt", '["*"]', "each key by its label or fingerprint"),
        ("exempt", "{key: ops}", "labels or fingerprints"),
    ],
)
def test_what_is_not_known_is_told_with_what_is(key: str, written: str, told: str) -> None:
    assert told in mistake(**{key: written}).expected


def test_a_wait_may_be_nothing_seconds_or_minutes() -> None:
    assert [one(wait=text).wait_s for text in ("0", "0s", "20s", "2m", "1h")] == [0, 0, 20, 120, 3600]
    assert plain(one(wait="0"))["wait"] == "0s"


def test_a_ceiling_belongs_to_unpriced_ceiling() -> None:
    assert one(ceiling='"0.50"').ceiling_pico == PICO_PER_USD // 2
    assert "unpriced: ceiling" in mistake(ceiling='"0.50"', unpriced="allow").expected


def test_a_sessions_budget_counts_each_session() -> None:
    assert one(period="session").each == "session"
    assert one(period="session", each="session").each == "session"
    assert "each: session" in mistake(period="session", each="user").expected


def test_an_api_key_in_place_of_its_label_is_refused_and_not_repeated() -> None:
    key = "sk-proj-0123456789abcdef0123456789abcdef"
    for settings in ({"where": f"{{key: {key}}}"}, {"exempt": f"[{key}]"}):
        found = mistake(**settings)
        assert key not in str(found) and "farebox keys" in found.expected


def test_every_mistake_is_told_at_once_each_with_its_place() -> None:
    budgets, findings = read(
        "budgets:\n"
        "  - name: a\n"
        "    where: {custmer: acme}\n"
        '    limit: "-5"\n'
        "    period: day\n"
        "    timezone: Europe/Berlim\n"
        "  - {name: b, limit: 1, period: day}\n"
        "  - {name: b, limit: 2, perod: day}\n"
        "  - {name: Acme Daily, limit: 1, period: day}\n"
        "  - nonsense\n"
    )
    assert [(each.line, each.key) for each in sorted(findings, key=lambda each: (each.line, each.key))] == [
        (3, "budgets[0].where.custmer"),
        (4, "budgets[0].limit"),
        (6, "budgets[0].timezone"),
        (8, "budgets[2]"),
        (8, "budgets[2].name"),
        (8, "budgets[2].perod"),
        (9, "budgets[3].name"),
        (10, "budgets[4]"),
    ]
    told = {each.key: each.expected for each in findings}
    assert "line 7 has this one" in told["budgets[2].name"]
    assert 'did you mean "acme-daily"?' in told["budgets[3].name"]
    assert [each.name for each in budgets] == ["b"]


def test_budgets_may_stand_under_their_names() -> None:
    budgets, findings = read('budgets:\n  acme-daily: {limit: "25", period: day}\n')
    assert findings == [] and budgets[0].name == "acme-daily"
    _, findings = read("budgets:\n  acme-daily: {name: other, limit: 25, period: day}\n")
    assert "it is acme-daily" in findings[0].expected


def test_what_a_budget_cannot_do_without_is_named() -> None:
    _, findings = read("budgets:\n  - {mode: hard}\n")
    assert "`name` and `limit` and `period`" in findings[0].expected


@pytest.mark.parametrize("text", ["budgets: yes\n", "budgets: 5\n"])
def test_a_section_that_is_no_list_is_told_what_one_looks_like(text: str) -> None:
    _, findings = read(text)
    assert "a list, as in" in findings[0].expected


def test_a_budget_written_out_is_read_as_the_same() -> None:
    import msgspec

    budgets, _ = read(OF_THE_ISSUE)
    again, findings = read(msgspec.json.encode({"budgets": [plain(each) for each in budgets]}).decode())
    assert findings == []
    assert [msgspec.structs.replace(each, origin="") for each in again] == [
        msgspec.structs.replace(each, origin="") for each in budgets
    ]
