"""What a sender is told of each event, in the order it was sent."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from farebox.ingest.limits import IngestLimits

Status = Literal["accepted", "duplicate", "conflict", "invalid"]


class Verdict(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of one event."""

    id: Annotated[str | None, Meta(description="The event's id, as far as it could be read.")] = None
    status: Annotated[
        Status,
        Meta(
            description="`accepted`: it is on the disk. `duplicate`: it was there already, send it no more. "
            "`conflict`: its id was there with other content. `invalid`: see its reason. Neither is recorded."
        ),
    ]
    field: Annotated[str | None, Meta(description="Which field is at fault.")] = None
    reason: Annotated[str | None, Meta(description="What is wrong, in words.")] = None


class Receipt(msgspec.Struct, kw_only=True):
    """The response to events. What it calls accepted or duplicate survives a power cut."""

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    invalid: int = 0
    items: Annotated[list[Verdict], Meta(description="One for each event, in the order sent.")]
    limits: IngestLimits


def receipt(verdicts: list[Verdict], limits: IngestLimits) -> Receipt:
    """Return what a sender is told."""
    found = Receipt(items=verdicts, limits=limits)
    for each in verdicts:
        setattr(found, each.status, getattr(found, each.status) + 1)
    return found
