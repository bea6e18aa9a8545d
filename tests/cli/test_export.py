"""The export is a contract: its schema is documented, its CSV harmless, its decimals exact."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from farebox.cli.reports.export import cell, csv_columns, write_csv, write_jsonl
from farebox.ledger.call_row import EXPORT_SCHEMA, CallRow, PartRow
from farebox.pricing.facts import CostLine
from farebox.spreadsheets import inert

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "export.md"

LINE = CostLine(
    unit="audio_seconds",
    quantity=Decimal("12.50"),
    list_unit_price_usd=Decimal("0.000000015"),
    amount_pico=187_500,
    price_id="openai/whisper/ever#audio_seconds",
    price_source="genai-prices",
)
PART = PartRow(
    kind="main",
    provider="openai",
    request_model="whisper-1",
    response_model=None,
    quantities={"audio_seconds": Decimal("12.50")},
    facts={},
    cost_state="priced",
    cost_reason=None,
    list_cost_pico=187_500,
    cost_pico=187_500,
    charge_pico=187_500,
    markup=None,
    provider_cost_usd=None,
    priced_model="whisper-1",
    snapshot="abc",
    lines=[LINE],
)


def call(**changes: object) -> CallRow:
    values: dict[str, object] = {
        "seq": 1,
        "event_id": "0192f3c1-a2b4-7c5d-8e6f-000000000001",
        "source": "proxy:w1",
        "witness": "proxy",
        "occurred_at": "2026-11-21T10:00:00.000000Z",
        "recorded_at": "2026-11-21T10:00:01.000000Z",
        "provider": "openai",
        "surface": "openai.audio",
        "method": "POST",
        "path": "/v1/audio/transcriptions",
        "host": "api.openai.com",
        "request_model": "whisper-1",
        "response_model": None,
        "response_id": None,
        "status": 200,
        "outcome": "completed",
        "error_class": None,
        "error_code": None,
        "streamed": False,
        "billable": True,
        "not_billable_because": None,
        "completeness": "final",
        "completeness_reason": None,
        "input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "output_tokens": 0,
        "reasoning_output_tokens": 0,
        "quantities": {"audio_seconds": Decimal("12.50")},
        "cost_state": "priced",
        "list_cost_pico": 187_500,
        "cost_pico": 187_500,
        "cost_usd": "0.0000001875",
        "charge_pico": 187_500,
        "charge_usd": "0.0000001875",
        "price_ids": ["openai/whisper/ever#audio_seconds"],
        "price_sources": ["genai-prices"],
        "key_fingerprint": None,
        "attribution": {"app": "=cmd|' /C calc'!A0"},
        "attribution_from": {"app": "header:x-farebox-app"},
        "attempt": 0,
        "first_byte_us": 1,
        "total_us": 2,
        "added_us": 1,
        "request_bytes": 3,
        "response_bytes": 4,
        "flags": [],
        "parts": [PART],
        "raw_usage": '{"seconds":12.50}',
    }
    return CallRow(**{**values, **changes})  # type: ignore[arg-type]


def test_a_line_of_json_is_a_call_and_keeps_every_decimal() -> None:
    out = io.StringIO()
    write_jsonl(iter([call()]), out)
    row = json.loads(out.getvalue())
    assert row["schema"] == EXPORT_SCHEMA
    assert row["quantities"] == {"audio_seconds": "12.50"}
    assert row["parts"][0]["lines"][0]["list_unit_price_usd"] in ("0.000000015", "1.5E-8")
    assert row["cost_usd"] == "0.0000001875"


def test_csv_has_a_column_a_leaf_and_one_row_a_call() -> None:
    out = io.StringIO(newline="")
    write_csv(iter([call(), call(seq=2, cost_pico=None, cost_usd=None)]), out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    assert rows[0]["quantity_audio_seconds"] == "12.50"
    assert rows[0]["quantity_input_uncached"] == ""
    assert (rows[0]["cost_pico"], rows[1]["cost_pico"]) == ("187500", "")
    assert json.loads(rows[0]["attribution"])["app"].startswith("=cmd")
    assert list(rows[0]) == csv_columns()


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\rx", "  =1", "-1e5"])
def test_a_text_that_a_spreadsheet_would_run_is_made_harmless(text: str) -> None:
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize("text", ["gpt-4o", "", "-12", "+1.5", "a=b"])
def test_other_texts_and_numbers_stay_as_they_are(text: str) -> None:
    assert inert(text) == text


def test_cells_are_exact() -> None:
    assert [cell(value) for value in (None, True, 0, -3, Decimal("0.000000015"))] == [
        "", "true", "0", "-3", "0.000000015",
    ]  # fmt: skip


def test_every_field_of_the_schema_is_documented() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    assert EXPORT_SCHEMA in text
    for name in (*CallRow.__struct_fields__, *PartRow.__struct_fields__, *CostLine.__struct_fields__):
        assert f"| `{name}` |" in text, f"{name} is missing: make docs"
