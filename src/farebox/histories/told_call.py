"""One call as a history tells it, before it is an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from farebox.catalog import Catalog, Endpoint
from farebox.journal.records import IMPORTED, Done
from farebox.recording.event_schema import ID_MAX, VALUE_MAX, Event
from farebox.recording.events import NAMED, done_of, event_key, moment_text
from farebox.recording.invalid_event import EventInvalidError
from farebox.recording.stated_usage import endpoint_of, stated_usage
from farebox.wire.facts import Completeness, Extraction


class ToldCall(msgspec.Struct, kw_only=True, gc=False):
    """What one history says of one call."""

    id: str
    """Which call it is, for ever, among those of its history: read again, it is the same."""
    time_ns: int
    """When it began, as well as the history knows."""
    ended_ns: int = 0
    """When it was over, 0 where that is not known."""
    provider: str
    model: str
    usage: Mapping[str, Any] = {}
    """Quantities by leaf, or the provider's own usage object. Empty where none was kept."""
    completeness: Completeness | None = None
    reason: str | None = None
    is_subscription: bool = False
    """A subscription paid for it: its price is what it would have cost."""
    stated_usd: Decimal | None = None
    """What the history says it cost. For comparison only: prices are ours."""
    response_id: str | None = None
    request_id: str | None = None
    surface: str | None = None
    streamed: bool = False
    status: int = 0
    outcome: str = "completed"
    error_class: str | None = None
    not_billable_because: str | None = None
    """Why the provider charges nothing for it: `gateway_cache` …"""
    attribution: Mapping[str, str | None] = {}
    """Names to values, tags as `tag.NAME`; empty values count for nothing."""


class Teller:
    """Makes records of what one history tells."""

    def __init__(self, catalog: Catalog, history: str, witness: str) -> None:
        """`history`: its name, as `claude-code` or `csv`; `witness`: the kind, `agent_log` or `import`."""
        self.history = history
        self.source = f"{witness}:{history}"
        """What its events are recorded under, on every machine: their ids are the agent's own."""
        self._witness = witness
        self._catalog = catalog
        self._endpoints: dict[tuple[str, bool], Endpoint] = {}
        self._is_subscription = False

    def key(self, call: ToldCall) -> bytes:
        """Return the 16 bytes that stand for the call's id.

        Raises:
            EventInvalidError: It is no id.
        """
        if not 0 < len(call.id) <= ID_MAX:
            raise EventInvalidError("id", f"expected 1 to {ID_MAX} characters")
        return event_key(self.source, call.id)[0]

    def done(self, call: ToldCall, received_ns: int, *, imported: bool) -> Done:
        """Return the record of a call.

        Raises:
            EventInvalidError: What is told makes no sense.
        """
        self.key(call)
        values = {name: value[:VALUE_MAX] for name, value in call.attribution.items() if value}
        others = {name: value for name, value in values.items() if name not in NAMED}
        if imported:
            others[IMPORTED] = self.history
        self._is_subscription = call.is_subscription
        event = Event(
            id=call.id,
            source=self.source,
            time=moment_text(call.time_ns),
            ended_at=moment_text(call.ended_ns) if call.ended_ns > call.time_ns else None,
            **{name: value for name, value in values.items() if name in NAMED},  # pyright: ignore[reportArgumentType]
            attribution=others,
            attribution_from=dict.fromkeys(values, self.source),
            provider=call.provider,
            model=call.model[:256] or None,
            usage=dict(call.usage),
            completeness=call.completeness,
            reason=call.reason,
            response_id=_short(call.response_id),
            request_id=_short(call.request_id),
            surface=call.surface,
            streamed=call.streamed,
            status=call.status,
            outcome=call.outcome,  # pyright: ignore[reportArgumentType]
            error_class=call.error_class,
            billable=call.not_billable_because is None,
            not_billable_because=call.not_billable_because,
            total_us=max(call.ended_ns - call.time_ns, 0) // 1000,
            witness=self._witness,
        )
        return done_of(event, source=self.source, received_ns=received_ns, read_usage=self._read)

    def _read(self, provider: str, model: str, usage: Mapping[str, Any]) -> tuple[str, Extraction]:
        kind = provider, self._is_subscription
        endpoint = self._endpoints.get(kind)
        if endpoint is None:
            endpoint = endpoint_of(self._catalog, provider)
            known = self._catalog.provider(provider)
            if self._is_subscription and known is not None and known.login is not None:
                endpoint = endpoint.of_login(known.login)
            self._endpoints[kind] = endpoint
        if not usage:
            return endpoint.surface, Extraction()
        found = stated_usage(endpoint, model, usage)
        if self._is_subscription:
            # Quantities say nothing about who pays; a provider's own usage object is read with its login.
            parts = tuple(
                msgspec.structs.replace(part, facts={**part.facts, "plan": "subscription"})
                for part in found.parts
            )
            found = msgspec.structs.replace(found, parts=parts)
        return endpoint.surface, found


Take = Callable[[ToldCall], None]
"""What readers hand each call to."""


def _short(text: str | None) -> str | None:
    return text[:VALUE_MAX] if text else None
