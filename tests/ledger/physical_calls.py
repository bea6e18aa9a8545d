"""Make up physical calls and what witnesses say of them, so that what is told apart is known."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from calls import HOUR, NOON, SECOND, done

from farebox.clock import uuid7
from farebox.journal.records import IMPORTED, Done

KINDS = ("proxy", "sdk", "otlp", "agent_log", "ebpf", "import")
LOGS = ("agent_log", "import")
SOURCES = {kind: f"{kind}:made-up" for kind in KINDS}


class PhysicalCall:
    """One call, and the records of those who saw it."""

    def __init__(self, number: int, records: list[Done], input_tokens: int, customer: str) -> None:
        self.number = number
        self.records = records
        self.input_tokens = input_tokens
        """What counts in the end."""
        self.customer = customer

    @property
    def identities(self) -> frozenset[tuple[bytes, str]]:
        return frozenset((each.event_id, each.source) for each in self.records)


def witness(kind: str, at: int, **more: Any) -> Done:
    """Return what one kind of witness says of a call."""
    said = dict(more.pop("attribution", {}))
    pid = more.pop("pid", None)
    if pid is not None:
        said["process.pid"] = str(pid)
    return done(at, source=SOURCES.get(kind, f"{kind}:made-up"), witness=kind, attribution=said, **more)


def physical_calls(chance: random.Random, count: int) -> list[PhysicalCall]:
    """Return calls of which any two are told apart by an id, a process or two seconds."""
    made: list[PhysicalCall] = []
    at = NOON
    while len(made) < count:
        at += HOUR
        way = chance.choice(
            ["response id", "process", "time", "event id", "reused id", "reused id later", "pieces"]
        )
        size = min(chance.choice([1, 2, 5, 40]), count - len(made))
        tokens = chance.choice([10, 10, 20])
        for index in range(size):
            made.append(_call(chance, len(made), way, at, index, tokens))
    return made


def _call(chance: random.Random, number: int, way: str, at: int, index: int, tokens: int) -> PhysicalCall:
    began = at + (index * 6 * SECOND if way in ("time", "reused id later") else chance.randrange(SECOND))
    kinds = chance.sample(KINDS, chance.choice([1, 1, 2, 2, 3, 4, 6]))
    event_id = uuid7(began)
    common: dict[str, Any] = {"model": "gpt-4o", "output_tokens": 5}
    if way == "reused id later":
        kinds = [kind for kind in kinds if kind not in LOGS] or ["sdk"]  # a log's moment is any of a call
    if way == "event id":
        kinds = chance.sample(["proxy", "sdk"], chance.choice([1, 2]))
    customer = f"customer-{number}" if chance.random() < 0.5 and way != "time" else ""
    teller = chance.choice(kinds)
    records: list[Done] = []
    for kind in kinds:
        more: dict[str, Any] = dict(common)
        own = uuid7(began + len(records))
        if way == "response id":
            more["response_id"] = f"resp-{number}"
            if chance.random() < 0.3:
                more["pid"] = 77
        elif way == "process":
            more["pid"] = 1_000 + index
        elif way == "event id":
            own, more["passed_on"] = event_id, True
        elif way == "pieces":  # one witness knows both, the others one of the two
            knows = 2 if kind == kinds[0] else chance.randrange(2)
            if knows != 0:
                more["response_id"] = f"resp-{number}"
            if knows != 1:
                more["pid"] = 1_000 + index
        elif way == "reused id":
            more["response_id"], more["pid"] = f"reused-{at}", 1_000 + index
        elif way == "reused id later":
            more["response_id"], more["pid"] = f"reused-{at}", 7
        elif chance.random() < 0.5:
            more["pid"] = 7
        if customer and kind == teller:
            more["attribution"] = {"customer": customer}
        if kind in LOGS:
            more["attribution"] = {**more.get("attribution", {}), IMPORTED: kind}
        start = began + chance.randrange(SECOND // 2)
        # By ids, figures may differ: the wire's are right.
        off = 1 if way in ("response id", "event id") and kind != "proxy" and "proxy" in kinds else 0
        records.append(witness(kind, start, event_id=own, input_tokens=tokens + off, **more))
    return PhysicalCall(number, records, tokens, customer)


def shuffled(chance: random.Random, calls: Iterable[PhysicalCall]) -> list[Done]:
    """Return all records in an order: by chance alone, or most of them soon and some much later."""
    late = chance.choice([0.1, 0.5, 1.0])
    placed = [
        (each.number + chance.random() * (5 if chance.random() > late else 10_000), record)
        for each in calls
        for record in each.records
    ]
    return [record for _, record in sorted(placed, key=lambda item: item[0])]
