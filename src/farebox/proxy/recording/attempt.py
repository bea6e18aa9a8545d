"""The journal's entries for what is no HTTP/1.1 exchange: a turn of a socket, a stream of HTTP/2.

Made from the same routed head as an exchange's, but for itself: these come and go side by side.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import msgspec

from farebox.clock import now_ns, uuid7
from farebox.journal.records import DONE, INTENT, PARTIAL, Done, Intent, Outcome, Partial, encode
from farebox.wire.keys import redacted

if TYPE_CHECKING:
    from farebox.proxy.admission.routed_request import RoutedRequest
    from farebox.proxy.caller.attribution_merge import Attribution
    from farebox.proxy.service import Proxy
    from farebox.wire.facts import Extraction


class Attempt:
    """One piece of traffic with an INTENT and a DONE of its own."""

    __slots__ = (
        "began_ns",
        "event_id",
        "first_byte_ns",
        "occurred_at_ns",
        "proxy",
        "request_bytes",
        "response_bytes",
        "routed",
    )

    def __init__(self, proxy: Proxy, routed: RoutedRequest) -> None:
        self.proxy = proxy
        self.routed = routed
        self.began_ns = monotonic_ns()
        self.occurred_at_ns = now_ns()
        self.event_id = uuid7(self.occurred_at_ns)
        self.first_byte_ns = 0
        self.request_bytes = 0
        self.response_bytes = 0

    def intend(self, whose: Attribution) -> None:
        """Write down that the upstream is about to be sent something that can cost."""
        self.proxy.passed = True
        if not self.routed.metered:
            return
        self.proxy.append(INTENT, encode(Intent(**self._origin(whose))))

    def _origin(self, whose: Attribution) -> dict[str, Any]:
        fields = msgspec.structs.asdict(self.routed.intent)
        fields |= {"event_id": self.event_id, "occurred_at_ns": self.occurred_at_ns}
        return {**fields, "attribution": whose[0], "attribution_from": whose[1]}

    def snapshot(self, extraction: Extraction) -> int:
        """Write down what it has cost so far; return the record's position."""
        if not self.routed.metered:
            return 0
        found = redacted(extraction, self.routed.key)
        partial = Partial(event_id=self.event_id, at_ns=now_ns(), extraction=found)
        return self.proxy.append(PARTIAL, encode(partial))

    def done(
        self,
        whose: Attribution,
        outcome: Outcome,
        extraction: Extraction,
        *,
        status: int,
        error_class: str | None = None,
    ) -> int:
        """Write down how it ended; return the record's position, 0 where nothing is."""
        self.proxy.passed = True
        if not self.routed.metered:
            return 0
        total_ns = monotonic_ns() - self.began_ns
        first_ns = self.first_byte_ns
        done = Done(
            **self._origin(whose),
            ended_at_ns=self.occurred_at_ns + total_ns,
            outcome=outcome,
            status=status,
            error_class=error_class,
            request_bytes=self.request_bytes,
            response_bytes=self.response_bytes,
            first_byte_us=(first_ns - self.began_ns) // 1000 if first_ns else 0,
            total_us=total_ns // 1000,
            extraction=redacted(extraction, self.routed.key),
        )
        return self.proxy.append(DONE, encode(done))
