"""The words that DuckDB has for what engines differ in, each run in a real one."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from farebox.analytics.dialects import Dialect
from farebox.analytics.dialects.duckdb import DuckDB

DIALECT: Dialect = DuckDB()


@pytest.fixture
def calls() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE calls (n BIGINT, tags MAP(VARCHAR, VARCHAR))")
    connection.execute(
        "INSERT INTO calls VALUES (9223372036854775807, map(['a'], ['x'])), "
        "(9223372036854775807, map(['a'], ['y'])), (1, map([], [])), (NULL, map(['b'], ['x']))"
    )
    yield connection
    connection.close()


def one(calls: duckdb.DuckDBPyConnection, expression: str, *parameters: object) -> object:
    row = calls.execute(f"SELECT {expression} FROM calls", list(parameters)).fetchone()  # noqa: S608
    assert row is not None
    return row[0]


def test_a_sum_goes_beyond_64_bits_and_is_a_whole_number(calls: duckdb.DuckDBPyConnection) -> None:
    total = one(calls, DIALECT.exact_sum("n", ""))
    assert (total, type(total)) == (2**64 - 1, int)
    assert one(calls, DIALECT.exact_sum("n", "n < 5")) == 1
    assert one(calls, DIALECT.exact_sum("n", "n < 0")) == 0


def test_a_tag_that_is_missing_is_null(calls: duckdb.DuckDBPyConnection) -> None:
    found = calls.execute(f"SELECT {DIALECT.tag('$1')} FROM calls", ["a"]).fetchall()  # noqa: S608
    assert found == [("x",), ("y",), (None,), (None,)]


def test_distinct_values_are_counted_without_null(calls: duckdb.DuckDBPyConnection) -> None:
    assert one(calls, DIALECT.distinct("n", "")) == 2
    assert one(calls, DIALECT.distinct("n", "n > 5")) == 1


@pytest.mark.parametrize(("fraction", "value"), [(0.5, 50), (0.95, 95), (0.99, 99)])
def test_a_percentile_is_a_value_that_was_there(fraction: float, value: int) -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE calls AS SELECT range + 1 AS n FROM range(100)")
    assert one(connection, DIALECT.percentile("n", [0.5, fraction], 1, "")) == value
    assert one(connection, DIALECT.percentile("n", [fraction], 0, "n > 1000")) is None
    connection.close()


def test_division_of_nanoseconds_is_exact(calls: duckdb.DuckDBPyConnection) -> None:
    moment = 1_764_000_000_000_000_001
    assert one(calls, DIALECT.floor_divided("$1::BIGINT", 10**9), moment) == moment // 10**9


def test_null_comes_last_and_groups_are_counted_whatever_the_limit(calls: duckdb.DuckDBPyConnection) -> None:
    for descending in (True, False):
        order = DIALECT.nulls_last("n", descending=descending)
        sql = f"SELECT n, {DIALECT.group_count()} FROM calls GROUP BY n ORDER BY {order}"  # noqa: S608
        assert calls.execute(sql).fetchall()[-1] == (None, 3)
        assert len(calls.execute(f"{sql} LIMIT 1").fetchall()) == 1
        assert calls.execute(f"{sql} LIMIT 1").fetchall()[0][1] == 3
