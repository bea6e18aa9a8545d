"""What came of the work, and how good it was: records without a cost, for pay-per-outcome and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from farebox.errors import UsageError
from farebox.journal.records import OUTCOME, SCORE, Result, encode
from farebox.sdk import faults
from farebox.sdk.process_meter import process_meter
from farebox.sdk.statements.events import decimal_text, identity, moment_ns, whose
from farebox.wire.keys import without_keys

_NAME_MAX = 128


def outcome(
    name: str,
    *,
    value: object = None,
    task: object = None,
    customer: object = None,
    user: object = None,
    agent: object = None,
    session: object = None,
    project: object = None,
    tags: Mapping[str, object] | None = None,
    event_id: str | None = None,
    occurred_at: datetime | int | None = None,
) -> str | None:
    """Record that something was achieved: `outcome("lead.qualified", task="t-1", value="40.00")`.

    Returns the event's id; None where metering is off. `value` is a number or its text, in whatever unit
    the outcome has.

    Raises:
        UsageError: What was given cannot be recorded, and nothing was.
    """
    names = {"task": task, "customer": customer, "user": user, "agent": agent, "session": session}
    return _append(OUTCOME, name, value, {**names, "project": project}, tags, event_id, occurred_at)


def score(
    *,
    name: str,
    value: object,
    task: object = None,
    customer: object = None,
    user: object = None,
    agent: object = None,
    session: object = None,
    project: object = None,
    tags: Mapping[str, object] | None = None,
    event_id: str | None = None,
    occurred_at: datetime | int | None = None,
) -> str | None:
    """Record feedback or the result of an evaluation: `score(task="t-1", name="faithfulness", value=0.92)`.

    Returns the event's id; None where metering is off.

    Raises:
        UsageError: What was given cannot be recorded, and nothing was.
    """
    if value is None:
        raise UsageError("a score has a value")
    names = {"task": task, "customer": customer, "user": user, "agent": agent, "session": session}
    return _append(SCORE, name, value, {**names, "project": project}, tags, event_id, occurred_at)


def _append(
    kind: int,
    name: str,
    value: object,
    names: Mapping[str, object],
    tags: Mapping[str, object] | None,
    event_id: str | None,
    occurred_at: datetime | int | None,
) -> str | None:
    try:
        meter = process_meter()
        if meter is None:
            return None
        if not 0 < len(name) <= _NAME_MAX:
            raise UsageError(f"a name has 1 to {_NAME_MAX} characters")
        text = decimal_text(value, "value")
        given = {key: str(entry) for key, entry in names.items() if entry is not None}
        which = identity(
            meter.recorder.source, event_id, (kind, name, text, given, dict(tags or {}), occurred_at)
        )
        of = whose(meter, names, tags)
        result = Result(
            event_id=which.event_id,
            source=meter.recorder.source,
            occurred_at_ns=moment_ns(occurred_at),
            name=without_keys(name),
            value=text,
            attribution=of[0],
            attribution_from=of[1],
            event_id_text=which.text,
            payload_sha256=which.payload_sha256,
        )
        meter.recorder.append(kind, encode(result))
        return which.shown
    except UsageError:
        raise
    except Exception as error:
        faults.report(error, "outcome()" if kind == OUTCOME else "score()")
        return None
