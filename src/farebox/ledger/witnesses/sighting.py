"""One witness of a call, reduced to what tells calls apart, and the rules by which two are of one call.

Most certain first: an event id that the proxy took over from the SDK, the provider's response id, its
request id, and last a fingerprint: same model and counts, begun within two seconds. One kind of witness
never joins itself: two POSTs with a reused id stay two calls.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec

from farebox.clock import uuid_text
from farebox.ledger.append.dictionaries import is_bound_event, is_erased_name, is_verified_by
from farebox.ledger.append.entry import token_totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from farebox.journal.records import Done
    from farebox.ledger.witnesses.group import Group

SECOND_NS = 1_000_000_000
NEAR_NS = 2 * SECOND_NS
"""How far apart two witnesses of one call may say that it began."""
IDS_NS = 86_400 * SECOND_NS
"""How far apart two witnesses with one response id may be: some state the moment of writing it down."""

EVENT_ID, RESPONSE_ID, LATE_RESPONSE_ID, REQUEST_ID, FINGERPRINT = 5, 4, 3, 2, 1
"""How certain it is that two are of one call."""

STATED, PROVEN, BOUND_EVENT = 0, 1, 2
"""What a customer is: stated, proven where the call passed, or proven by a token that may name no other."""

OTLP = "otlp"
"""The family of the kinds `otlp-<instrumentation>`: libraries of one program may all watch the same call."""

_LIVE = frozenset(("proxy", "mitm", "ebpf", OTLP))
"""Families of kinds whose times are those of the call. So are the SDK's where it saw the request itself."""

_WIRE = frozenset(("proxy", "mitm", "ebpf"))

_EVENT_SHARED = ({"sdk", "proxy"}, {"sdk", "mitm"})

_CONTAINER, _PID, _HOST = "container.id", "process.pid", "host.name"


class Facts(msgspec.Struct, array_like=True, frozen=True):
    """What is stored of a witness to compare it by. Personal values are numbers of the dictionary."""

    kind: str
    source: int
    event_id: bytes
    occurred_at: int
    ended_at: int
    provider: str
    model: str | None
    counts: tuple[int, int] | None
    """Input and output tokens; None where no usage was seen."""
    status: int
    method: str
    response_id: int | None
    """Checksums of 60 bits."""
    request_id: int | None
    customer: int | None
    pid: int | None
    container: int | None
    host: str | None
    is_live: bool
    """Its times are those of the call, not of writing it down."""
    passed_on: bool
    """SDK and proxy gave it one event id."""
    proof: int = STATED
    """How well the customer is proven. Rows stored before this was kept say nothing of it."""
    asked: str | None = None
    """The model that was asked for: logs often know no other. Likewise."""


class Sighting:
    """A witness, which call it is of, and what the record has of it."""

    __slots__ = ("core", "done", "facts", "group", "is_new", "moment", "number", "row", "stands", "told")

    def __init__(self, number: int, facts: Facts, group: Group) -> None:
        self.number = number
        self.facts = facts
        self.group = group
        self.moment = moment_key(facts)
        self.core = number
        """Witnesses that ids join have one core; cores are joined by fingerprint only."""
        self.row: int | None = None
        """The first row that was made of it, where one was."""
        self.stands = False
        """That row counts; else the call is another witness's row."""
        self.told = 0
        """The call that the table of witnesses says it is of, 0 where it says nothing."""
        self.is_new = True
        self.done: Done | None = None
        """Its record, where it is at hand."""


def facts_of(done: Done, source: int, personal: Callable[[str, str], int]) -> Facts:
    """Return what a record is compared by."""
    extraction, said = done.extraction, done.attribution
    counts = None
    if extraction.completeness != "none":
        totals = token_totals(extraction.parts)
        counts = (totals[0], totals[3])

    def number(name: str) -> int | None:
        value = said.get(name)
        if not value:
            return None
        return int(value[8:-1]) if is_erased_name(value) else personal(name, value)

    return Facts(
        done.witness,
        source,
        done.event_id,
        done.occurred_at_ns,
        max(done.ended_at_ns, done.occurred_at_ns),
        done.provider,
        extraction.response_model or extraction.request_model,
        counts,
        done.status,
        done.method,
        _checksum(extraction.response_id),
        _checksum(done.request_id),
        number("customer"),
        number(_PID),
        number(_CONTAINER),
        said.get(_HOST),
        family_of(done.witness) in _LIVE or (done.witness == "sdk" and bool(done.path)),
        done.passed_on,
        _proof(done),
        extraction.request_model,
    )


def family_of(kind: str) -> str:
    """Return what kinds of witness have in common: `otlp` of `otlp-openinference_openai`."""
    return kind.partition("-")[0]


def certainty(one: Facts, other: Facts) -> int:
    """Return how certain ids make it that two are of one call; 0 where they say nothing of it."""
    if one.kind == other.kind or are_of_two_customers(one, other):
        return 0
    if one.event_id == other.event_id:
        return EVENT_ID
    if one.provider != other.provider or one.method != other.method or are_elsewhere(one, other):
        return 0
    if abs(one.occurred_at - other.occurred_at) > IDS_NS:
        return 0
    if one.response_id is not None and one.response_id == other.response_id:
        by = RESPONSE_ID
    elif (request := sent_id(one)) is not None and request == sent_id(other):
        by = REQUEST_ID
    else:
        return 0
    if abs(one.occurred_at - other.occurred_at) <= NEAR_NS:
        return by
    are_live = one.is_live and other.is_live
    if not _fit_in_time(one, other, are_live=are_live):
        # The same id was given to another call where figures differ, or where one clock timed both.
        if one.counts is not None and other.counts is not None and one.counts != other.counts:
            return 0
        if are_live and share_process(one, other):
            return 0
    return LATE_RESPONSE_ID if by == RESPONSE_ID else REQUEST_ID


def sent_id(facts: Facts) -> int | None:
    """Return what tells a request: the provider's id of it, else the event id that the SDK sent along.

    A proxy that did not take that over states it as the request's id.
    """
    if facts.request_id is None and facts.passed_on and facts.kind == "sdk":
        return _checksum(uuid_text(facts.event_id))
    return facts.request_id


def look_alike(one: Facts, other: Facts) -> bool:
    """Tell whether two have one fingerprint and began within two seconds."""
    return (
        _are_of_one_model(one, other)
        and one.counts == other.counts
        and one.provider == other.provider
        and abs(one.occurred_at - other.occurred_at) <= NEAR_NS
        and (one.counts is not None or (one.status == other.status and one.status > 0))
    )


def _are_of_one_model(one: Facts, other: Facts) -> bool:
    """Tell whether two may be of one model: one of them may know only the name that was asked for."""
    return (
        one.model == other.model
        or (one.asked is not None and one.asked == other.model)
        or (other.asked is not None and other.asked == one.model)
    )


def are_apart(one: Facts, other: Facts) -> bool:
    """Tell whether two cannot be of one call, but for an id that says so."""
    return (
        one.kind == other.kind
        or ((one.passed_on or other.passed_on) and _could_share_event(one, other))
        or _differ(one.response_id, other.response_id)
        or _differ(one.request_id, other.request_id)
        or _differ(one.customer, other.customer)
        or (one.status != other.status and one.status > 0 and other.status > 0)
        or one.method != other.method
        or are_elsewhere(one, other)
    )


def are_elsewhere(one: Facts, other: Facts) -> bool:
    """Tell whether two are known to be of different processes or machines."""
    if one.host is not None and other.host is not None and one.host != other.host:
        return True
    # Inside a container a process has another number than outside: only like is compared with like.
    return one.container == other.container and _differ(one.pid, other.pid)


def are_of_two_customers(one: Facts, other: Facts) -> bool:
    """Tell whether it is proven that two are of different customers, whatever their ids say.

    A customer that holds a token for its own events may learn ids of another's calls, but gets none of them.
    What a program of ours states, which may speak of anybody, is a name that can be spelled in two ways.
    """
    if not _differ(one.customer, other.customer):
        return False
    proofs = (one.proof, other.proof)
    return BOUND_EVENT in proofs or proofs == (PROVEN, PROVEN)


def _proof(done: Done) -> int:
    source = done.attribution_from.get("customer")
    if is_bound_event(source):
        return BOUND_EVENT
    return PROVEN if done.witness in _WIRE and is_verified_by(source) else STATED


def _could_share_event(one: Facts, other: Facts) -> bool:
    """Tell whether two would have one event id, were they of one call."""
    return (
        one.event_id != other.event_id
        and {one.kind, other.kind} in _EVENT_SHARED
        and one.is_live
        and other.is_live
    )


def share_process(one: Facts, other: Facts) -> bool:
    """Tell whether both are known to be of one process."""
    return one.pid is not None and one.pid == other.pid and one.container == other.container


def _differ(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one != other


def _fit_in_time(one: Facts, other: Facts, *, are_live: bool) -> bool:
    """Tell whether two times can be of one call that did not begin at one moment for both.

    An SDK's call may wait for a connection before the proxy sees it; a log states any moment of a call.
    """
    if are_live:
        return abs(one.ended_at - other.ended_at) <= NEAR_NS
    return one.occurred_at <= other.ended_at + NEAR_NS and other.occurred_at <= one.ended_at + NEAR_NS


# -- keys that find witnesses in the file; of two with one key only the rules above tell --


def event_key(event_id: bytes) -> int:
    """Return the key of an event id: its beginning, which grows with time."""
    return int.from_bytes(event_id[:8], "big", signed=True)


def moment_key(facts: Facts) -> int:
    """Return the key of a fingerprint at its moment: without the model, which may have two names."""
    counts = "" if facts.counts is None else f"{facts.counts[0]:d}.{facts.counts[1]:d}"
    digest = crc32(f"{facts.provider}\0{counts}".encode())
    return facts.occurred_at // NEAR_NS << 32 | digest


def around(moment: int, steps: int = 1) -> list[int]:
    """Return the keys of a fingerprint at a moment, and so many before and after it."""
    return [moment + (step << 32) for step in range(-steps, steps + 1)]


def id_keys(checksum: int | None, occurred_at: int) -> list[int]:
    """Return the keys of an id on its day, the day before and the day after; none where there is no id."""
    if checksum is None:
        return []
    day, low = occurred_at // IDS_NS, checksum & (1 << 40) - 1
    return [day << 40 | low, (day - 1) << 40 | low, (day + 1) << 40 | low]


def _checksum(text: str | None) -> int | None:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 4 if text else None
