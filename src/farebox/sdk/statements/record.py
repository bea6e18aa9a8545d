"""Record usage that the program knows itself, without any call being seen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from farebox.catalog import Endpoint
from farebox.config.sections import PROVIDER_NAME
from farebox.errors import UsageError
from farebox.journal.records import DONE, Done, Outcome, encode
from farebox.recording.attribution_merge import Attribution
from farebox.recording.stated_usage import endpoint_of, stated_usage
from farebox.sdk import faults
from farebox.sdk.process_meter import ProcessMeter, process_meter
from farebox.sdk.statements.events import Identity, identity, moment_ns, whose
from farebox.sdk.statements.measured import document_of
from farebox.wire.facts import Extraction
from farebox.wire.keys import redacted

_endpoints: dict[tuple[int, str], Endpoint] = {}


def record(
    *,
    provider: str,
    model: str,
    usage: Any,
    customer: object = None,
    user: object = None,
    agent: object = None,
    session: object = None,
    task: object = None,
    project: object = None,
    tags: Mapping[str, object] | None = None,
    event_id: str | None = None,
    occurred_at: datetime | int | None = None,
) -> str | None:
    """Record a call of which the program knows the usage; return its event id, None where none was.

    `usage`: quantities as the record has them (`{"input_uncached": 900, "cache_read": 100, "output_text":
    50}`), or the provider's own usage object. `event_id`: an id of your own; the same id with the same
    content is one event however often it is recorded. `occurred_at`: with a time zone, or in nanoseconds
    since 1970; now where it is not given. The record is in its file when this returns.

    Raises:
        UsageError: What was given cannot be recorded, and nothing was.
    """
    try:
        meter = process_meter()
        if meter is None:
            return None
        if not PROVIDER_NAME.fullmatch(provider):
            raise UsageError(f"provider is a name such as openai, not {provider!r}")
        if not model:
            raise UsageError("model is missing: nothing can be priced without")
        endpoint = _endpoint(meter, provider)
        fields: dict[str, Any] = usage if type(usage) is dict else document_of(usage)  # pyright: ignore[reportUnknownVariableType]
        found = stated_usage(endpoint, model, fields)
        names = {
            "customer": customer,
            "user": user,
            "agent": agent,
            "session": session,
            "task": task,
            "project": project,
        }
        said = None
        if event_id is not None:
            given = {name: str(value) for name, value in names.items() if value is not None}
            said = (provider, model, found.parts, given, dict(tags or {}), occurred_at)
        which = identity(meter.recorder.source, event_id, said)
        is_kept = append(meter, which, endpoint, found, whose(meter, names, tags), moment_ns(occurred_at))
        return which.shown if is_kept else None
    except UsageError:
        raise
    except Exception as error:
        faults.report(error, "record()")
        return None


def append(
    meter: ProcessMeter,
    which: Identity,
    endpoint: Endpoint,
    found: Extraction,
    of: Attribution,
    at_ns: int,
    *,
    began_ns: int = 0,
    outcome: Outcome = "completed",
) -> bool:
    """Write down a call that is over; tell whether it is. Never raises."""
    try:
        done = Done(
            event_id=which.event_id,
            source=meter.recorder.source,
            witness="sdk",
            occurred_at_ns=began_ns or at_ns,
            provider=endpoint.provider_id,
            surface=endpoint.surface,
            attribution=of[0],
            attribution_from=of[1],
            ended_at_ns=at_ns,
            outcome=outcome,
            total_us=(at_ns - began_ns) // 1000 if began_ns else 0,
            extraction=redacted(found),
            event_id_text=which.text,
            payload_sha256=which.payload_sha256,
        )
        return bool(meter.recorder.append(DONE, encode(done)))
    except Exception as error:
        faults.report(error, "recording")
        return False


def _endpoint(meter: ProcessMeter, provider: str) -> Endpoint:
    key = id(meter.catalog), provider
    known = _endpoints.get(key)
    if known is None:
        if len(_endpoints) >= 256:
            _endpoints.clear()
        known = _endpoints[key] = endpoint_of(meter.catalog, provider)
    return known
