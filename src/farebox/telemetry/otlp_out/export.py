"""Send what the record has new to an OTLP endpoint: the record is the outbox, with a cursor.

Never on the path of a request: a thread of the server reads calls a few seconds after they were appended,
when their witnesses are together. A batch is sent until it is taken; what an endpoint refuses for good is
passed over and counted, and so is what is older than the backlog kept for one that does not respond.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from farebox.clock import iso, now_ns
from farebox.config.configuration import OtlpConfig
from farebox.errors import FareboxError
from farebox.home import Home
from farebox.ledger.call_row import CallRow
from farebox.outbound.destination import destination
from farebox.outbound.http_post import RequestFailedError, Response, post
from farebox.standard_error import tell
from farebox.telemetry.otlp_out.exported import Exported, read_exported, write_exported
from farebox.telemetry.otlp_out.messages import request
from farebox.telemetry.otlp_out.spans import span_of
from farebox.telemetry.otlp_out.usage_metrics import UsageMetrics

LOOK_EVERY_S = 5.0
BATCH = 512
BACKLOG_MAX = 1_000_000
"""Rows of the record that an endpoint may be behind; what is beyond is not sent to it any more."""
SETTLED_NS = 3 * 10**9
"""Calls are sent once they were appended so long ago."""
RETRY_S_MAX = 300.0
_RETRIED = frozenset((408, 429, 500, 502, 503, 504))
"""Statuses after which the same is sent again. https://opentelemetry.io/docs/specs/otlp/#failures-1"""


class Record(Protocol):
    """The part of `farebox.ledger.calls.LedgerReader` that is used here."""

    def after(self, seq: int, limit: int) -> list[CallRow]: ...
    def last_seq(self) -> int: ...


Post = Callable[[str, dict[str, str], bytes], Response]


class OtlpExport:
    """Sends for one home."""

    def __init__(
        self,
        home: Home,
        config: OtlpConfig,
        record: Record,
        *,
        send: Post | None = None,
        own_ports: Callable[[], frozenset[int]] = frozenset,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        self._home = home
        self._config = config
        self._record = record
        self._send = send or self._post
        self._own_ports = own_ports
        self._clock = clock
        self._metrics = UsageMetrics(clock())
        self._failures = 0
        self._unsent = False
        """Metrics have grown since they were taken: sums, so that the next ones say it all."""
        self._state: Exported | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Send in a thread, until closed."""
        threading.Thread(target=self._run, name="otlp-export", daemon=True).start()

    def close(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        wait_s = LOOK_EVERY_S
        while not self._stopped.wait(wait_s):
            wait_s = self.look()

    def look(self) -> float:
        """Send one batch of what is new; return in how many seconds to look again."""
        try:
            state = self._state or self._begin()
            calls = self._settled(state)
            if calls:
                self._take(state, calls)
            if self._unsent and "metrics" in self._config.signals:
                self._deliver("/v1/metrics", request(self._metrics.message(self._clock())))
            self._unsent = False
        except (RequestFailedError, FareboxError, OSError) as error:
            return self._failed(str(error))
        except Exception as error:  # the thread goes on, whatever a secret or a row holds
            return self._failed(f"{type(error).__name__}: {error}")
        self._failures = 0
        return 0.0 if len(calls) == BATCH else LOOK_EVERY_S

    def _begin(self) -> Exported:
        """Return how far this endpoint was sent the record; a new one is sent what comes from now on."""
        kept = read_exported(self._home)
        if (
            kept is not None
            and kept.endpoint == self._config.endpoint
            and kept.seq <= self._record.last_seq()
        ):
            self._state = kept
            return kept
        self._state = Exported(endpoint=self._config.endpoint, seq=self._record.last_seq())
        write_exported(self._home, self._state)
        return self._state

    def _settled(self, state: Exported) -> list[CallRow]:
        behind = self._record.last_seq() - state.seq
        if behind > BACKLOG_MAX:
            state.passed_over += behind - BACKLOG_MAX
            state.seq += behind - BACKLOG_MAX
        before = iso(self._clock() - SETTLED_NS)[:19]
        calls: list[CallRow] = []
        for call in self._record.after(state.seq, BATCH):
            if call.recorded_at[:19] >= before:
                break
            calls.append(call)
        return calls

    def _take(self, state: Exported, calls: Sequence[CallRow]) -> None:
        """Send a batch and note it.

        Raises:
            RequestFailedError: It was not taken, and is to be sent again.
        """
        taken = True
        if "traces" in self._config.signals:
            taken = self._deliver("/v1/traces", request(b"".join(map(span_of, calls))))
        for call in calls:
            self._metrics.add(call)
        state.seq = calls[-1].seq
        state.sent += len(calls) if taken else 0
        state.refused += 0 if taken else len(calls)
        state.failing = state.failing_since = None
        write_exported(self._home, state)
        self._unsent = True

    def _deliver(self, path: str, body: bytes) -> bool:
        """Return whether the endpoint took a request; False where it never will.

        Raises:
            RequestFailedError: It may take it later.
        """
        headers = {name: reference.secret().reveal() for name, reference in self._config.headers}
        headers |= {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
        response = self._send(f"{self._config.endpoint}{path}", headers, gzip.compress(body, 1))
        if response.status in _RETRIED:
            raise RequestFailedError(f"{path}: status {response.status}")
        if not 200 <= response.status < 300:
            if self._state is not None and self._state.refused == 0:
                why = f"{path} was refused with status {response.status}"
                tell(f"farebox: otlp: {why}; its calls are passed over")
            return False
        return True

    def _failed(self, why: str) -> float:
        self._failures += 1
        state = self._state
        if state is not None and state.failing != why:
            if state.failing is None:
                tell(f"farebox: otlp: nothing can be sent to {self._config.endpoint}: {why}")
            state.failing, state.failing_since = why, state.failing_since or iso(self._clock())
            write_exported(self._home, state)
        return min(LOOK_EVERY_S * 2.0**self._failures, RETRY_S_MAX) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret

    def _post(self, url: str, headers: dict[str, str], body: bytes) -> Response:
        to = destination(url, self._config.address)
        return asyncio.run(post(to, headers, body, own_ports=self._own_ports()))
