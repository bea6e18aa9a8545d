"""Tokens per byte in a model's last measured calls, from which calls without usage are estimated."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from farebox.estimating.rules import Range
from farebox.journal.records import Done
from farebox.ledger.database import Connection

CALIBRATED_MIN, SAMPLES_MAX = 20, 200
"""How many measured calls of a model are enough, and how many are kept."""

_OBSERVED_MAX = 50
"""How many calls of a model are looked at in one transaction: after a backlog that is a part of them."""

_SCALE = 1_000_000
_WRITTEN_EVERY = 20
"""Samples between two writes: a crash loses few of them."""
_KEPT = 1_000

_Key = tuple[str, str, str, bool]
_encode = msgspec.msgpack.Encoder().encode


class Ratio(NamedTuple):
    """Tokens per million bytes of one side: the lowest, the middle and the highest tenth's edge."""

    low: int
    guess: int
    high: int

    def of(self, count: int) -> Range:
        return (self.low * count // _SCALE, self.guess * count // _SCALE, -(-self.high * count // _SCALE))


class Calibration(NamedTuple):
    """Tokens per byte on each side, None where there are too few measured calls."""

    calls: int
    input: Ratio | None
    output: Ratio | None


class _Samples(msgspec.Struct, array_like=True):
    """Tokens per million bytes, the newest last."""

    inputs: list[int] = []
    outputs: list[int] = []


_decode = msgspec.msgpack.Decoder(_Samples).decode


class Calibrations:
    """Samples by provider, model, surface and whether the response was streamed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[_Key, _Samples] = {}
        self._fresh: dict[_Key, int] = {}

    def forget(self) -> None:
        """Drop what is remembered: the transaction failed, or the file is asked anew."""
        self._known.clear()
        self._fresh.clear()

    def observe(self, done: Done, input_tokens: int, output_tokens: int) -> None:
        """Take in a call whose usage was stated."""
        extraction = done.extraction
        if extraction.completeness != "final" or len(extraction.parts) != 1:
            return
        key = _key_of(done)
        if key is None:
            return
        fresh = self._fresh.get(key, 0)
        if fresh >= _OBSERVED_MAX:
            return
        samples = self._samples(key)
        _add(samples.inputs, input_tokens, done.request_bytes)
        _add(samples.outputs, output_tokens, done.response_bytes)
        self._fresh[key] = fresh + 1

    def of(self, done: Done) -> Calibration | None:
        """Return the tokens per byte of the last measured calls like this one, None where there are too
        few."""
        key = _key_of(done)
        if key is None:
            return None
        samples = self._samples(key)
        calls = max(len(samples.inputs), len(samples.outputs))
        if calls < CALIBRATED_MIN:
            return None
        return Calibration(calls, _ratio(samples.inputs), _ratio(samples.outputs))

    def write(self) -> None:
        """Store the models with enough new samples, within the caller's transaction."""
        for key in [key for key, count in self._fresh.items() if count >= _WRITTEN_EVERY]:
            del self._fresh[key]
            self._connection.execute(
                "INSERT OR REPLACE INTO calibration VALUES (?, ?, ?, ?, ?)",
                (*key[:3], int(key[3]), _encode(self._known[key])),
            )
        if len(self._known) > _KEPT and not self._fresh:
            self._known.clear()

    def _samples(self, key: _Key) -> _Samples:
        known = self._known.get(key)
        if known is None:
            row = self._connection.execute(
                "SELECT samples FROM calibration "
                "WHERE provider = ? AND model = ? AND surface = ? AND streamed = ?",
                (*key[:3], int(key[3])),
            ).fetchone()
            known = self._known[key] = _decode(row[0]) if row else _Samples()
        return known


def _key_of(done: Done) -> _Key | None:
    extraction = done.extraction
    model = extraction.response_model or extraction.request_model
    return (done.provider, model, done.surface, extraction.streamed) if model else None


def _add(samples: list[int], tokens: int, count: int) -> None:
    if tokens and count:
        samples.append(tokens * _SCALE // count)
        if len(samples) > SAMPLES_MAX:
            del samples[0]


def _ratio(samples: list[int]) -> Ratio | None:
    if len(samples) < CALIBRATED_MIN:
        return None
    found = sorted(samples)
    last = len(found) - 1
    return Ratio(found[last // 20], found[last // 2], found[last - last // 20])
