"""Make a record by plain SQL, and the sums over it by plain Python: what the replica must equal."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from farebox.analytics.dimensions import DIMENSIONS, MEASURES, SUMS, UNPRICED
from farebox.analytics.query import Measures, Question
from farebox.home import Home
from farebox.ledger.database import Connection, open_writer

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_764_000_000 * SECOND // DAY * DAY
"""A midnight in UTC in November 2025; which one does not matter."""

TOKENS = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
)
PERSONAL = ("user", "customer", "session", "task")
CLASS = (
    "provider", "surface", "host", "model", "request_model", "key", "status", "outcome", "error_class",
    "streamed", "completeness", "billable", "cost_state",
)  # fmt: skip

Call = dict[str, Any]
"""A call by the names of dimensions and figures, `tag.NAME` among them; what it lacks is missing."""


class Record:
    """A ledger that a test writes by hand."""

    def __init__(self, home: Home) -> None:
        home.prepare()
        self.home = home
        self.connection: Connection = open_writer(home)
        self.connection.execute("PRAGMA synchronous = OFF")
        self.seq = 0
        self.now: dict[int, Call] = {}
        """Each call as it counts now, by the number of its first row."""
        self._newest: dict[int, tuple[int, int, Call]] = {}
        self._numbers: dict[tuple[str, bytes], int] = {}
        self._personal: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        self.connection.close()

    def append(self, calls: Iterable[Call]) -> list[int]:
        """Append calls and return the numbers of their rows."""
        with self.connection:
            return [self._append(call) for call in calls]

    def correct(self, first: int, **changes: Any) -> None:
        """Append a reversal and a replacement of the call whose first row is `first`."""
        seq, revision, before = self._newest[first]
        after = {**before, **changes}
        with self.connection:
            self._insert(first, before, revision + 1, -1, seq)
            self._insert(first, after, revision + 2, 1, None)
        self._newest[first] = (self.seq, revision + 2, after)
        self.now[first] = after

    def _append(self, call: Call) -> int:
        first = self.seq + 1
        self._insert(first, call, 0, 1, None)
        self.now[first] = call
        self._newest[first] = (first, 0, call)
        return first

    def _insert(self, first: int, call: Call, revision: int, sign: int, reverses: int | None) -> None:
        self.seq += 1
        row = {
            "seq": self.seq,
            "event_id": hashlib.sha256(b"%d" % first).digest()[:16],
            "source": self._number("source", {"name": call.get("source", "proxy:test")}),
            "revision": revision,
            "sign": sign,
            "reverses": reverses,
            "occurred_at": call["occurred_at"],
            "call_class": self._class(call),
            "attribution": self._attribution(call),
            "step": call.get("step"),
            "first_byte_us": call.get("first_byte_us", 100),
            "total_us": call.get("total_us", 1_000),
            "cost_pico": _signed(call.get("cost_pico"), sign),
            "charge_pico": _signed(call.get("charge_pico"), sign),
            **{name: sign * call.get(name, 0) for name in TOKENS},
        }
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        self.connection.execute(f"INSERT INTO call ({names}) VALUES ({marks})", list(row.values()))  # noqa: S608

    def _class(self, call: Call) -> int:
        values = {
            "provider": "openai", "surface": "openai.chat", "host": "api.openai.com", "model": None,
            "request_model": None, "key": None, "status": 200, "outcome": "completed", "error_class": None,
            "streamed": False, "completeness": "final", "billable": True, "cost_state": "priced",
        } | {name: call[name] for name in CLASS if name in call}  # fmt: skip
        values["key_fingerprint"] = values.pop("key")
        return self._number("call_class", values)

    def _attribution(self, call: Call) -> int:
        fields: dict[str, tuple[str | int, str]] = {}
        for name, value in call.items():
            if value is None or name == "verified":
                continue
            if not (name.startswith("tag.") or _origin(name) == "attribution"):
                continue
            stated = self._person(name, value) if name in PERSONAL or name.startswith("tag.") else value
            fields[name] = (stated, "header")
        text = msgspec.json.encode(fields).decode()
        return self._number("attribution", {"verified": call.get("verified", False), "fields": text})

    def _person(self, field: str, value: str) -> int:
        known = self._personal.get((field, value))
        if known is None:
            known = self._personal[field, value] = len(self._personal) + 1
            self.connection.execute(
                "INSERT INTO personal VALUES (?, ?, ?, ?, ?)", (known, field, value, b"salt", b"commitment")
            )
        return known

    def _number(self, table: str, values: dict[str, Any]) -> int:
        digest = hashlib.sha256(repr(sorted(values.items())).encode()).digest()
        known = self._numbers.get((table, digest))
        if known is None:
            known = self._numbers[table, digest] = len(self._numbers) + 1
            row = {"id": known, **values} | ({} if table == "source" else {"digest": digest})
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            self.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))  # noqa: S608
        return known


def _origin(name: str) -> str | None:
    known = DIMENSIONS.get(name)
    return None if known is None else known.origin


def _signed(amount: int | None, sign: int) -> int | None:
    return None if amount is None else sign * amount


def value_of(call: Call, name: str) -> str | None:
    """Return a call's value of a dimension as text."""
    defaults = {
        "provider": "openai", "surface": "openai.chat", "host": "api.openai.com", "status": 200,
        "outcome": "completed", "streamed": False, "completeness": "final", "cost_state": "priced",
        "source": "proxy:test", "verified": False, "retry": False,
        "plan_model": call.get("request_model") or call.get("model"),
    }  # fmt: skip
    value = call.get(name, defaults.get(name))
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def matches(call: Call, where: dict[str, list[str]]) -> bool:
    """Return whether a call has one of the wanted values of every dimension."""
    for name, values in where.items():
        value = value_of(call, name) or ""
        if not any(value == wanted or _in_class(name, value, wanted) for wanted in values):
            return False
    return True


def _in_class(name: str, value: str, wanted: str) -> bool:
    return name == "status" and wanted[1:] == "xx" and len(value) == 3 and value[0] == wanted[0]


def measured(calls: Sequence[Call]) -> Measures:
    """Return the sums over calls, added up one by one."""
    return Measures(
        calls=len(calls),
        errors=sum(_is_error(call) for call in calls),
        unpriced_calls=sum(call.get("cost_state") in UNPRICED for call in calls),
        estimated_calls=sum(call.get("cost_state") == "estimated" for call in calls),
        cost_pico=sum(call.get("cost_pico") or 0 for call in calls),
        charge_pico=sum(call.get("charge_pico") or 0 for call in calls),
        **{name: sum(call.get(name, 0) for call in calls) for name in TOKENS},
    )


def _is_error(call: Call) -> bool:
    status = call.get("status", 200)
    return status >= 400 or (status == 0 and call.get("outcome", "completed") != "completed")


def value_measured(calls: Sequence[Call], name: str) -> int | None:
    """Return one measure of any kind over calls."""
    measure = MEASURES[name]
    if name in SUMS:
        return getattr(measured(calls), name)
    if name == "unknown_calls":
        return sum(call.get("cost_state") == "unknown" for call in calls)
    if name == "total_us":
        return sum(call.get("total_us", 1_000) for call in calls)
    if name in ("completed_output_tokens", "completed_us"):
        field, default = ("output_tokens", 0) if name.endswith("tokens") else ("total_us", 1_000)
        return sum(call.get(field, default) for call in calls if value_of(call, "outcome") == "completed")
    if measure.kind == "ratio":
        divided, divisor = (value_measured(calls, each) or 0 for each in (measure.column, measure.divisor))
        return divided * measure.factor // divisor if divisor else None
    if measure.kind in ("least", "most"):
        compared = {
            "first_at_ns": lambda call: call["occurred_at"],
            "last_end_ns": lambda call: call["occurred_at"] + call.get("total_us", 1_000) * 1_000,
            "input_tokens_max": lambda call: call.get("input_tokens", 0),
        }[name]
        return (min if measure.kind == "least" else max)(map(compared, calls), default=None)
    if measure.kind == "sum":  # a record written by hand has no lines: all of its cost is of something else
        return sum(call.get("cost_pico") or 0 for call in calls) if name == "other_cost_pico" else 0
    if measure.kind == "distinct":
        return len({call[measure.column] for call in calls if call.get(measure.column)})
    ranked = sorted(call.get(measure.column, 100 if "first" in name else 1_000) for call in calls)
    if not ranked:
        return None
    from fractions import Fraction
    from math import ceil

    return ranked[max(ceil(Fraction(str(measure.fraction)) * len(ranked)) - 1, 0)]


def grouped(calls: Iterable[Call], key: Callable[[Call], Any]) -> dict[Any, list[Call]]:
    """Return calls by a key."""
    found: dict[Any, list[Call]] = {}
    for call in calls:
        found.setdefault(key(call), []).append(call)
    return found


def chosen(calls: Iterable[Call], asked: Question) -> list[Call]:
    """Return the calls that a question is about."""
    return [
        call
        for call in calls
        if (asked.since_ns is None or call["occurred_at"] >= asked.since_ns)
        and (asked.until_ns is None or call["occurred_at"] < asked.until_ns)
        and matches(call, asked.where)
        and not any(matches(call, each) for each in asked.unless)
    ]


def plain_answer(calls: Iterable[Call], asked: Question) -> dict[Any, list[int | None]]:
    """Return a question's answer by bucket and keys, added up in plain Python."""
    wanted = chosen(calls, asked)

    def key(call: Call) -> Any:
        return (bucket_of(call, asked), *(value_of(call, name) for name in asked.by))

    groups = grouped(wanted, key) if asked.by or asked.bucket else {(None,): wanted}
    return {each: [value_measured(some, name) for name in asked.measures] for each, some in groups.items()}


def bucket_of(call: Call, asked: Question) -> int | None:
    """Return the bucket a call belongs to."""
    moment = call["occurred_at"]
    local = datetime.fromtimestamp(moment // SECOND, ZoneInfo(asked.tz))
    match asked.bucket:
        case None:
            return None
        case "hour_of_week":
            return local.weekday() * 24 + local.hour
        case "second":
            start = local
        case "minute":
            start = local.replace(second=0)
        case "hour":
            start = local.replace(minute=0, second=0)
        case "day":
            start = local.replace(hour=0, minute=0, second=0)
        case "week":
            start = local.replace(hour=0, minute=0, second=0, day=local.day)
            start = datetime.fromordinal(start.toordinal() - start.weekday()).replace(tzinfo=start.tzinfo)
    return int(start.timestamp()) * SECOND


MODELS = (
    ("gpt-4o", "gpt-4o-2024-08-06"),
    ("gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
    ("gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
    ("claude-sonnet-4", "claude-sonnet-4-20250514"),
    ("unheard-of", None),
    (None, None),
)


def traffic(rng: random.Random, count: int, days: int = 5) -> list[Call]:
    """Return calls of every kind, in no order of time, with gaps everywhere."""
    calls: list[Call] = []
    for _ in range(count):
        requested, responded = rng.choice(MODELS)
        state = rng.choice(["priced", "priced", "priced", "free", "unpriced", "estimated", "unknown"])
        cost = None if state in UNPRICED else rng.randrange(10 ** rng.randrange(1, 19))
        call: Call = {
            "occurred_at": START + rng.randrange(days * DAY),
            "provider": rng.choice(["openai", "anthropic"]),
            "request_model": requested,
            "model": responded or requested,
            "status": rng.choice([200, 200, 200, 429, 500, 0]),
            "outcome": rng.choice(["completed", "client_disconnected"]),
            "error_class": rng.choice([None, "rate_limited"]),
            "streamed": rng.random() < 0.5,
            "key": rng.choice([None, "k1", "k2"]),
            "cost_state": state,
            "cost_pico": cost,
            "charge_pico": None if cost is None else cost * 2 // 3,
            "source": rng.choice(["proxy:test", "proxy:other"]),
            "step": rng.choice([None, "plan", "act"]),
            "total_us": rng.randrange(10**7),
            "first_byte_us": rng.randrange(10**6),
            **{name: rng.randrange(1 << rng.randrange(1, 30)) for name in TOKENS},
            "app": rng.choice([None, "api", "My App, the second"]),
            "user": rng.choice([None, "ann", "bob", "çelik"]),
            "session": rng.choice([None, *(f"session-{number}" for number in range(20))]),
            "customer": rng.choice([None, "acme", "o'neill"]),
            "branch": rng.choice([None, "main"]),
            "tag.feature": rng.choice([None, "summary", "search, and more"]),
            "tag.team": rng.choice([None, "core"]),
        }
        calls.append({name: value for name, value in call.items() if value is not None})
    return calls
