"""Every two filters with every grouping: the sums answer what counting the exported calls answers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
from calls import DAY, HOUR, MINUTE, NOON, TestLedger, done

from farebox.home import Home
from farebox.journal import records
from farebox.journal.reader import Batch, Position
from farebox.journal.records import Done, Rerate
from farebox.ledger import verify
from farebox.ledger.reader import DIMENSIONS, OTHER, Filter, LedgerReader
from farebox.ledger.rows import CallRow, Measures
from farebox.pricing.facts import RatedPart
from farebox.wire.facts import Part

PANELS = ("model", "surface", "key")
"""What the dashboard groups by; the choices of a filter and the command line group by anything."""

SPANS = [
    (NOON + 2 * DAY + 5 * HOUR + 17, NOON + 9 * DAY + 3 * HOUR + 1),
    (NOON + 7 * HOUR + 31 * MINUTE, NOON + 7 * HOUR + 58 * MINUTE),
    (NOON + 4 * DAY + MINUTE, NOON + 5 * DAY - MINUTE),
    (NOON + 3 * DAY + 40 * MINUTE, None),
    (None, NOON + 6 * DAY + 22 * HOUR),
]


class LaterBook:
    """Knows a price for what the first book did not know."""

    has_contracts = False

    def rate(self, part: Part, **_: Any) -> RatedPart:
        count = part.input_tokens + part.output_tokens
        return RatedPart(cost_state="priced", cost_pico=count * 7, charge_pico=count * 9, snapshot="book-2")


def traffic(rng: random.Random, count: int) -> list[Done]:
    """Return calls over eleven days whose dimensions depend on each other a little."""
    calls: list[Done] = []
    for number in range(count):
        named = {
            "app": rng.choice([None, "api", "batch"]),
            "user": rng.choice([None, "u1", "u2"]),
            "customer": rng.choice([None, "acme", "bolt", "cog"]),
            "agent": rng.choice([None, "a1", "a2"]),
            "session": f"s{number // 7}",
            "project": rng.choice([None, "p1", "p2"]),
        }
        calls.append(
            done(
                NOON + rng.randrange(11 * DAY // MINUTE) * MINUTE + rng.choice([0, 0, 1, 59]),
                model=rng.choice(["gpt-4o", "o3", "unheard-of"]),
                provider=rng.choice(["openai", "azure"]),
                surface=rng.choice(["openai.chat", "openai.responses"]),
                key=rng.choice([None, "k1", "k2", "k3"]),
                status=rng.choice([200, 200, 429, 500]),
                outcome=rng.choice(["completed", "completed", "timed_out"]),
                input_tokens=rng.randrange(1_000),
                output_tokens=rng.randrange(1_000),
                attribution={name: value for name, value in named.items() if value},
            )
        )
    return calls


def value_of(row: CallRow, dimension: str) -> str:
    if dimension == "model":
        return row.response_model or row.request_model or ""
    if dimension == "key":
        return row.key_fingerprint or ""
    if dimension in ("app", "user", "customer", "agent", "session", "project"):
        return row.attribution.get(dimension, "")
    return str(getattr(row, dimension) or "")


def counted(rows: Sequence[CallRow]) -> Measures:
    return Measures(
        calls=len(rows),
        errors=sum(row.status >= 400 or row.status == 0 for row in rows),
        unpriced_calls=sum(row.cost_state in ("unpriced", "unknown") for row in rows),
        estimated_calls=sum(row.cost_state == "estimated" for row in rows),
        cost_pico=sum(row.cost_pico or 0 for row in rows),
        charge_pico=sum(row.charge_pico or 0 for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
    )


def grouped(rows: Sequence[CallRow], by: Sequence[str]) -> dict[tuple[str | None, ...], Measures]:
    found: dict[tuple[str | None, ...], list[CallRow]] = {}
    for row in rows:
        found.setdefault(tuple(value_of(row, name) or None for name in by), []).append(row)
    return {key: counted(members) for key, members in found.items()}


def rerate(ledger: TestLedger) -> None:
    """Give every third call that has no price another one."""
    unpriced = ledger.connection.execute("SELECT seq FROM call_now WHERE cost_state = 'unpriced'").fetchall()
    ledger.applier.use(LaterBook())
    asked = Rerate(at_ns=NOON, seqs=[seq for (seq,) in unpriced][::3], snapshot="", priced_too=False)
    batch = Batch([(1, records.RERATE, records.encode(asked))], [], Position(1, 2000, 2), False)
    ledger.applier.apply("rerate-1", [batch])


@pytest.fixture(params=["stale", "some stale", "settled", "late and corrected", "settled again"])
def rows(ledger: TestLedger, request: pytest.FixtureRequest) -> list[CallRow]:
    """Return the calls of a ledger in every state its sums can be in."""
    calls = traffic(random.Random(3), 420)
    in_order = sorted(calls[:300], key=lambda call: call.occurred_at_ns)
    ledger.append(*in_order[:200])
    if request.param == "some stale":
        ledger.settle(in_order[150].occurred_at_ns)
    elif request.param != "stale":
        ledger.settle()
    ledger.append(*in_order[200:])
    if request.param == "settled":
        ledger.settle()
    if request.param in ("late and corrected", "settled again"):
        ledger.append(*calls[300:])  # anywhere among the others
        rerate(ledger)
    if request.param == "settled again":
        ledger.settle()
    return list(LedgerReader(ledger.home).export(Filter()))


def test_two_filters_and_any_grouping_are_answered_as_by_counting(
    ledger: TestLedger, rows: list[CallRow]
) -> None:
    rng = random.Random(4)
    reader = LedgerReader(ledger.home)
    times = {row.seq: at for row, at in zip(rows, _moments(ledger), strict=True)}
    for number, filtered in enumerate(itertools.combinations(DIMENSIONS, 2)):
        since, until = SPANS[number % len(SPANS)]
        example = rng.choice(rows)
        where = {name: value_of(example, name) for name in filtered}
        if where.get("status") == "429":
            where["status"] = "4xx"
        if rng.random() < 0.2:
            where[filtered[0]] = f"{where[filtered[0]]},{value_of(rng.choice(rows), filtered[0])}"
        which = Filter(since_ns=since, until_ns=until, where=where)
        members = [
            row
            for row in rows
            if (since or 0) <= times[row.seq] < (until or 1 << 62)
            and all(_fits(value_of(row, name), wanted) for name, wanted in where.items())
        ]
        assert reader.totals(which) == counted(members), which
        for by in (*((name,) for name in PANELS), (rng.choice(DIMENSIONS),), ("model", "key")):
            groups = {
                tuple(group.keys.values()): group.measures for group in reader.breakdown(which, by, 9_999)
            }
            assert groups == grouped(members, by), (which, by)
        by = rng.choice((None, *PANELS))
        points = reader.series(which, rng.choice([60, 3_600, 86_400]), by)
        assert _added(point.measures for point in points) == counted(members), (which, by)
    assert verify(ledger.home).ok


def test_the_dearest_groups_are_the_same_whichever_sums_rank_them(
    ledger: TestLedger, rows: list[CallRow]
) -> None:
    reader = LedgerReader(ledger.home)
    for dimension, filtered in itertools.product(("session", "customer", "key", "agent"), ("app", "model")):
        which = Filter(where={filtered: value_of(rows[0], filtered)})
        members = [row for row in rows if value_of(row, filtered) == value_of(rows[0], filtered)]
        expected = sorted(
            grouped(members, [dimension]).items(),
            key=lambda item: (-item[1].cost_pico, -item[1].calls, item[0][0] or ""),
        )
        found = [(group.keys[dimension], group.measures) for group in reader.breakdown(which, [dimension], 2)]
        assert found == [(key[0], measures) for key, measures in expected[:2]]


def test_values_that_are_counted_together_are_in_every_total(home: Home) -> None:
    ledger = TestLedger(home, values_per_day_max=2)
    ledger.append(*traffic(random.Random(5), 200))
    for _ in range(2):
        reader = LedgerReader(home)
        rows = list(reader.export(Filter()))
        for one, other in itertools.combinations(DIMENSIONS, 2):
            for example in rows[:3]:
                where = {one: value_of(example, one), other: value_of(example, other)}
                members = [row for row in rows if all(value_of(row, name) == where[name] for name in where)]
                assert reader.totals(Filter(where=where)) == counted(members), where
                groups = reader.breakdown(Filter(where={one: where[one]}), [other], 9_999)
                narrowed = [row for row in rows if value_of(row, one) == where[one]]
                assert _added(group.measures for group in groups) == counted(narrowed), (
                    one,
                    where[one],
                    other,
                )
                exact = grouped(narrowed, [other])
                for group in groups:
                    assert (
                        group.keys[other] == OTHER or group.measures.calls <= exact[group.keys[other],].calls
                    )
        ledger.settle()
    assert verify(home).ok
    ledger.connection.close()


def test_a_filter_that_every_call_passes_changes_nothing_and_one_that_none_passes_leaves_none(
    ledger: TestLedger,
) -> None:
    calls = [done(NOON + number * HOUR, key=f"k{number % 2}") for number in range(30)]
    ledger.append(*calls)
    for _ in range(2):
        reader = LedgerReader(ledger.home)
        for where in ({}, {"model": "gpt-4o"}, {"key": "k1"}, {"key": "k1", "model": "gpt-4o"}):
            expected = reader.breakdown(Filter(where=where), ["key"])
            assert expected
            assert reader.breakdown(Filter(where={**where, "user": ""}), ["key"]) == expected
            assert reader.breakdown(Filter(where={**where, "user": ",x"}), ["key"]) == expected
            assert reader.breakdown(Filter(where={**where, "user": "x"}), ["key"]) == []
        ledger.settle()


def _moments(ledger: TestLedger) -> list[int]:
    return [at for (at,) in ledger.connection.execute("SELECT occurred_at FROM call ORDER BY seq")]


def _fits(value: str, wanted: str) -> bool:
    return any(value == each or (each == "4xx" and value.startswith("4")) for each in wanted.split(","))


def _added(measures: Any) -> Measures:
    total = Measures()
    for each in measures:
        for name in Measures.__struct_fields__:
            setattr(total, name, getattr(total, name) + getattr(each, name))
    return total
