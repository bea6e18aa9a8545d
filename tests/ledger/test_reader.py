from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from calls import DAY, HOUR, MINUTE, NOON, SECOND, TestLedger, done

from farebox.errors import CallNotFoundError, UsageError
from farebox.home import Home
from farebox.journal.records import Done
from farebox.ledger import verify
from farebox.ledger.reader import DIMENSIONS, OTHER, Filter, LedgerReader
from farebox.ledger.rows import Measures
from farebox.ledger.tables import CELL


def traffic(seed: int, count: int) -> list[Done]:
    """Return calls over seventy days, some of them on the borders of hours and days."""
    rng = random.Random(seed)

    def one_of(*values: str | None) -> str | None:
        return rng.choice(values)

    calls: list[Done] = []
    for _ in range(count):
        at = NOON + rng.randrange(70) * DAY + rng.randrange(24) * HOUR
        at += rng.choice([0, 0, 1, -1, MINUTE, rng.randrange(HOUR)])
        named = {name: one_of(None, "a", "b") for name in ("app", "user", "customer", "agent", "project")}
        calls.append(
            done(
                at,
                model=rng.choice(["gpt-4o", "o3", "unheard-of"]),
                provider=rng.choice(["openai", "azure"]),
                surface=rng.choice(["openai.chat", "openai.responses"]),
                key=one_of(None, "k1", "k2"),
                status=rng.choice([200, 200, 200, 429, 500, 0]),
                input_tokens=rng.randrange(1_000),
                output_tokens=rng.randrange(1_000),
                attribution={name: value for name, value in named.items() if value},
            )
        )
    return calls


def value_of(call: Done, dimension: str) -> str | None:
    if dimension in ("model", "request_model"):
        return call.extraction.request_model
    if dimension == "key":
        return call.key_fingerprint
    if dimension == "status":
        return str(call.status)
    if dimension == "cost_state":
        return "unpriced" if call.extraction.request_model == "unheard-of" else "priced"
    if dimension in ("provider", "surface", "outcome"):
        return getattr(call, dimension)
    return call.attribution.get(dimension)


def counted(calls: Sequence[Done]) -> Measures:
    """Return the sums of `calls`, the slow way."""
    sums = Measures()
    for call in calls:
        (part,) = call.extraction.parts
        sums.calls += 1
        sums.errors += call.status >= 400 or call.status == 0
        priced = part.request_model != "unheard-of"
        sums.unpriced_calls += not priced
        sums.input_tokens += part.input_tokens
        sums.output_tokens += part.output_tokens
        if priced:
            cost = (part.input_tokens + part.output_tokens) * 2_500_000
            sums.cost_pico += cost
            sums.charge_pico += 2 * cost
    return sums


@pytest.fixture(params=["stale", "settled"])
def calls(ledger: TestLedger, request: pytest.FixtureRequest) -> list[Done]:
    made = traffic(1, 800)
    for start in range(0, len(made), 90):
        ledger.append(*made[start : start + 90])
        if start == 540:  # what comes after makes some of it stale again
            ledger.settle()
    if request.param == "settled":
        ledger.settle()
    return made


def test_any_question_has_the_same_answer_as_counting_the_calls_one_by_one(
    ledger: TestLedger, calls: list[Done]
) -> None:
    rng = random.Random(2)
    reader = LedgerReader(ledger.home)
    earliest = min(call.occurred_at_ns for call in calls)
    latest = max(call.occurred_at_ns for call in calls)
    borders = [call.occurred_at_ns for call in calls[:40]] + [
        earliest,
        latest,
        latest + 1,
        NOON + 5 * DAY,
        None,
    ]
    for _ in range(400):
        since, until = rng.choice(borders), rng.choice(borders)
        dimensions = rng.sample(DIMENSIONS, rng.choice([0, 0, 1, 1, 2, 3]))
        if rng.random() < 0.3:
            dimensions = rng.sample(
                ["provider", "model", rng.choice(["project", "customer"])], rng.randrange(4)
            )
        elif rng.random() < 0.4:
            dimensions = rng.sample(CELL, rng.randrange(2, 5))
        where: dict[str, str] = {}
        for dimension in dimensions:
            if rng.random() < 0.5:
                where[dimension] = value_of(rng.choice(calls), dimension) or ""
        by = [dimension for dimension in dimensions if dimension not in where or rng.random() < 0.2]
        which = Filter(since_ns=since, until_ns=until, where=where)
        matching = [
            call
            for call in calls
            if (since is None or call.occurred_at_ns >= since)
            and (until is None or call.occurred_at_ns < until)
            and all((value_of(call, name) or "") == value for name, value in where.items())
        ]
        assert reader.totals(which) == counted(matching), which
        groups: dict[Any, list[Done]] = {}
        for call in matching:
            groups.setdefault(tuple(value_of(call, name) for name in by), []).append(call)
        found = {tuple(group.keys.values()): group.measures for group in reader.breakdown(which, by, 10_000)}
        assert found == {key: counted(members) for key, members in groups.items()}, (which, by)
        listed = reader.calls(which, 10_000)
        assert len(listed) == len(matching)
        assert [row.seq for row in listed] == sorted((row.seq for row in listed), reverse=True)


@pytest.mark.parametrize("bucket_s", [1, 60, 3_600, 21_600, 86_400])
@pytest.mark.parametrize("by", [None, "model", "customer"])
def test_a_series_has_the_same_answer_as_counting(
    ledger: TestLedger, calls: list[Done], bucket_s: int, by: str | None
) -> None:
    reader = LedgerReader(ledger.home)
    since, until = NOON + 3 * DAY + 17, NOON + 50 * DAY + 5 * HOUR + 3 * SECOND
    buckets: dict[Any, list[Done]] = {}
    for call in calls:
        if since <= call.occurred_at_ns < until:
            start = call.occurred_at_ns // (bucket_s * SECOND) * bucket_s * SECOND
            buckets.setdefault((start, value_of(call, by) if by else None), []).append(call)
    points = reader.series(Filter(since_ns=since, until_ns=until), bucket_s, by)
    found = {(point.start_ns, point.keys[by] if by else None): point.measures for point in points}
    assert found == {key: counted(members) for key, members in buckets.items()}
    assert [point.start_ns for point in points] == sorted(point.start_ns for point in points)


def test_a_home_without_a_ledger_answers_with_zeros(home: Home) -> None:
    reader = LedgerReader(home)
    assert reader.totals(Filter()) == Measures()
    assert reader.breakdown(Filter(), ["model"]) == []
    assert reader.series(Filter(), 60) == []
    assert reader.calls(Filter()) == [] and list(reader.export(Filter())) == []
    assert reader.last_seq() == 0
    assert reader.health().last_seq == 0
    with pytest.raises(CallNotFoundError):
        reader.call("0193")
    ledger = TestLedger(home)
    ledger.append(done())
    assert reader.totals(Filter()).calls == 1, "the same reader sees a ledger that came later"
    ledger.connection.close()


def test_several_values_and_a_class_of_statuses_can_be_asked_for(ledger: TestLedger) -> None:
    ledger.append(done(status=200), done(status=404), done(status=429), done(status=500), done(status=0))
    reader = LedgerReader(ledger.home)
    assert reader.totals(Filter(where={"status": "4xx"})).calls == 2
    assert reader.totals(Filter(where={"status": "4xx,500"})).calls == 3
    assert reader.totals(Filter(where={"status": "200,0"})).calls == 2
    assert len(reader.calls(Filter(where={"status": "4xx,5xx"}))) == 3


def test_calls_that_carry_no_value_are_asked_for_with_the_empty_text(ledger: TestLedger) -> None:
    ledger.append(done(), done(attribution={"customer": "acme"}))
    reader = LedgerReader(ledger.home)
    assert reader.totals(Filter(where={"customer": ""})).calls == 1
    groups = reader.breakdown(Filter(), ["customer"])
    assert {group.keys["customer"]: group.measures.calls for group in groups} == {None: 1, "acme": 1}


@pytest.mark.parametrize("name", ["colour", "seq", "1; DROP TABLE call"])
def test_an_unknown_dimension_is_refused(ledger: TestLedger, name: str) -> None:
    ledger.append(done())
    reader = LedgerReader(ledger.home)
    with pytest.raises(UsageError, match="no dimension"):
        reader.breakdown(Filter(), [name])
    with pytest.raises(UsageError, match="no dimension"):
        reader.totals(Filter(where={name: "x"}))
    with pytest.raises(UsageError, match="no dimension"):
        reader.series(Filter(), 60, name)


@pytest.mark.parametrize(
    "value", ["' OR 1=1 --", '"; DROP TABLE call; --', "%", "x' UNION SELECT 1", "\0", "ü"]
)
def test_a_value_is_data_and_never_sql(ledger: TestLedger, value: str) -> None:
    ledger.append(done(), done(attribution={"user": value}))
    reader = LedgerReader(ledger.home)
    assert reader.totals(Filter(where={"user": value})).calls == 1
    assert len(reader.calls(Filter(where={"user": value}))) == 1
    assert reader.totals(Filter(where={"customer": value})).calls == 0


def test_pages_of_calls_join_without_a_gap_in_both_directions(ledger: TestLedger) -> None:
    ledger.append(*[done(NOON + number) for number in range(25)])
    reader = LedgerReader(ledger.home)
    newest_first: list[int] = []
    before = None
    while page := reader.calls(Filter(), 7, before_seq=before):
        newest_first += [row.seq for row in page]
        before = page[-1].seq
    assert newest_first == list(range(25, 0, -1))
    assert [row.seq for row in reader.calls(Filter(), 3, after_seq=20)] == [21, 22, 23]
    assert [row.seq for row in reader.export(Filter())] == list(range(1, 26))


def test_a_call_is_found_by_its_id_or_a_unique_beginning(ledger: TestLedger) -> None:
    ledger.append(
        done(event_id=bytes.fromhex("0193" + "ab" * 14)), done(event_id=bytes.fromhex("0193" + "cd" * 14))
    )
    reader = LedgerReader(ledger.home)
    assert reader.call("0193abab-abab").seq == 1
    assert reader.call("0193C").seq == 2
    assert reader.call("0193" + "cd" * 14).seq == 2
    for wrong in ("0193", "0194", "", "xyz", "0193ab' --", "0" * 33):
        with pytest.raises(CallNotFoundError):
            reader.call(wrong)


def test_values_beyond_the_limit_of_a_day_are_counted_together(home: Home) -> None:
    ledger = TestLedger(home, values_per_day_max=3)
    named = [done(NOON + number, attribution={"user": f"u{number % 6}"}) for number in range(12)]
    for start in range(0, 12, 5):
        ledger.append(*named[start : start + 5])
    next_day = done(NOON + DAY, attribution={"user": "u5"})
    ledger.append(next_day)
    reader = LedgerReader(home)
    groups = {group.keys["user"]: group.measures.calls for group in reader.breakdown(Filter(), ["user"])}
    assert groups == {"u0": 2, "u1": 2, "u2": 2, OTHER: 6, "u5": 1}
    assert reader.totals(Filter()).calls == 13
    for user, calls in (("u1", 2), ("u4", 2), ("u5", 3), ("nobody", 0)):
        assert reader.totals(Filter(where={"user": user})).calls == calls, "a value without sums is counted"
        by_model = reader.breakdown(Filter(where={"user": user}), ["user"])
        assert [group.measures.calls for group in by_model] == [calls] * bool(calls)
    assert sum(point.measures.calls for point in reader.series(Filter(where={"user": "u5"}), 86_400)) == 3
    rows = reader.calls(Filter(where={"user": "u4"}))
    assert [row.attribution["user"] for row in rows] == ["u4", "u4"], "the rows keep the truth"
    ledger.connection.close()


@pytest.mark.parametrize("settled", [True, False])
def test_a_model_beyond_the_limit_of_a_day_is_counted_when_asked_for(home: Home, settled: bool) -> None:
    ledger = TestLedger(home, values_per_day_max=3)
    ledger.append(*[done(NOON + number, model=f"m{number % 6}") for number in range(12)])
    if settled:
        ledger.settle()
    reader = LedgerReader(home)
    for model, calls in (("m0", 2), ("m5", 2), ("m0,m5", 4), ("m9", 0)):
        assert reader.totals(Filter(where={"model": model})).calls == calls
        assert reader.totals(Filter(where={"model": model, "key": "k1"})).calls == calls
        assert (
            sum(point.measures.calls for point in reader.series(Filter(where={"model": model}), 3_600))
            == calls
        )
    assert verify(home).ok
    ledger.connection.execute("DELETE FROM overflow")
    assert [problem.what for problem in verify(home).problems] == ["sums"] * 2
    ledger.connection.close()


def test_threads_share_a_reader_while_the_writer_writes(ledger: TestLedger) -> None:
    import threading

    ledger.append(*[done(NOON + number) for number in range(50)])
    reader = LedgerReader(ledger.home)
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(30):
                totals = reader.totals(Filter())
                by_model = reader.breakdown(Filter(), ["model"])
                assert totals.calls >= 50 and by_model[0].measures.calls >= 50
                assert totals.cost_pico == totals.calls * 37_500_000
        except BaseException as error:
            failures.append(error)
        finally:
            reader.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(30):
        ledger.append(done(NOON + HOUR + number))
    for thread in threads:
        thread.join()
    assert not failures
    assert reader.totals(Filter()).calls == 80


@pytest.mark.parametrize(
    "wanted", [["Doe, John"], "Doe\\, John", ["Doe, John", "nobody"], "nobody,Doe\\, John"]
)
def test_a_value_with_a_comma_can_be_asked_for(ledger: TestLedger, wanted: str | list[str]) -> None:
    ledger.append(*(done(attribution={"user": user}) for user in ("Doe, John", "Doe", " John")))
    reader = LedgerReader(ledger.home)
    (row,) = reader.calls(Filter(where={"user": wanted}))
    assert row.attribution == {"user": "Doe, John"}
    assert reader.totals(Filter(where={"user": wanted})).calls == 1
    assert reader.totals(Filter(where={"user": "Doe, John"})).calls == 2
