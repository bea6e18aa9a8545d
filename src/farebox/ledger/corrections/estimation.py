"""Estimate what a call without usage may have used, with bounds and the method.

The best available method is used: tokens counted by the model's own vocabulary, then what the record's
own measured calls of the same model used per byte, then characters, then bytes. An estimate is a
correction, so that the real count can take its place. Counts that a provider stated are kept, zero included.
"""

from __future__ import annotations

import msgspec

from farebox.estimating.rules import Range, divided, rules
from farebox.journal.records import Done, Estimate
from farebox.ledger.append.entry import money_of, rating_of, token_totals
from farebox.ledger.call_store import MEASURED, StoredCall
from farebox.ledger.corrections.calibration import Calibrations, Ratio
from farebox.ledger.corrections.correction import ESTIMATE, WITNESS, Bounds, Change, Correction
from farebox.ledger.corrections.rerating import Rerating
from farebox.wire.facts import ENCODED, OUTPUT_LEAVES, Extraction, Part

_INPUT, _OUTPUT = MEASURED.index("input_tokens"), MEASURED.index("output_tokens")
_RANK = {"tokenizer": 4, "calibrated": 3, "text": 2, "default": 1}


def is_wanted(done: Done, *, billable: bool) -> bool:
    """Tell whether a call's tokens are charged and not known, and a response had begun."""
    return billable and bool(done.extraction.lacks) and 200 <= done.status < 300


class Estimation:
    """Makes estimates for calls of one record, by its calibration."""

    def __init__(self, calibrations: Calibrations) -> None:
        self._calibrations = calibrations

    def by_bytes(self, call: StoredCall, rerating: Rerating) -> Change | None:
        """Estimate a call from how many bytes passed."""
        return self.change(call, self._of_bytes(call.done), rerating)

    def least(self, done: Done, *, is_guess: bool) -> Extraction | None:
        """Return what an exchange used at the least by what is known of it; with `is_guess` the guess.

        None where nothing is known of a side that lacks.
        """
        ranges = _ranges(done.extraction, self._of_bytes(done))
        return None if ranges is None else _with(done.extraction, ranges, 1 if is_guess else 0)

    def _of_bytes(self, done: Done) -> Estimate:
        calibration = self._calibrations.of(done)
        method = f"calibrated:{calibration.calls}" if calibration is not None else "default:bytes"
        ratios = (calibration.input, calibration.output) if calibration is not None else (None, None)
        return Estimate(
            event_id=done.event_id,
            source=done.source,
            at_ns=0,
            method=method,
            input=_side(done, "input", done.request_bytes, ratios[0]),
            output=_side(done, "output", done.response_bytes, ratios[1]),
        )

    def change(self, call: StoredCall, found: Estimate, rerating: Rerating) -> Change | None:
        """Return the correction that an estimate makes to a call, None where its present figures are
        better."""
        if not is_wanted(call.done, billable=bool(call.billable)) or call.completeness == "final":
            return None
        before = call.correction
        # What another witness saw a part of is estimated like what the first one did.
        is_seen = before is not None and before.kind == WITNESS and call.completeness != "estimated"
        usage = None if before is None or is_seen else before.usage
        if usage is not None and _rank(found.method) <= _rank(_method(usage)):
            return None
        extraction = call.done.extraction
        ranges = _ranges(extraction, found)
        if ranges is None:
            return None
        guess = _with(extraction, ranges, 1)
        rated = rerating.rate_parts(call, guess.parts, "estimated")
        money = money_of(rated, billable=True)
        bounds = _bounds(call, found.method, ranges, rerating)
        estimated = msgspec.structs.replace(
            guess, completeness="estimated", flags=(*extraction.flags, f"estimated:{found.method}")
        )
        because = f"{extraction.reason or 'no usage'}: {found.method}"
        return Change(
            call,
            "estimated",
            money.cost_state,
            money.cost_pico,
            money.charge_pico,
            token_totals(guess.parts),
            rating_of(rated, money, None, ()),
            Correction(ESTIMATE, because, None, bounds, estimated),
        )


def rated_bounds(call: StoredCall, rerating: Rerating) -> Bounds | None:
    """Return the bounds of a call's estimate by other prices, None where it is not estimated."""
    before = None if call.correction is None else call.correction.bounds
    if before is None:
        return None
    stated, guessed = token_totals(call.done.extraction.parts), call.tokens
    sides = (
        (before.input_tokens_low, guessed[_INPUT], before.input_tokens_high, stated[_INPUT]),
        (before.output_tokens_low, guessed[_OUTPUT], before.output_tokens_high, stated[_OUTPUT]),
    )
    asked, answered = (
        (low - known, guess - known, None if high is None else high - known)
        for low, guess, high, known in sides
    )
    return _bounds(call, before.method, (asked, answered), rerating)


def _bounds(call: StoredCall, method: str, ranges: tuple[Range, Range], rerating: Rerating) -> Bounds:
    """Return the bounds in tokens and in money of what is to be added on each side."""
    low, high = (_with(call.done.extraction, ranges, at).parts for at in (0, 2))
    costs = [money_of(rerating.rate_bound(call, parts), billable=True).cost_pico for parts in (low, high)]
    lows, highs = token_totals(low), token_totals(high)
    open_input, open_output = (side[2] is None for side in ranges)
    return Bounds(
        method,
        lows[_INPUT],
        None if open_input else highs[_INPUT],
        lows[_OUTPUT],
        None if open_output else highs[_OUTPUT],
        costs[0],
        None if open_input or open_output else costs[1],
    )


def _side(done: Done, side: str, count: int, ratio: Ratio | None) -> Range | None:
    """Return the tokens of so many bytes: by the model's own calls, else by recorded traffic."""
    rule = rules().of_bytes(done.surface, side, streamed=done.extraction.streamed)
    if f"{side}_{ENCODED}" in done.extraction.flags:
        # How long the text was is not known: only that it was not shorter by much.
        return (0, divided(count, rule.at)[1], None) if rule is not None else None
    if ratio is not None:
        return ratio.of(count)
    return divided(count, rule.at) if rule is not None else None


def _rank(method: str) -> int:
    return _RANK.get(method.partition(":")[0], 0)


def _method(extraction: Extraction) -> str:
    """Return how the usage that counts was estimated; a measured one is better than all."""
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
"""Outcomes for which a provider may charge nothing at all."""


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
