"""What several witnesses of one call say together: whose figures count, and whose call it is.

Figures are those of the witness that knows most of the usage; among equals the wire wins. Attribution is
merged name by name: what a key or a token proves stands above what was stated, and that above what was
found out about the process. Who said it is kept, so that nothing stated becomes proven.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from farebox.journal.records import IMPORTED, Done
from farebox.ledger.append.dictionaries import is_verified_by
from farebox.ledger.append.entry import token_totals
from farebox.ledger.call_store import MEASURED, StoredCall
from farebox.ledger.witnesses.sighting import family_of
from farebox.wire.facts import Extraction

WIRE = frozenset(("proxy", "mitm"))

_KNOWN = {"final": 3, "partial": 2, "estimated": 1, "none": 0}
_NEARNESS = {"proxy": 5, "mitm": 5, "ebpf": 4, "sdk": 3, "otlp": 2, "agent_log": 1, "import": 0}
"""How near a kind of witness is to the wire. Events and others stand beside the logs; a file that was
exported from somewhere is the farthest.
"""
_OTHERS_NEARNESS = 1

_STATED = ("header:x-farebox-", "sdk:")
_WEAKNESS = {"header": 2, "body": 3, "env": 4}
_FOUND_OUT = ("process.", "container.", "git.", "host.")
"""Attribution that is worth no correction by itself."""

_canonical = msgspec.msgpack.Encoder(decimal_format="string", order="deterministic").encode


def best_of(witnesses: Sequence[Done]) -> Done:
    """Return the witness whose figures count."""
    return max(witnesses, key=_rank)


def merged(first: Done, witnesses: Sequence[Done], best: Done | None = None) -> Done:
    """Return one record of all that witnesses say, with the figures of `best`; it stays the call of `first`,
    at its moment.
    """
    best = best or best_of(witnesses)
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    # The strongest word comes last and stands.
    for each in sorted(witnesses, key=_rank):
        for name, value in each.attribution.items():
            source = each.attribution_from.get(name)
            if name not in values or _weakness(source) <= _weakness(sources.get(name)):
                values[name] = value
                sources.pop(name, None)
                if source is not None:
                    sources[name] = source
    if any(IMPORTED not in each.attribution for each in witnesses):
        values.pop(IMPORTED, None)
        sources.pop(IMPORTED, None)
    keys = [each.key_fingerprint for each in (best, *witnesses) if each.key_fingerprint]
    limits = [each.max_tokens for each in (best, *witnesses) if each.max_tokens is not None]
    return msgspec.structs.replace(
        best,
        event_id=first.event_id,
        source=first.source,
        occurred_at_ns=first.occurred_at_ns,
        key_fingerprint=keys[0] if keys else None,
        max_tokens=limits[0] if limits else None,
        attribution=values,
        attribution_from=sources,
    )


def has_figures(now: StoredCall, wanted: Done) -> bool:
    """Tell whether a call has these figures already, or better ones that no witness stated."""
    found, counts = wanted.extraction, now.extraction
    if now.correction is not None and now.correction.kind != "witness" and found.completeness != "final":
        return _KNOWN[now.completeness] > _KNOWN[found.completeness] or now.completeness == "estimated"
    return (
        _figures(counts) == _figures(found)
        and now.completeness == found.completeness
        and now.status == wanted.status
        and now.outcome == wanted.outcome
        and now.provider == wanted.provider
        and now.key_fingerprint == wanted.key_fingerprint
    )


def has_attribution(now: StoredCall, wanted: Done) -> bool:
    """Tell whether a call is ascribed as wanted already, but for what was found out about the process."""
    said = now.done
    return _said(said.attribution) == _said(wanted.attribution) and _is_verified(said) == _is_verified(wanted)


def figures_digest(done: Done) -> bytes:
    """Return SHA-256 over what a witness says a call was."""
    figures = (done.provider, done.status, done.outcome, *_figures(done.extraction))
    return hashlib.sha256(_canonical(figures)).digest()


def tokens_of(extraction: Extraction) -> tuple[int, ...] | None:
    """Return the token totals that a witness saw, as `MEASURED`; None where it saw no usage."""
    return None if extraction.completeness == "none" else token_totals(extraction.parts)


def disagreements(said: Done, now: StoredCall) -> list[str]:
    """Return where a witness says something else than what counts: `output_tokens 5, not 7`.

    What it did not see is no disagreement.
    """
    own, counted = said.extraction, now.extraction
    pairs: list[tuple[str, object, object]] = [
        ("provider", said.provider, now.provider),
        ("model", own.response_model or own.request_model, now.model),
        ("response_id", own.response_id, counted.response_id),
        ("status", said.status or None, now.status),
    ]
    tokens = tokens_of(own)
    if tokens is not None:
        pairs += zip(MEASURED, tokens, tokens_of(counted) or (None,) * len(MEASURED), strict=True)
    for name, value in said.attribution.items():
        if not name.startswith(_FOUND_OUT) and name != IMPORTED:
            pairs.append((name, value, now.done.attribution.get(name)))
    return [
        f"{name} {stated}, not {'known' if counts is None else counts}"
        for name, stated, counts in pairs
        if stated is not None and stated != counts
    ]


def _rank(done: Done) -> tuple[int, bool, int, int, str]:
    return (
        _KNOWN[done.extraction.completeness],
        done.outcome != "unknown",
        _NEARNESS.get(family_of(done.witness), _OTHERS_NEARNESS),
        sum(len(part.quantities) for part in done.extraction.parts),  # who tells more apart
        done.witness,
    )


def _weakness(source: str | None) -> int:
    """Return how little a source counts: 0 proves, 1 states, the others were found somewhere."""
    if source is None:
        return 9
    if is_verified_by(source):
        return 0
    if source.startswith(_STATED):
        return 1
    return _WEAKNESS.get(source.partition(":")[0], 5)


def _figures(extraction: Extraction) -> tuple[object, ...]:
    return (
        extraction.completeness,
        extraction.billable,
        extraction.request_model,
        extraction.response_model,
        [msgspec.structs.astuple(part) for part in extraction.parts],
    )


def _said(attribution: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in attribution.items() if not name.startswith(_FOUND_OUT)}


def _is_verified(done: Done) -> bool:
    return is_verified_by(done.attribution_from.get("customer"))
