"""What Prometheus gets of the server."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families as parsed
from served import Site, day_of_calls

from farebox.home import Home
from farebox.server.assets import Assets


def test_prometheus_reads_cost_tokens_calls_errors_and_latency(home: Home, web: Path) -> None:
    calls = day_of_calls()
    site = Site(home, calls, Assets(web))
    answer = site.ask("/metrics", {"authorization": f"Bearer {site.token}"})
    assert (answer.status, answer.headers["content-type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    families = {each.name: each for each in parsed(answer.body.decode())}
    assert families["farebox_cost_usd"].type == "counter"
    by = {name: families[name].samples for name in families}
    assert sum(each.value for each in by["farebox_calls"]) == len(calls.newest(10_000))
    assert {"provider", "model", "customer"} == set(by["farebox_cost_usd"][0].labels)
    assert {each.labels["type"] for each in by["farebox_tokens"]} == {
        "input",
        "cache_read",
        "cache_creation",
        "output",
        "reasoning",
    }
    names = {each.name for each in by["farebox_call_duration_seconds"]}
    assert {"farebox_call_duration_seconds_sum", "farebox_call_duration_seconds_count"} <= names
    assert families["farebox_complete"].samples[0].value in (0, 1)
    assert all(family.documentation for family in families.values())
    site.ledger.close()


def test_metrics_are_for_readers_only(home: Home, web: Path) -> None:
    site = Site(home, day_of_calls(), Assets(web))
    assert site.ask("/metrics", {}).status == 401
    site.ledger.close()
