"""FOCUS 1.3: every mandatory column, its type and nullability; sums are the record's, to the pico."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import sys
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from calls import DAY, NOON, TestLedger, done, sums_of

from farebox.analytics.local import LocalAsker
from farebox.analytics.parquet import ParquetProcess
from farebox.analytics.questions import Questions, Selection
from farebox.cli.reports.focus_export import write_focus_csv
from farebox.exports.focus import COLUMNS, PARQUET, focus_rows
from farebox.home import Home

# https://focus.finops.org/focus-specification/v1-3/, "Cost and Usage": type, and whether null is allowed.
MANDATORY = {
    "BilledCost": ("decimal", False),
    "BillingAccountId": ("text", False),
    "BillingAccountName": ("text", True),
    "BillingCurrency": ("text", False),
    "BillingPeriodEnd": ("moment", False),
    "BillingPeriodStart": ("moment", False),
    "ChargeCategory": ("text", False),
    "ChargeClass": ("text", True),
    "ChargeDescription": ("text", True),
    "ChargePeriodEnd": ("moment", False),
    "ChargePeriodStart": ("moment", False),
    "ContractedCost": ("decimal", False),
    "EffectiveCost": ("decimal", False),
    "HostProviderName": ("text", False),
    "InvoiceIssuerName": ("text", False),
    "ListCost": ("decimal", False),
    "PricingQuantity": ("decimal", True),
    "PricingUnit": ("text", True),
    "ProviderName": ("text", False),
    "PublisherName": ("text", False),
    "ServiceCategory": ("text", False),
    "ServiceName": ("text", False),
    "ServiceProviderName": ("text", False),
}
FORMS = {
    "decimal": re.compile(r"-?\d+(\.\d{1,12})?"),
    "moment": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "text": re.compile(r"\S.*"),
}

Row = dict[str, str | None]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    ledger = TestLedger(home)
    for day in range(3):
        ledger.append(
            done(NOON + day * DAY, attribution={"customer": "acme"}, input_tokens=10**9 + 1),
            done(
                NOON + day * DAY + 1,
                attribution={"customer": "=beta"},
                model="claude-x",
                provider="anthropic",
            ),
            done(NOON + day * DAY + 2, model="unheard-of"),
        )
    ledger.connection.close()
    return home


@pytest.fixture
def rows(home: Home) -> Iterator[list[Row]]:
    with Questions(LocalAsker(home)) as questions:
        yield list(focus_rows(questions, Selection()))


def test_the_columns_are_the_specifications(rows: list[Row]) -> None:
    said = {each.name: each for each in COLUMNS}
    for name, (kind, nullable) in MANDATORY.items():
        assert (said[name].kind, said[name].nullable, said[name].mandatory) == (kind, nullable, True), name
    assert {each.name for each in COLUMNS if each.mandatory} == set(MANDATORY)
    focus = [each.name for each in COLUMNS if not each.name.startswith("x_")]
    assert focus == sorted(focus) and [each.name for each in COLUMNS][: len(focus)] == focus
    assert set(PARQUET) == set(said)
    for row in rows:
        assert list(row) == [each.name for each in COLUMNS] or set(row) == set(said)
        for each in COLUMNS:
            value = row[each.name]
            assert each.nullable if value is None else FORMS[each.kind].fullmatch(value), (each.name, value)
        assert (row["ChargeCategory"], row["BillingCurrency"]) == ("Usage", "USD")
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["ChargePeriodEnd"]  # type: ignore[operator]
        assert row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]  # type: ignore[operator]


def test_sums_are_the_records(home: Home, rows: list[Row]) -> None:
    ours = sums_of(home)
    assert sum(Decimal(row["BilledCost"] or 0) for row in rows) == Decimal(ours.cost_pico).scaleb(-12)
    assert sum(int(row["x_Calls"] or 0) for row in rows) == ours.calls
    assert sum(int(row["x_UnpricedCalls"] or 0) for row in rows) == ours.unpriced_calls == 3
    tokens = sum(int(row["ConsumedQuantity"] or 0) for row in rows if row["SkuMeter"] == "Input Tokens")
    assert tokens == ours.input_tokens
    assert {row["SubAccountId"] for row in rows} == {"acme", "=beta", None}


def test_as_csv_no_customer_is_a_formula(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    write_focus_csv(rows)
    read = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert {each["SubAccountId"] for each in read} == {"acme", "'=beta", ""}
    assert [each["BilledCost"] for each in read] == [row["BilledCost"] for row in rows]


def test_as_parquet_costs_are_decimals_and_every_digit_is_there(rows: list[Row], tmp_path: Path) -> None:
    async def written() -> bytes:
        async def lines() -> AsyncIterator[bytes]:
            for row in rows:
                yield msgspec.json.encode(row) + b"\n"

        return b"".join([piece async for piece in ParquetProcess(PARQUET).stream(lines())])

    file = tmp_path / "costs.parquet"
    file.write_bytes(asyncio.run(written()))
    import duckdb

    asked = "SELECT sum(BilledCost), typeof(any_value(BilledCost)), count(*) FROM read_parquet(?)"
    found = duckdb.connect().execute(asked, [str(file)]).fetchone()
    assert found is not None
    assert (found[0], found[2]) == (sum(Decimal(row["BilledCost"] or 0) for row in rows), len(rows))
    assert found[1] == "DECIMAL(38,12)"
