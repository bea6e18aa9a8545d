from __future__ import annotations

import random

import pytest

from farebox.ledger.measures import MEASURES, unpack


@pytest.mark.parametrize("seed", range(20))
def test_any_signed_amounts_come_back_out_of_their_lanes(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(2_000):
        amounts = [
            chance.choice([0, 0, 1, -1, chance.randint(-(10**6), 10**6), chance.randint(-(2**62), 2**62)])
            for _ in MEASURES
        ]
        total = sum(amount << 64 * lane for lane, amount in enumerate(amounts))
        assert list(unpack(total)) == amounts


def test_a_lane_that_becomes_nothing_beside_a_negative_one_is_nothing() -> None:
    amounts = [1, 0, 0, 0, 5, 0, -10_000, 0, 100, 0, 0, 7, 0]
    assert list(unpack(sum(amount << 64 * lane for lane, amount in enumerate(amounts)))) == amounts
