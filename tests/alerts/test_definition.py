"""What people write of an alert: what is understood, and how every mistake is told at once."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from farebox import yamltext
from farebox.alerts.alert import Alert, Kind, Sensitivity
from farebox.alerts.definition import read_alert, read_alerts
from farebox.alerts.kinds import FORMS
from farebox.alerts.references import Known, Reference, missing, references_of
from farebox.alerts.written_alert import plain
from farebox.budgets.budget import Period
from farebox.errors import Finding
from farebox.money import PICO_PER_USD
from farebox.yamltext import Node

OF_THE_ISSUE = """\
alerts:
  - {name: acme-spend, budget: acme-daily, at: ["50%", "80%", "100%"], to: [ops]}
  - {name: jump, where: {app: ingest}, anomaly: cost, to: [ops]}
"""
DAY, MONTH = Period(kind="day"), Period(kind="month")


def read(text: str) -> tuple[tuple[Alert, ...], list[Finding], list[Reference]]:
    root, findings = yamltext.parse(text, "/home/farebox.yaml")
    assert root is not None
    references: list[Reference] = []
    alerts = read_alerts(root.get("alerts") or root, findings, references)
    return alerts, findings, references


def one(entry: str) -> Alert:
    alerts, findings, _ = read(f"alerts:\n  - {entry}\n")
    assert findings == []
    return alerts[0]


def mistakes(entry: str) -> list[str]:
    alerts, findings, _ = read(f"alerts:\n  - {entry}\n")
    assert alerts == ()
    return [f"{each.key}: {each.found} | {each.expected}" for each in findings]


def node(value: Any) -> Node:
    if isinstance(value, dict):
        return Node({key: node(each) for key, each in value.items()}, "f", 0, "")
    return Node([node(each) for each in value] if isinstance(value, list) else value, "f", 0, "")


def test_the_text_of_the_issue_works_as_it_is() -> None:
    alerts, findings, references = read(OF_THE_ISSUE)
    assert findings == []
    assert alerts == (
        Alert(
            name="acme-spend",
            kind="budget",
            subject="acme-daily",
            at=(500_000, 800_000, 1_000_000),
            to=("ops",),
            origin="farebox.yaml:2",
        ),
        Alert(
            name="jump",
            kind="anomaly",
            subject="cost",
            where={"app": ("ingest",)},
            to=("ops",),
            origin="farebox.yaml:3",
        ),
    )
    known = Known(channels=frozenset(["ops"]), budgets={"acme-daily": "hard"})
    assert missing(references, known) == []


SHORT = [
    (
        '{name: big-day, spend: ["100.00", "250.00"], every: "100.00", period: day}',
        Alert(
            name="big-day",
            kind="spend",
            subject="cost",
            at=(100 * PICO_PER_USD, 250 * PICO_PER_USD),
            every=100 * PICO_PER_USD,
            period=DAY,
        ),
    ),
    (
        '{spend: {price: "5"}, each: customer, period: week, timezone: Europe/Berlin}',
        Alert(
            name="spend-price-customer",
            kind="spend",
            subject="price",
            at=(5 * PICO_PER_USD,),
            each="customer",
            period=Period(kind="week"),
            timezone="Europe/Berlin",
        ),
    ),
    (
        "{spend: cost, every: 5, period: rolling 24h}",
        Alert(
            name="spend-cost",
            kind="spend",
            subject="cost",
            every=5 * PICO_PER_USD,
            period=Period(kind="rolling", rolling_s=86_400),
        ),
    ),
    (
        '{spend: "2.00", period: session}',
        Alert(
            name="spend-cost-session",
            kind="spend",
            subject="cost",
            at=(2 * PICO_PER_USD,),
            each="session",
            period=Period(kind="session"),
        ),
    ),
    (
        '{usage: input_tokens, at: ["1000000", "2.5M"], period: month}',
        Alert(
            name="usage-input-tokens",
            kind="usage",
            subject="input_tokens",
            at=(1_000_000, 2_500_000),
            period=MONTH,
        ),
    ),
    (
        "{usage: calls 10k, period: month}",
        Alert(name="usage-calls", kind="usage", subject="calls", at=(10_000,), period=MONTH),
    ),
    (
        "{budget: acme-daily}",
        Alert(
            name="budget-acme-daily", kind="budget", subject="acme-daily", at=(500_000, 800_000, 1_000_000)
        ),
    ),
    (
        '{wallet: acme, below: ["10.00", "2.00"]}',
        Alert(name="wallet-acme", kind="wallet", subject="acme", at=(2 * PICO_PER_USD, 10 * PICO_PER_USD)),
    ),
    (
        '{wallet: "*", below: 10}',
        Alert(name="wallet-each", kind="wallet", subject="*", at=(10 * PICO_PER_USD,)),
    ),
    (
        '{rise: cost, by: "100%", over: 1h, amount_min: "0.50"}',
        Alert(
            name="rise-cost",
            kind="rise",
            subject="cost",
            at=(1_000_000,),
            over_s=3600,
            least=20,
            amount_min=PICO_PER_USD // 2,
        ),
    ),
    (
        "{rise: output_tokens, amount_min: 5k, calls_min: 0}",
        Alert(
            name="rise-output-tokens",
            kind="rise",
            subject="output_tokens",
            at=(1_000_000,),
            over_s=3600,
            amount_min=5_000,
        ),
    ),
    (
        "{anomaly: cost, sensitivity: {deviations: 9, factor: 1.5}}",
        Alert(
            name="anomaly-cost",
            kind="anomaly",
            subject="cost",
            sensitivity=Sensitivity(deviations=9, factor_ppm=1_500_000),
        ),
    ),
    ("{new: model}", Alert(name="new-model", kind="new", subject="model", severity="info")),
    ("{new: key}", Alert(name="new-key", kind="new", subject="key", severity="info")),
    ("{new: tag.team}", Alert(name="new-tag.team", kind="new", subject="tag.team", severity="info")),
    ("{unpriced: true}", Alert(name="unpriced-model", kind="unpriced", each="model", over_s=86_400)),
    (
        "{unpriced: true, where: {model: gpt-9}}",
        Alert(name="unpriced", kind="unpriced", where={"model": ("gpt-9",)}, over_s=86_400),
    ),
    ("{prices: changed}", Alert(name="prices-changed", kind="prices", subject="changed", severity="info")),
    (
        "{prices: stale, over: 14d}",
        Alert(name="prices-stale", kind="prices", subject="stale", over_s=14 * 86_400, severity="info"),
    ),
    (
        '{cache_hits: {fall: "50%"}}',
        Alert(
            name="cache-hits-fall", kind="cache_hits", subject="fall", at=(500_000,), over_s=3600, least=50
        ),
    ),
    (
        '{cache_hits: {below: ["40%", "12.5%"]}}',
        Alert(
            name="cache-hits-below",
            kind="cache_hits",
            subject="below",
            at=(125_000, 400_000),
            over_s=3600,
            least=50,
        ),
    ),
    (
        "{cache_lifetime: shift}",
        Alert(
            name="cache-lifetime",
            kind="cache_lifetime",
            subject="shift",
            at=(250_000,),
            over_s=21_600,
            least=50,
        ),
    ),
    (
        '{retries: "20%", over: 5m}',
        Alert(name="retries", kind="retries", at=(200_000,), over_s=300, least=20),
    ),
    (
        '{errors: "5%", over: 10m}',
        Alert(name="errors", kind="errors", at=(50_000,), over_s=600, least=20),
    ),
    (
        "{errors: true, severity: critical}",
        Alert(name="errors", kind="errors", at=(50_000,), over_s=600, least=20, severity="critical"),
    ),
    (
        "{latency: 10s, over: 10m}",
        Alert(name="latency-p95", kind="latency", subject="p95", at=(10_000_000,), over_s=600, least=20),
    ),
    (
        "{latency: {p99: [800ms, 2.5s]}}",
        Alert(
            name="latency-p99",
            kind="latency",
            subject="p99",
            at=(800_000, 2_500_000),
            over_s=600,
            least=20,
        ),
    ),
    (
        '{margin: {below: "20%"}, each: customer, period: month}',
        Alert(
            name="margin-below-customer",
            kind="margin",
            subject="below",
            at=(200_000,),
            each="customer",
            period=MONTH,
        ),
    ),
    (
        '{margin: "-5%"}',
        Alert(name="margin-below", kind="margin", subject="below", at=(-50_000,), period=MONTH),
    ),
    (
        "{no_data: 30m, where: {app: [a, b]}, each: app}",
        Alert(name="no-data-app", kind="no_data", over_s=1800, where={"app": ("a", "b")}, each="app"),
    ),
    ("{missing: records}", Alert(name="missing", kind="missing", subject="records", severity="critical")),
    (
        "{unmetered: clients}",
        Alert(name="unmetered", kind="unmetered", subject="clients", over_s=600),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("written", "expected"), SHORT, ids=[text for text, _ in SHORT])
def test_each_kind_has_a_short_form(written: str, expected: Alert) -> None:
    found = one(written)
    assert found.origin == "farebox.yaml:2"
    assert found == Alert(**{**_fields(expected), "origin": found.origin})


def _fields(alert: Alert) -> dict[str, Any]:
    return {name: getattr(alert, name) for name in alert.__struct_fields__}


def test_the_short_forms_are_of_every_kind() -> None:
    assert {alert.kind for _, alert in SHORT} == set(get_args(Kind)) == set(FORMS)


@pytest.mark.parametrize(("written", "expected"), SHORT, ids=[text for text, _ in SHORT])
def test_what_is_written_again_is_read_as_the_same(written: str, expected: Alert) -> None:
    alert = one(written)
    findings: list[Finding] = []
    again = read_alert(node(plain(alert)), findings, [], origin=alert.origin)
    assert findings == []
    assert again == alert


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_the_example_of_each_kind_is_read(form: Any) -> None:
    period = ", period: day" if "period" in form.keys and form.period is None else ""
    assert one("{" + form.example + period + "}").kind in form.example


def test_alerts_may_be_a_mapping_by_name() -> None:
    alerts, findings, _ = read("alerts:\n  jump: {anomaly: cost}\n  models: {new: model}\n")
    assert findings == []
    assert [each.name for each in alerts] == ["jump", "models"]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('{budget: b, at: ["80%", "50%"]}', "alerts[0].at[1]: '50%' | ascending thresholds"),
        ('{budget: b, at: ["50%", "50%"]}', "alerts[0].at[1]: '50%' | ascending thresholds"),
        ('{budget: b, at: ["0%"]}', "a percentage of 0.0001% to"),
        ('{budget: b, at: ["-5%"]}', "a percentage of 0.0001% to"),
        ("{budget: b, at: [50]}", 'did you mean "50%"?'),
        ("{budget: b, at: []}", "an empty list | at least one threshold"),
        ('{errors: "120%"}', "a percentage of 0.0001% to 100%"),
        ('{retries: "100.1%"}', "a percentage of 0.0001% to 100%"),
        ('{cache_hits: {fall: "101%"}}', "to 100%"),
        ('{margin: {below: "101%"}}', "to 100%"),
        ('{spend: "0", period: day}', "more than 0"),
        ('{spend: ["5", "3"], period: day}', "ascending thresholds"),
        ('{spend: "5", every: 0, period: day}', "more than 0"),
        ("{spend: cost, period: day}", "thresholds, as in"),
        ('{spend: "5"}', "`spend` without it | `period`"),
        ('{spend: "5", at: ["7"], period: day}', "`at` beside it | the thresholds once"),
        ('{spend: "5 EUR", period: day}', "US dollars"),
        ("{usage: tokens, at: [1M], period: day}", "one of calls, input_tokens"),
        ("{usage: input_token, at: [1M], period: day}", 'did you mean "input_tokens"?'),
        ('{usage: calls, at: ["1,000"], period: day}', "without separators"),
        ("{usage: calls, at: [1.5], period: day}", "a whole number above 0"),
        ("{usage: [1M], period: day}", "a list | one of calls"),
        ("{wallet: acme}", "thresholds, as in"),
        ('{wallet: acme, below: ["5", "7", "6"]}', "ascending thresholds"),
        ('{wallet: acme, below: ["7", "5", "6"]}', "descending thresholds"),
        ("{rise: money}", "one of cost, price, calls"),
        ("{rise: cost, over: 1s}", "a duration of 5m to"),
        ("{new: colour}", "one of customer, user"),
        ("{new: modell}", 'did you mean "model"?'),
        ("{new: session}", "each session is new"),
        ("{new: model, each: app}", "`each` beside `new` | it with spend, usage"),
        ("{unpriced: maybe}", "`unpriced: true`"),
        ("{prices: changed, over: 3d}", "it goes with `prices: stale`"),
        ("{prices: old}", "one of changed, stale"),
        ("{latency: fast}", "one of p50, p90, p95, p99"),
        ("{latency: p95}", "thresholds, as in"),
        ("{latency: 10}", "a duration of 1ms to"),
        ("{latency: {p95: 1s, p99: 2s}}", "p95, p99 | one of p50"),
        ("{no_data: yes}", "a duration of 1m to"),
        ("{no_data: 5s}", "a duration of 1m to"),
        ("{anomaly: cost, sensitivity: hihg}", 'did you mean "high"?'),
        ("{anomaly: cost, sensitivity: {factor: 1}}", "a factor above 1"),
        ("{anomaly: cost, sensitivity: {deviations: 0}}", "a whole number of 1"),
        ("{anomaly: cost, every: 5}", "`every` beside `anomaly` | it with spend, usage only"),
        ("{anomaly: cost, threshold: 5}", "an unknown key"),
        ('{spend: "5", period: day, threshold: "3"}', 'did you mean "at"?'),
        ("{anomaly: cost, channel: ops}", 'did you mean "to"?'),
        ("{anomaly: cost, wher: {app: a}}", 'did you mean "where"?'),
        ("{anomaly: cost, app: ingest}", "a dimension beside `where` | it in `where`"),
        ("{anomaly: cost, where: {ap: ingest}}", 'an unknown dimension | one of'),
        ("{anomaly: cost, each: modle}", 'did you mean "model"?'),
        ("{anomaly: cost, each: app, where: {app: ingest}}", "`each: app`, where only ingest counts"),
        ("{unpriced: true, each: model, where: {model: x}}", "`each: model`, where only x counts"),
        ("{anomaly: cost, severity: high}", "info or warning or critical"),
        ("{anomaly: cost, to: Ops!}", "a channel's name"),
        ("{anomaly: cost, timezone: Berlin}", 'did you mean "Europe/Berlin"?'),
        ("{anomaly: cost, name: A B}", 'did you mean "a-b"?'),
        ("{anomaly: cost, where: {key: sk-proj-abcdefghijklmnopqrstuvwxyz012345}}", "looks like an API key"),
        ('{spend: "2", period: session, each: user}', "`each: session`"),
        ("{anomaly: cost, new: model}", "anomaly and new | one thing to watch"),
        ("{name: a, to: [ops]}", "an alert without it | what is watched"),
        ("{name: a, anomoly: cost}", 'did you mean "anomaly"?'),
        ("{anomaly: {cost: 5}}", "cost | one of cost"),
        ("{budget: [a, b]}", "a budget's name"),
        ("text", "a mapping, as in"),
    ],
)  # fmt: skip
def test_a_mistake_says_its_place_and_what_was_expected(written: str, told: str) -> None:
    found = mistakes(written)
    assert any(told in each for each in found), found


def test_everything_that_is_wrong_is_told_at_once() -> None:
    text = """\
alerts:
  - {name: one, budget: nosuch, at: ["80%", "50%", "0%"], to: [nobody], severity: loud}
  - name: two
    anomaly: costs
    where: {ap: ingest}
    each: colour
  - {name: one, new: model}
  - {name: four, wallet: nobody, below: ["10"], frist: 3}
"""
    alerts, findings, references = read(text)
    assert [each.name for each in alerts] == ["one"]  # of the third entry
    found = [*findings, *missing(references, Known(budgets={"nosush": "hard"}))]
    assert sorted((each.line, each.key) for each in found) == [
        (2, "alerts[0].at[1]"),
        (2, "alerts[0].at[2]"),
        (2, "alerts[0].budget"),
        (2, "alerts[0].severity"),
        (2, "alerts[0].to[0]"),
        (4, "alerts[1].anomaly"),
        (5, "alerts[1].where.ap"),
        (6, "alerts[1].each"),
        (7, "alerts[2].name"),
        (8, "alerts[3].frist"),
        (8, "alerts[3].wallet"),
    ]
    assert 'did you mean "nosush"?' in next(each.expected for each in found if "budget" in each.key)


def test_names_without_one_that_are_alike_want_one() -> None:
    _, findings, _ = read("alerts:\n  - {new: model}\n  - {new: model, where: {app: a}}\n")
    assert [(each.line, each.found) for each in findings] == [(3, "'new-model'")]


def test_only_a_soft_budget_can_be_passed_by_more_than_all_of_it() -> None:
    _, findings, references = read('alerts: [{budget: b, at: ["100%", "150%"]}]')
    assert findings == []
    assert missing(references, Known(budgets={"b": "soft"})) == []
    (found,) = missing(references, Known(budgets={"b": "hard"}))
    assert found.found == "150%"
    unknown = missing(references, Known())
    assert [each.found for each in unknown] == ["an unknown budget, 'b'", "150%"]


def test_what_an_alert_names_is_known_of_it_later() -> None:
    alert = one("{name: w, wallet: acme, below: 5, to: [ops, mail]}")
    sorts = [(each.sort, each.name) for each in references_of(alert)]
    assert sorts == [("channel", "ops"), ("channel", "mail"), ("customer", "acme")]
    assert references_of(one('{wallet: "*", below: 5}')) == []
    (budget,) = references_of(one('{budget: b, at: ["20%", "90%"]}'))
    assert (budget.name, budget.most_ppm, budget.file) == ("b", 900_000, "farebox.yaml:2")


def test_there_is_a_limit_to_alerts_and_thresholds() -> None:
    _, findings, _ = read("alerts: [" + "{new: model}," * 2_001 + "]")
    assert [each.expected for each in findings] == ["at most 2,000 alerts"]
    many = ", ".join(str(each) for each in range(1, 52))
    assert "at most 50 thresholds" in mistakes(f"{{spend: [{many}], period: day}}")[0]
