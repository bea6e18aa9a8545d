"""Every total of the API and of the command line is the same sum, to the pico, whatever is filtered by.

300 random filters with FAREBOX_QUESTIONS, tags among them; fewer without. Screens show what the API says.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fake_ledger import FakeLedger
from ledgers import HOUR, SECOND, START, Call, Record, chosen, measured, traffic, value_of
from served import Answer, Site

from farebox.analytics.dimensions import DIMENSIONS
from farebox.analytics.local import LocalAsker
from farebox.analytics.query import Measures, Question
from farebox.analytics.questions import Questions
from farebox.cli.main import main
from farebox.home import Home
from farebox.server.api.queries import Ledger
from farebox.server.assets import Assets
from farebox.server.server_process import open_reader

FILTERS = int(os.environ.get("FAREBOX_QUESTIONS", "40"))
COMMANDS = FILTERS // 8
NAMES = [*DIMENSIONS, "tag.feature", "tag.team", "tag.none"]
SUMS = (
    "calls", "errors", "unpriced_calls", "estimated_calls", "input_tokens", "cache_read_input_tokens",
    "cache_creation_input_tokens", "output_tokens", "reasoning_output_tokens",
)  # fmt: skip


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    made = Record(Home(tmp_path / "home"))
    rng = random.Random(17)
    firsts = made.append(traffic(rng, 1_200))
    for first in rng.sample(firsts, 150):
        made.correct(first, cost_state="priced", cost_pico=rng.randrange(10**15), customer="moved")
    yield made
    made.close()


def moment(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"


def asked_by(rng: random.Random, calls: list[Call]) -> Question:
    where: dict[str, list[str]] = {}
    for name in rng.sample(NAMES, rng.choice([0, 1, 1, 2, 3])):
        some = {value_of(rng.choice(calls), name) or "" for _ in range(rng.choice([1, 1, 2, 4]))}
        where[name] = sorted(some)
    since = START + rng.randrange(4 * 24) * HOUR
    return Question(since_ns=since, until_ns=since + rng.randrange(1, 60) * HOUR, where=where)


class Figures:
    """What the server says of one filter."""

    def __init__(self, site: Site, asked: Question) -> None:
        assert asked.since_ns is not None and asked.until_ns is not None
        span = {"since": moment(asked.since_ns), "until": moment(asked.until_ns), "tz": "UTC"}
        self._query = urlencode({**span, **asked.where}, doseq=True)
        self._site = site

    def of(self, path: str, **more: str) -> Any:
        said: Answer = self._site.get(f"/api/v1/{path}?{self._query}&{urlencode(more)}")
        assert said.status == 200, said.body
        return said.json()


def is_sum(said: dict[str, Any], expected: Measures) -> bool:
    return (
        all(said[name] == getattr(expected, name) for name in SUMS)
        and int(said["cost_pico"]) == expected.cost_pico
        and int(said["charge_pico"]) == expected.charge_pico
    )


def together(*each: dict[str, Any] | None) -> dict[str, Any]:
    some = [one for one in each if one is not None]
    return {name: sum(int(one[name]) for one in some) for name in (*SUMS, "cost_pico", "charge_pico")}


def check(figures: Figures, rng: random.Random, expected: Measures) -> None:
    cost, unpriced = expected.cost_pico, expected.unpriced_calls
    assert is_sum(figures.of("summary")["sums"], expected)
    by = ",".join(rng.sample(NAMES, rng.choice([1, 2])))
    broken = figures.of("breakdown", by=by, limit=str(rng.choice([1, 3, 50])))
    assert is_sum(broken["total"], expected), by
    assert is_sum(together(*(group["sums"] for group in broken["groups"]), broken["rest"]), expected), by
    series = figures.of("series", bucket=rng.choice(["hour", "day"]), by=rng.choice(NAMES))
    assert sum(map(int, series["total"]["cost_pico"])) == cost
    assert sum(int(amount) for line in series["lines"] for amount in line["cost_pico"]) == cost
    assert (sum(series["total"]["calls"]), sum(series["unpriced_calls"])) == (expected.calls, unpriced)
    heat = figures.of("heat-map")
    assert (sum(map(int, heat["cost_pico"])), sum(heat["calls"])) == (cost, expected.calls)
    rows, columns = rng.sample(NAMES, 2)
    table = figures.of("pivot", rows=rows, columns=columns, measure="cost_pico")
    assert (int(table["total"]["value"] or 0), table["total"]["calls"]) == (cost, expected.calls)
    assert sum(int(cell["value"] or 0) for cell in table["totals"]) == cost
    sessions = figures.of("sessions", limit="5")
    assert is_sum(sessions["total"], expected)
    movers = figures.of("movers", by="model,app")
    before = int(figures.of("summary")["previous"]["sums"]["cost_pico"])
    assert int(movers["total_change_pico"]) == cost - before
    moved = [int(each["change_pico"]) for each in movers["movers"]]
    assert sum(moved) + int(movers["rest_change_pico"]) == cost - before
    failed = figures.of("reliability")["total"]
    assert (failed["calls"], failed["errors"]) == (expected.calls, expected.errors)


def test_totals_of_every_question_agree_for_random_filters(record: Record, web: Path) -> None:
    rng = random.Random(171)
    calls = list(record.now.values())
    questions = Questions(LocalAsker(record.home))
    ledger = Ledger(open_reader(record.home), questions)
    site = Site(record.home, FakeLedger(), Assets(web), ledger=ledger)
    try:
        for _ in range(FILTERS):
            asked = asked_by(rng, calls)
            check(Figures(site, asked), rng, measured(chosen(calls, asked)))
    finally:
        questions.close()


def test_totals_of_the_command_line_agree_for_random_filters(
    record: Record, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(172)
    calls = list(record.now.values())
    for _ in range(COMMANDS):
        asked = asked_by(rng, calls)
        assert asked.since_ns is not None and asked.until_ns is not None
        flags = [
            "--since",
            moment(asked.since_ns),
            "--until",
            moment(asked.until_ns),
            "--tz",
            "UTC",
            "--json",
        ]
        for name, values in asked.where.items():
            for value in values:
                tag = name.removeprefix("tag.")
                flags += ["--tag", f"{tag}={value}"] if tag != name else [flag_of(name), value]
        expected = measured(chosen(calls, asked))
        for command in (["today"], ["by", rng.choice(NAMES), "--limit", "2"]):
            monkeypatch.setattr(sys, "argv", ["farebox", *command, *flags, "--home", str(record.home.path)])
            assert main() == 0
            assert is_sum(json.loads(capsys.readouterr().out)["totals"], expected), (command, flags)


def flag_of(name: str) -> str:
    return f"--{name.replace('_', '-')}"
