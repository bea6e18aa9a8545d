"""What budgets say of the call before, kept with its head: the next one under it mostly says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from farebox.budgets.call_kind import CallKind
    from farebox.budgets.call_limits import CallLimits, Covered
    from farebox.recording.attribution_merge import Attribution
    from farebox.wire.request_limits import RequestKind


class Alike:
    """What calls have in common that come under one head, of the same callers and for the same model."""

    __slots__ = (
        "asked",
        "asked_for",
        "attribution",
        "covered",
        "edition",
        "kind",
        "limits",
        "model",
        "names",
        "until_ns",
    )

    def __init__(
        self,
        limits: CallLimits,
        attribution: Attribution,
        asked_for: str | None,
        model: str | None,
        covered: Covered,
        names: Mapping[str, str],
        until_ns: int,
    ) -> None:
        self.limits = limits
        self.attribution = attribution
        self.asked_for = asked_for
        self.model = model
        """The model that they ask for, as they say it and as others call it."""
        self.covered = covered
        self.names = names
        """What decides which contracts cover them, and by which plan they are charged."""
        self.until_ns = until_ns
        """Until when all of it is so."""
        self.kind: CallKind | None = None
        """What decides what they cost at most, for calls that ask for the same,"""
        self.asked: RequestKind | None = None
        """which is this,"""
        self.edition = 0
        """as long as this is the edition of `limits.worst_cases`."""
