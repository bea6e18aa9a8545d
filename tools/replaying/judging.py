"""Compare what Farebox measured and charged with what the recordings hold to be right.

Rules only: nothing here knows an exchange by its id. Cost is judged where the provider stated the
money itself, or where genai-prices priced the same usage and nobody with better evidence disagrees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from farebox.money import pico_from_usd
from farebox.pricing.facts import RatedPart
from farebox.wire.facts import Part
from replaying.recordings import Recording

_GATEWAY_ESTIMATE = "gateway estimate"
_GENAI_CALLS = {"calls_web_search": "web_searches", "calls_file_search": "storage_searches"}


_SAME_COUNTS = {
    "input_tokens": "input_total",
    "output_tokens": "output_total",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
}
"""What genai-prices has to have read like everybody for its price to count."""

_OVERRULED_SINCE = {"deepseek": "2025-09"}
"""Providers whose genai-prices rows are known to be out of date from a month on."""


def measured(parts: Sequence[Part]) -> dict[str, Decimal | int]:
    """Return a row's parts in the words of `canonical_usage`."""

    def total(leaf: str) -> Decimal | int:
        return sum((part.quantities.get(leaf, 0) for part in parts), start=0)

    return {
        "input_total": sum(part.input_tokens for part in parts),
        "cache_read": sum(part.cache_read_input_tokens for part in parts),
        "cache_write": sum(part.cache_creation_input_tokens for part in parts),
        "output_total": sum(part.output_tokens for part in parts),
        "reasoning": sum(part.reasoning_output_tokens for part in parts),
        "search_units": total("search_units"),
        "input_audio": total("input_audio"),
        "audio_seconds": total("audio_seconds"),
    }


def usage_difference(recording: Recording, parts: Sequence[Part]) -> dict[str, Any]:
    """Return the fields that differ from canonical usage: name to (expected, measured)."""
    ours = measured(parts)
    return {
        name: (wanted, ours.get(name))
        for name, wanted in recording.canonical.items()
        if wanted != ours.get(name)
    }


def expected_cost_pico(recording: Recording) -> tuple[int, str] | None:
    """Return the amount the exchange cost and who says so; None where nobody reliable does."""
    expected = recording.expected
    if not recording.billable or recording.provenance == "response-fixture":
        return None  # responses edited by hand are no evidence of money
    stated = expected.get("provider_reported_cost_usd")
    field = str(expected.get("provider_reported_cost_field"))
    if stated == 0 and "ticks" in field:
        stated = None  # whoever hosts the model bills it, and leaves the maker's ticks at zero
    if stated is not None and _GATEWAY_ESTIMATE not in field:
        return pico_from_usd(Decimal(str(stated)) + _upstream_cost(expected)), "provider"
    price = (expected.get("genai_prices") or {}).get("price_at_recorded") or {}
    total = Decimal(str(price.get("total") or 0))
    if not total or _overruled(expected):
        return None  # a zero in the data means that it is not known
    litellm_too = (expected.get("litellm") or {}).get("price_now") is not None
    if expected.get("agree_usage") and (expected.get("agree_price") or not litellm_too):
        return pico_from_usd(total), "genai-prices"
    return None


def _upstream_cost(expected: dict[str, Any]) -> Decimal:
    """Return what the user's own key was charged beside a router's fee."""
    raw = (expected.get("raw_usage") or {}).get("usage") or {}
    if raw.get("is_byok") is not True:
        return Decimal(0)
    return Decimal(str((raw.get("cost_details") or {}).get("upstream_inference_cost") or 0))


def _overruled(expected: dict[str, Any]) -> bool:
    """Return whether better evidence contradicts genai-prices' figure.

    It priced other counts than the canonical ones, or a service tier whose price carries the date on
    which somebody noticed it instead of the one since which it holds.
    """
    genai = expected["genai_prices"]
    since = _OVERRULED_SINCE.get(str(genai.get("provider_id")))
    if since is not None and str(expected.get("recorded_at")) >= since:
        return True
    usage = genai.get("usage") or {}
    canonical = expected.get("canonical_usage") or {}
    if any(usage.get(theirs, 0) != canonical.get(ours, 0) for theirs, ours in _SAME_COUNTS.items()):
        return True
    tier = (genai.get("price_context") or {}).get("service_tier")
    if tier in (None, "default", "standard", "on_demand"):
        return False
    return genai.get("price_at_recorded") != genai.get("price_at_asof")


def cost_verdict(verdict: Verdict, rated: Sequence[RatedPart], row: dict[str, Any] | None) -> None:
    """Judge the cost at the recording's time, and that the row charges what its own lines say."""
    wanted = expected_cost_pico(verdict.recording)
    if wanted is None:
        return
    amount, source = wanted
    if source == "genai-prices":
        amount += _uncounted_fees(verdict.recording, rated)
    unpriced = not rated or any(part.cost_state in ("unpriced", "unknown") for part in rated)
    ours = None if unpriced else sum(part.cost_pico or 0 for part in rated)
    verdict.cost = (amount, ours)
    verdict.cost_source = source
    verdict.unpriced = unpriced
    if row is not None and source == "provider" and row.get("cost_pico") != amount:
        verdict.cost = (amount, row.get("cost_pico"))


def _uncounted_fees(recording: Recording, rated: Sequence[RatedPart]) -> int:
    """Return our fees for tool calls that genai-prices did not see, because usage does not hold them."""
    usage = recording.expected["genai_prices"].get("usage") or {}
    return sum(
        line.amount_pico or 0
        for part in rated
        for line in part.lines
        if line.unit.startswith("calls_") and _GENAI_CALLS.get(line.unit, line.unit) not in usage
    )


@dataclass
class Verdict:
    """What came of one exchange."""

    recording: Recording
    rows: int
    usage: dict[str, Any] | None = None
    """Differences; empty when exact, None when usage is not judged."""
    cost: tuple[int, int | None] | None = None
    """Expected and actual pico-dollars, None when cost is not judged."""
    cost_source: str = ""
    unpriced: bool = False
    via: str = "proxy"
    """What carried it: the proxy, or the meter fed directly."""
    billed: bool = True
    because: str | None = None
    """Why it is not billed."""
    charged: int | None = None
    response_id: str | None = None
    reason: str = ""


@dataclass
class Report:
    """All verdicts, in the shape `make replay JSON=1` prints."""

    verdicts: list[Verdict] = field(default_factory=list[Verdict])

    def summary(self) -> dict[str, Any]:
        usage = [verdict for verdict in self.verdicts if verdict.usage is not None]
        cost = [verdict for verdict in self.verdicts if verdict.cost is not None]
        surfaces: dict[str, dict[str, int]] = {}
        for verdict in usage:
            entry = surfaces.setdefault(verdict.recording.surface, {"usage": 0, "cost": 0, "of": 0})
            entry["of"] += 1
            entry["usage"] += not verdict.usage
            entry["cost"] += verdict.cost is not None and verdict.cost[0] == verdict.cost[1]
        return {
            "rows": {
                "expected": len(self.verdicts),
                "missing": sum(verdict.rows == 0 for verdict in self.verdicts),
                "duplicate": sum(max(verdict.rows - 1, 0) for verdict in self.verdicts),
            },
            "usage": {
                "exact": sum(not verdict.usage for verdict in usage),
                "of": len(usage),
                "wrong": sorted(verdict.recording.id for verdict in usage if verdict.usage),
            },
            "cost": {
                "exact": sum(_exact(verdict) for verdict in cost),
                "of": len(cost),
                "unpriced": sum(verdict.unpriced for verdict in cost),
                "wrong": sorted(verdict.recording.id for verdict in cost if not _exact(verdict)),
            },
            "not_billable": self._not_billable(),
            "via": dict(sorted(Counter(verdict.via for verdict in self.verdicts).items())),
            "surfaces": dict(sorted(surfaces.items())),
        }

    def _not_billable(self) -> dict[str, Any]:
        """Return how many exchanges that cost nothing are recorded so, and why."""
        judged = [verdict for verdict in self.verdicts if verdict.recording.not_billable]
        judged = [verdict for verdict in judged if not _is_result(verdict)]
        begun = {verdict.response_id for verdict in self.verdicts if verdict.because == "background_response"}
        # A poll that shows what began in the background is where that is billed.
        judged = [verdict for verdict in judged if not verdict.billed or verdict.response_id not in begun]
        free = [
            verdict for verdict in judged if not verdict.billed and not verdict.charged and verdict.because
        ]
        reasons = Counter(str(verdict.because).partition(":")[0] for verdict in free)
        wrong = [verdict for verdict in judged if verdict not in free]
        return {
            "of": len(judged),
            "free": len(free),
            "because": dict(sorted(reasons.items())),
            "wrong": sorted(f"{verdict.recording.id} {verdict.recording.surface}" for verdict in wrong),
        }


def _is_result(verdict: Verdict) -> bool:
    """Return whether these are the results of a batch, which are charged line by line."""
    return verdict.billed and verdict.because is None and verdict.recording.batch


def _exact(verdict: Verdict) -> bool:
    return verdict.cost is not None and verdict.cost[0] == verdict.cost[1]
