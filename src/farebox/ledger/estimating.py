"""Say what a call without usage may have used, between which bounds, and by what right.

The best there is counts: tokens counted by the model's own vocabulary, then what the ledger's own measured
calls of the same model used per byte, then characters, then bytes. An estimate is a correction beside the
call, so that the real count can take its place. What a provider stated, a nought included, stands.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from farebox.estimating.rules import Range, divided, rules
from farebox.journal import records
from farebox.journal.records import Done, Estimate
from farebox.ledger.blocks import Details
from farebox.ledger.corrections import ESTIMATE, Bounds, Change
from farebox.ledger.database import Connection
from farebox.ledger.entries import COLUMN, COLUMNS, Values, money_of, rating_of, token_totals
from farebox.ledger.rerating import Rerating
from farebox.ledger.tables import ALL
from farebox.wire.facts import ENCODED, OUTPUT_LEAVES, Extraction, Part

CALIBRATED_MIN, _CALIBRATED_MAX = 20, 200
"""How many measured calls of a model are enough, and how many are looked at."""
_LOOKED_AT_MAX = 2_000
_REMEMBERED_SEQS = 5_000
_SCALE = 1_000_000

_DONE, _USAGE, _COMPLETENESS = COLUMN["done"], len(COLUMNS), COLUMN["completeness"]
_MEASURED_CALLS = (
    "SELECT seq FROM call_whole WHERE seq BETWEEN ? AND ? AND provider = ? AND model = ? AND surface = ? "
    "AND completeness = 'final' AND billable = 1 ORDER BY seq DESC LIMIT ?"
)
_SPANS = (
    "SELECT first_seq, last_seq FROM hour_cell WHERE hour IN "
    "(SELECT hour FROM hour_value WHERE dimension = ? AND value = '' ORDER BY hour DESC LIMIT 48) "
    "AND cell IN (SELECT id FROM cell WHERE provider = ? AND model = ?) ORDER BY hour DESC"
)
_RANK = {"tokenizer": 4, "calibrated": 3, "text": 2, "default": 1}

encode = msgspec.msgpack.Encoder().encode
_decode_usage = msgspec.msgpack.Decoder(Extraction).decode


class _Ratio(NamedTuple):
    """Tokens per million bytes of one side: the lowest, the middle and the highest tenth's edge."""

    low: int
    guess: int
    high: int

    def of(self, count: int) -> Range:
        return (self.low * count // _SCALE, self.guess * count // _SCALE, -(-self.high * count // _SCALE))


class _Calibration(NamedTuple):
    calls: int
    input: _Ratio | None
    output: _Ratio | None


def is_wanted(done: Done, *, billable: bool) -> bool:
    """Tell whether a call's tokens are charged and not known, and an answer had begun."""
    return billable and bool(done.extraction.lacks) and 200 <= done.status < 300


class Estimating:
    """Makes estimates for calls of one ledger; remembers how it is calibrated."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._calibrations: dict[tuple[str, str, str, bool], tuple[int, _Calibration | None]] = {}

    def forget(self) -> None:
        """Look again."""
        self._calibrations.clear()

    def by_bytes(self, call: Values, rerating: Rerating) -> Change | None:
        """Estimate a call from how many bytes passed."""
        done = records.decode_done(call[_DONE])
        extraction = done.extraction
        model = extraction.response_model or extraction.request_model
        calibration = self._calibration(call[0], done, model) if model else None
        method = f"calibrated:{calibration.calls}" if calibration is not None else "default:bytes"
        ratios = (calibration.input, calibration.output) if calibration is not None else (None, None)
        found = Estimate(
            event_id=done.event_id,
            source=done.source,
            at_ns=0,
            method=method,
            input=_side(done, "input", done.request_bytes, ratios[0]),
            output=_side(done, "output", done.response_bytes, ratios[1]),
        )
        return self.change(call, found, rerating)

    def change(self, call: Values, found: Estimate, rerating: Rerating) -> Change | None:
        """Return the correction that an estimate makes of a call, None where what stands is better."""
        done = records.decode_done(call[_DONE])
        if not is_wanted(done, billable=bool(call[COLUMN["billable"]])) or call[_COMPLETENESS] == "final":
            return None
        if call[_USAGE] is not None and _rank(found.method) <= _rank(_method(call[_USAGE])):
            return None
        if rerating.is_sealed(call):
            return None
        extraction = done.extraction
        ranges = _ranges(extraction, found)
        if ranges is None:
            return None
        low, guess, high = (_with(extraction, ranges, at) for at in range(3))
        open_input, open_output = (side[2] is None for side in ranges)
        rated = rerating.rate_parts(call, guess.parts, "estimated")
        money = money_of(rated, billable=True)
        ends = [
            money_of(rerating.rate_bound(call, each.parts), billable=True).cost_pico for each in (low, high)
        ]
        lows, highs = token_totals(low.parts), token_totals(high.parts)
        bounds = Bounds(
            found.method,
            lows[0],
            None if open_input else highs[0],
            lows[3],
            None if open_output else highs[3],
            ends[0],
            None if open_input or open_output else ends[1],
        )
        usage = msgspec.structs.replace(
            guess, completeness="estimated", flags=(*extraction.flags, f"estimated:{found.method}")
        )
        replaced = (
            "estimated",
            money.cost_state,
            money.cost_pico,
            money.charge_pico,
            *token_totals(guess.parts),
        )
        because = f"{extraction.reason or 'no usage'}: {found.method}"
        return Change(
            call, replaced, encode(usage), rating_of(rated, money, None, ()), ESTIMATE, because, bounds=bounds
        )

    # -- how many tokens a byte was in calls that state both --

    def _calibration(self, seq: int, done: Done, model: str) -> _Calibration | None:
        key = (done.provider, model, done.surface, done.extraction.streamed)
        known = self._calibrations.get(key)
        if known is not None and seq - known[0] < _REMEMBERED_SEQS:
            return known[1]
        found = self._calibrate(*key)
        if len(self._calibrations) > 1_000:
            self._calibrations.clear()
        self._calibrations[key] = (seq, found)
        return found

    def _calibrate(self, provider: str, model: str, surface: str, streamed: bool) -> _Calibration | None:
        inputs: list[int] = []
        outputs: list[int] = []
        seen, details = 0, Details(self._connection)
        spans = self._connection.execute(_SPANS, (ALL, provider, model)).fetchall()
        for first, last in spans:
            parameters = (first, last, provider, model, surface, _CALIBRATED_MAX)
            for (seq,) in self._connection.execute(_MEASURED_CALLS, parameters).fetchall():
                done = records.decode_done(details.of(seq)[0])
                extraction = done.extraction
                seen += 1
                if extraction.streamed != streamed or len(extraction.parts) != 1:
                    continue
                (part,) = extraction.parts
                if done.request_bytes and part.input_tokens:
                    inputs.append(part.input_tokens * _SCALE // done.request_bytes)
                if done.response_bytes and part.output_tokens:
                    outputs.append(part.output_tokens * _SCALE // done.response_bytes)
            if len(inputs) >= _CALIBRATED_MAX or seen >= _LOOKED_AT_MAX:
                break
        calls = max(len(inputs), len(outputs))
        if calls < CALIBRATED_MIN:
            return None
        return _Calibration(calls, _ratio(inputs), _ratio(outputs))


def _side(done: Done, side: str, count: int, ratio: _Ratio | None) -> Range | None:
    """Return the tokens of so many bytes: by the model's own calls, else by recorded traffic."""
    rule = rules().of_bytes(done.surface, side, streamed=done.extraction.streamed)
    if f"{side}_{ENCODED}" in done.extraction.flags:
        # How long the text was is not known: only that it was not shorter by much.
        return (0, divided(count, rule.at)[1], None) if rule is not None else None
    if ratio is not None:
        return ratio.of(count)
    return divided(count, rule.at) if rule is not None else None


def _ratio(found: list[int]) -> _Ratio | None:
    if len(found) < CALIBRATED_MIN:
        return None
    found.sort()
    last = len(found) - 1
    return _Ratio(found[last // 20], found[last // 2], found[last - last // 20])


def _rank(method: str) -> int:
    return _RANK.get(method.partition(":")[0], 0)


def _method(usage: bytes) -> str:
    """Return how the usage that counts was estimated; a measured one is better than all."""
    extraction = _decode_usage(usage)
    if extraction.completeness != "estimated":
        return "tokenizer:"
    named = [flag for flag in extraction.flags if flag.startswith("estimated:")]
    return named[-1].partition(":")[2] if named else ""


_NOTHING: Range = (0, 0, 0)


def _ranges(extraction: Extraction, found: Estimate) -> tuple[Range, Range] | None:
    """Return what is to be added on each side; None where nothing is known of one that lacks."""
    asked = answered = _NOTHING
    if "input" in extraction.lacks:
        if found.input is None:
            return None
        asked = found.input
    if "output" in extraction.lacks or "more_output" in extraction.lacks:
        if found.output is None:
            return None
        answered = found.output
        if "more_output" in extraction.lacks:
            seen = sum(part.output_tokens for part in extraction.parts)
            most = answered[2]
            answered = (0, max(answered[1] - seen, 0), None if most is None else max(most - seen, 0))
    if extraction.reason in _MAYBE_NOTHING:
        asked, answered = (0, *asked[1:]), (0, *answered[1:])
    return asked, answered


_MAYBE_NOTHING = frozenset(("error_in_stream",))
"""Ends for which a provider may charge nothing at all."""


def _end(ends: Range, at: int) -> int:
    found = ends[at]
    return ends[1] if found is None else found


def _with(extraction: Extraction, ranges: tuple[Range, Range], at: int) -> Extraction:
    """Return an extraction with one end of the ranges added to its first part."""
    first: Part = extraction.parts[0]
    quantities = dict(first.quantities)
    if "input" in extraction.lacks:
        quantities["input_uncached"] = quantities.get("input_uncached", 0) + _end(ranges[0], at)
    if len(extraction.lacks) > 1 or extraction.lacks != ("input",):
        leaf = next((leaf for leaf in OUTPUT_LEAVES if leaf in quantities), "output_text")
        quantities[leaf] = quantities.get(leaf, 0) + _end(ranges[1], at)
    part = msgspec.structs.replace(first, quantities=quantities)
    return msgspec.structs.replace(extraction, parts=(part, *extraction.parts[1:]))
