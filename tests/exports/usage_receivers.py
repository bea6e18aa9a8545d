"""What vendors document of their APIs for usage, as servers on loopback: shape, duplicates, ages, memory.

Each refuses what is not as documented and adds up what it takes. The pages are named in
`farebox.channels.usage`.
"""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

KEY = "sk_test_0123456789"
HOUR, DAY = 3_600, 86_400
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class RefusedError(Exception):
    """A status and what the vendor says with it."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(body)
        self.status, self.body = status, body


class UsageReceiver:
    """One vendor with a clock of the test's. `totals`: account, meter or property → what it comes to."""

    path = ""
    memory_s: float | None = None
    max_age_s: float | None = None
    max_ahead_s: float | None = None

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.now_s = now_s
        self.totals: Counter[tuple[str, str]] = Counter()
        self.requests = 0
        self.duplicates = 0
        self.known: dict[Any, float] = {}
        self.unknown_customers: set[str] = set()
        self.outage: str | None = None
        """`unavailable`: 503 before anything; `silent`: it takes the request and says nothing; `half`: 503
        afterwards; `limit`: 429."""
        self.url = ""

    def take(self, headers: Any, body: bytes) -> tuple[int, Any]:
        """Take a request, or raise `RefusedError`."""
        raise NotImplementedError

    def handle(self, path: str, headers: Any, body: bytes) -> tuple[int, Any] | None:
        """Return the response; None for none."""
        self.requests += 1
        if self.outage == "unavailable":
            return 503, {"error": "down"}
        if self.outage == "limit":
            return 429, {"error": "slow down"}
        try:
            if path != self.path or headers["authorization"] != f"Bearer {KEY}":
                raise RefusedError(401, "unauthorized")
            status, said = self.take(headers, body)
        except RefusedError as error:
            status, said = error.status, error.body
        if self.outage == "silent":
            return None
        return (503, "after the fact") if self.outage == "half" else (status, said)

    def check_age(self, at_s: float) -> bool:
        now = self.now_s()
        old = self.max_age_s is not None and at_s < now - self.max_age_s
        return not old and not (self.max_ahead_s is not None and at_s > now + self.max_ahead_s)

    def is_new(self, key: Any) -> bool:
        """Note an id; False where it is known and not forgotten."""
        seen = self.known.get(key)
        if seen is not None and (self.memory_s is None or self.now_s() - seen < self.memory_s):
            self.duplicates += 1
            return False
        self.known[key] = self.now_s()
        return True

    def add(self, account: str, name: str, value: Any) -> None:
        self.totals[account, name] += Decimal(value)  # type: ignore[assignment]


class Stripe(UsageReceiver):
    path = "/v1/billing/meter_events"
    memory_s, max_age_s, max_ahead_s = DAY, 35 * DAY, 300

    def take(self, headers: Any, body: bytes) -> tuple[int, Any]:
        if headers["content-type"] != "application/x-www-form-urlencoded":
            raise RefusedError(400, "form-encoded")
        said = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        required = {"event_name", "identifier", "timestamp", "payload[stripe_customer_id]", "payload[value]"}
        if not required <= set(said) <= required | {"payload[model]"}:
            raise RefusedError(400, {"error": {"message": f"Missing or unknown parameter: {sorted(said)}"}})
        if not re.fullmatch(r"-?\d+", said["payload[value]"]) or len(said["identifier"]) > 100:
            raise RefusedError(400, {"error": {"message": "Invalid value"}})
        account = said["payload[stripe_customer_id]"]
        if not account.startswith("cus_") or account in self.unknown_customers:
            raise RefusedError(400, {"error": {"message": f"No such customer: {account}"}})
        if not self.check_age(int(said["timestamp"])):
            raise RefusedError(400, {"error": {"message": "timestamp is too far in the past or future"}})
        if not self.is_new(said["identifier"]):
            words = f"An event already exists with identifier {said['identifier']}."
            raise RefusedError(400, {"error": {"message": words}})
        self.add(account, said["event_name"], said["payload[value]"])
        return 200, {"object": "billing.meter_event"}


class _Json(UsageReceiver):
    content_type = "application/json"
    id_name = account_name = time_name = ""
    statuses = (200, 400)

    def events(self, body: Any) -> list[Any]:
        return body

    def take(self, headers: Any, body: bytes) -> tuple[int, Any]:
        if headers["content-type"] != self.content_type:
            raise RefusedError(415, "content type")
        # As text: a number that a float would change is seen.
        events = self.events(json.loads(body, parse_float=str, parse_int=str))
        if len(events) > 100:
            raise RefusedError(413, "at most 100 events")
        wrong = [words for each in events if (words := self.wrong(each))]
        if wrong or not events:
            raise RefusedError(self.statuses[1], {"validation": wrong})
        for each in events:
            if self.is_new(self.key_of(each)):
                self.count(each)
        return self.statuses[0], {}

    def key_of(self, event: Any) -> Any:
        return event[self.id_name]

    def wrong(self, event: Any) -> str:
        if not MOMENT.fullmatch(event[self.time_name]):
            return "not RFC 3339"
        if event[self.account_name] in self.unknown_customers or not event[self.account_name]:
            return f"unknown customer {event[self.account_name]}"
        from datetime import datetime

        if not self.check_age(datetime.fromisoformat(event[self.time_name]).timestamp()):
            return "out of the grace period"
        return "" if event[self.id_name] else "no id"

    def count(self, event: Any) -> None:
        for name, value in event["properties"].items():
            if name not in ("model", "provider", "usage_from", "usage_until"):
                assert isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value), value
                self.add(event[self.account_name], name, value)


class Lago(_Json):
    """Its first pipeline: a `transaction_id` is unique for ever, and a known one has the batch refused."""

    path = "/api/v1/events/batch"
    id_name, account_name = "transaction_id", "external_subscription_id"
    statuses = (200, 422)

    def events(self, body: Any) -> list[Any]:
        return body["events"]

    def wrong(self, event: Any) -> str:
        if set(event) != {"transaction_id", "external_subscription_id", "code", "timestamp", "properties"}:
            return "unknown fields"
        if not event["timestamp"].isdigit():
            return "not seconds"
        if event["external_subscription_id"] in self.unknown_customers:
            return "subscription_not_found"
        if event["transaction_id"] in self.known:
            self.duplicates += 1
            return '{"transaction_id":["value_already_exist"]}'
        return ""

    def count(self, event: Any) -> None:
        self.add(event["external_subscription_id"], event["code"], event["properties"]["value"])


class LagoOnClickHouse(Lago):
    """Its newer one: an event with a known id and timestamp replaces that one; another time is another."""

    def wrong(self, event: Any) -> str:
        return super().wrong(event).replace('{"transaction_id":["value_already_exist"]}', "")

    def key_of(self, event: Any) -> Any:
        return event["transaction_id"], event["timestamp"]


class OpenMeter(_Json):
    path = "/api/v1/events"
    content_type = "application/cloudevents-batch+json"
    id_name, account_name, time_name = "id", "subject", "time"
    memory_s = 32 * DAY
    statuses = (204, 400)

    def wrong(self, event: Any) -> str:
        if event.get("specversion") != "1.0" or not event.get("source") or not event.get("type"):
            return "no CloudEvent"
        return super().wrong(event)

    def count(self, event: Any) -> None:
        super().count({**event, "properties": event["data"]})


class Orb(_Json):
    path = "/v1/ingest"
    id_name, account_name, time_name = "idempotency_key", "external_customer_id", "timestamp"
    max_age_s, max_ahead_s = 12 * HOUR, HOUR

    def events(self, body: Any) -> list[Any]:
        return body["events"]


class Metronome(_Json):
    path = "/v1/ingest"
    id_name, account_name, time_name = "transaction_id", "customer_id", "timestamp"
    memory_s, max_age_s, max_ahead_s = 34 * DAY, 34 * DAY, DAY


BASES = {Orb: "/v1", Metronome: "/v1"}
"""What of the path is the owner's `url`."""


@contextmanager
def served(receiver: UsageReceiver) -> Iterator[UsageReceiver]:
    """Serve a vendor on a free port of loopback."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = receiver.handle(self.path, self.headers, body)
            if answer is None:
                self.close_connection = True
                return
            status, said = answer
            content = b"" if status == 204 else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}{BASES.get(type(receiver), '')}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
