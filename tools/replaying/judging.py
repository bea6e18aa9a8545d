"""Compare what Farebox measured and charged with what the recordings hold to be right.

Rules only: nothing here knows an exchange by its id. Cost is judged where the provider stated the
money itself, or where genai-prices priced the same usage and nobody with better evidence disagrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from farebox.money import pico_from_usd
from farebox.wire.facts import Part
from replaying.recordings import Recording

_GATEWAY_ESTIMATE = "gateway estimate"
_AGREEMENT = Decimal("0.001")


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
    if stated is not None and _GATEWAY_ESTIMATE not in str(expected.get("provider_reported_cost_field")):
        raw = (expected.get("raw_usage") or {}).get("usage") or {}
        total = Decimal(str(stated))
        if raw.get("is_byok") is True:
            # With the user's own key the stated cost is the router's fee alone.
            upstream = (raw.get("cost_details") or {}).get("upstream_inference_cost")
            total += Decimal(str(upstream or 0))
        if total or raw.get("cost") is not None or not expected.get("canonical_usage"):
            return pico_from_usd(total), "provider"
        if not str(expected.get("provider_reported_cost_field")).startswith("usage.cost_in_usd_ticks"):
            return pico_from_usd(total), "provider"
    genai = expected.get("genai_prices") or {}
    price = genai.get("price_at_recorded") or {}
    if not price.get("total"):
        return None
    both = (expected.get("litellm") or {}).get("price_now") is not None
    if expected.get("agree_usage") and (expected.get("agree_price") or not both):
        return pico_from_usd(str(price["total"])), "genai-prices"
    return None


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
            "surfaces": dict(sorted(surfaces.items())),
        }


def _exact(verdict: Verdict) -> bool:
    return verdict.cost is not None and verdict.cost[0] == verdict.cost[1]
