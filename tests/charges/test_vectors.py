"""Billing test vectors through the engine: all pass, and one that is wrong or not understood fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tools.vectors.run import problem, run

ROOT = Path(__file__).resolve().parents[2]

GRADUATED: dict[str, Any] = {
    "id": "own-1",
    "charge_model": "graduated",
    "parameters": {
        "tiers": [
            {"up_to": "3", "unit_amount": "0.5", "flat_amount": "1"},
            {"up_to": None, "unit_amount": "0.25"},
        ]
    },
    "usage": {"quantity": "5"},
    "expected_amount": "3",
    "currency": "EUR",
}


@pytest.fixture
def vectors() -> Path:
    folder = Path(os.environ.get("FAREBOX_FIXTURES", ROOT.parent / "shared" / "fixtures"))
    path = folder / "billing_vectors.json"
    if not path.is_file():
        pytest.skip(f"no vectors at {path}: set FAREBOX_FIXTURES")
    return path


def test_all_vectors_pass_through_the_engine(vectors: Path) -> None:
    checked, failures = run(vectors)
    assert failures == []
    assert checked > 200


def test_every_vector_with_another_expectation_fails(vectors: Path) -> None:
    for fields in json.loads(vectors.read_text())["vectors"]:
        if fields["expected_amount"] is not None:
            wrong = {**fields, "expected_amount": fields["expected_amount"] + "1"}
            if "." not in fields["expected_amount"]:
                wrong["expected_amount"] = fields["expected_amount"] + ".01"
        else:
            wrong = {**fields, "expected_detail": {**fields["expected_detail"], "more": "1"}}
        assert problem(fields) is None, fields["id"]
        assert problem(wrong) is not None, fields["id"]


@pytest.mark.parametrize(
    "change",
    [
        {"charge_model": "barter"},
        {"parameters": {**GRADUATED["parameters"], "haggling": "1"}},
        {"usage": {"quantity": "5", "mood": "good"}},
        {"usage": {"quantity": "a few"}},
        {
            "charge_model": "bucketed",
            "parameters": {"inner_model": "graduated", "inner_parameters": {"tiers": [], "haggling": "1"}},
        },
        {
            "charge_model": "token_cost",
            "parameters": {"prices_per_million": {"input": "1"}, "input_includes": ["cache_read_tokens"]},
            "usage": {"input_tokens": "1", "cache_read_tokens": "2"},
        },
    ],
)
def test_what_is_not_understood_fails_instead_of_being_ignored(change: dict[str, Any]) -> None:
    assert problem(GRADUATED) is None
    assert "not understood" in (problem({**GRADUATED, **change}) or "")


def test_the_command_says_what_failed_and_ends_with_1(tmp_path: Path) -> None:
    wrong = {**GRADUATED, "id": "own-2", "expected_amount": "3.01"}
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps({"vectors": [GRADUATED, wrong]}))
    command = [sys.executable, "-m", "tools.vectors", str(path)]
    table = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert table.returncode == 1
    assert "own-2  amount 3, expected 3.01" in table.stdout
    machine = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert machine.returncode == 1
    assert json.loads(machine.stdout) == {"pass": 1, "of": 2, "failed": ["own-2"]}
    path.write_text(json.dumps({"vectors": [GRADUATED]}))
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


TIERS = [{"up_to": "100", "unit_amount": "2"}, {"up_to": None, "unit_amount": "1"}]
PACKAGES = {"package_size": "10", "package_amount": "3"}
FLAT_TIERS = [
    {"up_to": "5", "unit_amount": "0", "flat_amount": "1"},
    {"up_to": None, "unit_amount": "0", "flat_amount": "10"},
]
ONE_FLAT = [{"up_to": None, "unit_amount": "1", "flat_amount": "7"}]
PACKAGE_TIERS = [
    {"up_to": "10", "unit_amount": "1", "package_size": "4"},
    {"up_to": None, "unit_amount": "0.1"},
]
PERCENTAGES = [
    {"up_to": "10", "rate_percent": "10"},
    {"up_to": None, "rate_percent": "1", "flat_amount": "5"},
]
HALF_EVEN = {"scale": 2, "mode": "half_even"}
BLOCKS = {"tiers": TIERS, "free_units": "50", "block_size": "10"}


@pytest.mark.parametrize(
    ("kind", "parameters", "usage", "expected"),
    [
        # 2,950 less 50 are 290 blocks of 10, all in the second tier; 950 are 95, all in the first.
        ("volume", BLOCKS, {"quantity": "2950"}, "290"),
        ("volume", BLOCKS, {"quantity": "1950", "previous_quantity": "1000"}, "100"),
        ("package", PACKAGES, {"quantity": "-11"}, "0"),
        ("package", {**PACKAGES, "negative_usage": "price_abs_then_negate"}, {"quantity": "-11"}, "-6"),
        ("package", PACKAGES, {"quantity": "-11", "previous_quantity": "25"}, "-3"),
        ("package", {**PACKAGES, "cap_amount": "5", "base_fee": "1"}, {"quantity": "30"}, "6"),
        (
            "cost_plus",
            {"markup_percent": "10", "fixed_amount": "1"},
            {"cost": "5", "previous_quantity": "3"},
            "5.5",
        ),
        (
            "cost_plus",
            {"unit_costs": {"tokens": "2"}, "fixed_amount": "1"},
            {"tokens": {"tokens": "4"}, "previous_quantity": "3"},
            "8",
        ),
        ("cost_plus", {"margin_percent": "70"}, {"cost": "1"}, "3.333333333333"),
        ("graduated", {"tiers": PACKAGE_TIERS}, {"quantity": "20"}, "4"),
        ("graduated", {"tiers": FLAT_TIERS}, {"quantity": "5"}, "1"),
        ("graduated", {"tiers": FLAT_TIERS, "boundary": "lower_inclusive"}, {"quantity": "5"}, "11"),
        ("graduated", {"tiers": ONE_FLAT}, {"quantity": "0"}, "7"),
        ("graduated", {"tiers": ONE_FLAT, "bill_first_flat_at_zero": False}, {"quantity": "0"}, "0"),
        ("graduated", {"tiers": ONE_FLAT}, {"quantity": "4", "previous_quantity": "0"}, "4"),
        ("standard", {"unit_amount": "0.015", "rounding": HALF_EVEN}, {"quantity": "3"}, "0.04"),
        ("standard", {"unit_amount": "2", "billing_units": "100"}, {"quantity": "101"}, "4"),
        ("graduated_percentage", {"tiers": PERCENTAGES}, {"quantity": "110"}, "7"),
        (
            "bucketed",
            {"inner_model": "volume", "inner_parameters": {"tiers": TIERS, "free_units": "10"}},
            {"bucket_quantities": ["110", "111", "5"]},
            "301",
        ),
        (
            "min_commit",
            {
                "minimum_amount": "100",
                "percent_discount": "50",
                "inner_model": "percentage",
                "inner_parameters": {"rate_percent": "10"},
                "return": "true_up",
            },
            {"event_amounts": ["400", "600"]},
            "50",
        ),
        # 5 and 7 in the two buckets that go on, 3 in an earlier one: only what is added counts.
        (
            "bucketed",
            {"inner_model": "package", "inner_parameters": PACKAGES},
            {"bucket_quantities": ["5", "7"], "previous_quantity": ["5", "9"]},
            "3",
        ),
        (
            "bucketed",
            {"inner_model": "package", "inner_parameters": PACKAGES},
            {"bucket_quantities": ["5", "17"], "previous_quantity": "25"},
            "9",
        ),
        (
            "bucketed",
            {"inner_model": "volume", "inner_parameters": {"tiers": TIERS}, "free_units": "10"},
            {"bucket_quantities": ["110", "111", "5"]},
            "301",
        ),
        (
            "bucketed",
            {
                "inner_model": "package",
                "inner_parameters": {**PACKAGES, "cap_amount": "5", "base_fee": "1"},
                "cap_amount": "10",
                "base_fee": "2",
            },
            {"bucket_quantities": ["25", "1"]},
            "12",
        ),
        (
            "package",
            {"meters": {"a": PACKAGES, "b": {**PACKAGES, "base_fee": "1"}}},
            {"quantities": {"a": "5", "b": "5"}, "previous_quantity": {"a": "10", "b": "1"}},
            "4",
        ),
        ("package", {"meters": {"a": PACKAGES}, "cap_amount": "5"}, {"quantities": {"a": "30"}}, "5"),
        (
            "cost_plus",
            {"unit_costs": {"tokens": "2"}, "free_units": "10", "markup_percent": "50"},
            {"tokens": {"tokens": "5"}, "previous_quantity": "7"},
            "6",
        ),
        # 3,500 are 3.5 thousands, 2 credits each; of 7 credits 1 is free, and 6 are two blocks of 4.
        (
            "credit_conversion",
            {
                "credits_per_unit": {"a": "2", "b": "1"},
                "unit_conversion": {"operation": "divide", "factor": "1000"},
                "usage_discount": "1",
                "block_size": "4",
                "credit_price": "0.5",
            },
            {"quantities": {"a": "3500"}},
            "1",
        ),
        (
            "percentage",
            {"rate_percent": "10", "fixed_amount_per_event": "1", "free_units": "120"},
            {"event_amounts": ["100", "50"]},
            "5",
        ),
        ("percentage", {"rate_percent": "10"}, {"event_amounts": ["30"], "previous_quantity": "50"}, "3"),
        ("standard", {"unit_amount": "1", "free_units": "2", "usage_discount": "3"}, {"quantity": "9"}, "4"),
        (
            "commit_overage",
            {"commitment_amount": "10", "overage_factor": "2", "inner_model": "package"}
            | {"inner_parameters": PACKAGES, "free_units": "10"},
            {"window_quantities": ["20", "60"]},
            "23",
        ),
        (
            "token_cost",
            {
                "prices_per_million": {"input": "1", "cache_read": "0.1"},
                "input_includes": ["cache_read_tokens"],
            },
            {"input_tokens": "1000000", "cache_read_tokens": "400000"},
            "0.64",
        ),
        ("max_spend", {"maximum_amount": "10"}, {"rated_amount": "4", "previously_billed": "12"}, "0"),
    ],
)
def test_documented_parameters_combine(
    kind: str, parameters: dict[str, Any], usage: dict[str, Any], expected: str
) -> None:
    fields = {
        "id": kind,
        "charge_model": kind,
        "parameters": parameters,
        "usage": usage,
        "expected_amount": expected,
        "currency": "USD",
    }
    assert problem(fields) is None
