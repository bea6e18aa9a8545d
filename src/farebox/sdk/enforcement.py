"""Hold this process's calls against its machine's budgets before they are sent: `instrument(enforce=True)`.

The same counters as the proxy's. There is no thread: what is published is looked at when a call begins, at
most once a second, and a call that waits polls by itself.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from farebox.budgets import refusal
from farebox.budgets.counters import POLL_S
from farebox.budgets.hold import Hold
from farebox.budgets.limits_in_force import LimitsInForce
from farebox.budgets.refusal import Refusal
from farebox.errors import BudgetExceededError
from farebox.sdk import faults
from farebox.sdk.process_meter import process_meter
from farebox.sdk.refusals import raised
from farebox.sdk.settings import settings
from farebox.wire.usage.extract import without_prefix

if TYPE_CHECKING:
    from farebox.budgets.call_limits import CallLimits, Outcome
    from farebox.budgets.counters import Waiting
    from farebox.recording.attribution_merge import Attribution
    from farebox.sdk.addresses.known_request import KnownRequest
    from farebox.sdk.process_meter import ProcessMeter
    from farebox.wire.request import RequestFacts
    from farebox.wire.request_limits import LimitKeys

_LOOK_EVERY_S = 1.0


class Call(Protocol):
    """What is asked of a call that has not been sent yet (`farebox.sdk.exchange`)."""

    known: KnownRequest
    facts: RequestFacts
    occurred_at_ns: int

    def attribution(self) -> Attribution: ...


class Enforcement:
    """One process's."""

    def __init__(self, meter: ProcessMeter) -> None:
        config = meter.config
        self._limits_in_force = LimitsInForce(
            meter.home,
            meter.published,
            meter.catalog,
            writer_id=meter.recorder.writer_id(),
            config_file=Path(config.named) if config.named else None,
        )
        self._limits: CallLimits | None = None
        self._look_at = 0.0

    @property
    def keys(self) -> LimitKeys:
        """What of a request decides what it can cost."""
        return self._limits_in_force.keys

    def current(self) -> CallLimits | None:
        """Return what is in force, None without a limit."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_EVERY_S
            self._limits = self._limits_in_force.current()
        return self._limits

    def ask(self, call: Call, told: Callable[[Outcome], None]) -> Hold | Waiting | Refusal | None:
        """Hold what a call can cost, have it wait, or refuse it; None where nothing covers it."""
        limits = self.current()
        if not limits:
            return None
        known = call.known
        attribution = limits.whose(call.attribution(), known.intent.key_fingerprint, call.occurred_at_ns)
        names = attribution[0]
        model = without_prefix(call.facts.request_model, known.endpoint.model_prefixes)
        covered = limits.covering(
            *attribution,
            provider=known.intent.provider,
            request_model=model,
            key_fingerprint=known.intent.key_fingerprint,
            at_ns=call.occurred_at_ns,
        )
        if covered.stop is not None:
            return refusal.stopped(covered.stop)
        if not covered.limits and not covered.has_hard:
            return None
        if limits.by_contract and known.intent.key_fingerprint:
            names = {**names, "key": known.intent.key_fingerprint}
        worst = limits.worst_cases.of(
            known.endpoint,
            known.endpoint.path_values(known.path) if known.endpoint.has_values else {},
            call.facts,
            at_ns=call.occurred_at_ns,
            attribution=names,
            method=known.intent.method,
            path=known.path,
        )
        if worst.cost_pico == 0 == worst.charge_pico and not worst.because:
            return None
        return limits.reserve(covered, worst, model, call.occurred_at_ns, names, told)

    def poll(self) -> None:
        """See whether there is room by now for calls that wait."""
        participant = self._limits.participant if self._limits is not None else None
        if participant is not None:
            participant.poll()

    def leave_to_parent(self) -> None:
        """In a child of a fork: have nothing to do with what the parent holds."""
        participant = self._limits.participant if self._limits is not None else None
        if participant is not None:
            participant.leave_to_parent()

    def close(self) -> None:
        self._limits_in_force.close()


class Place:
    """Where a call stands with its budgets until it may be sent."""

    def __init__(self, enforcement: Enforcement) -> None:
        self._enforcement = enforcement
        self._outcome: Outcome | None = None
        self._waiting: Waiting | None = None

    def ask(self, call: Call) -> bool:
        """Return whether anything covers the call."""
        found = self._enforcement.ask(call, self._tell)
        if isinstance(found, Hold | Refusal):
            self._outcome = found
        else:
            self._waiting = found
        return found is not None

    def wait(self) -> Outcome:
        """Sleep until there is an outcome, and return it."""
        try:
            while self._outcome is None:
                self._enforcement.poll()
                if self._outcome is None:
                    time.sleep(POLL_S)
            return self._outcome
        except BaseException:
            self._leave()
            raise

    async def wait_async(self) -> Outcome:
        """The same, for an event loop."""
        try:
            while self._outcome is None:
                self._enforcement.poll()
                if self._outcome is None:
                    await _sleep(POLL_S)
            return self._outcome
        except BaseException:
            self._leave()
            raise

    def _tell(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def _leave(self) -> None:
        if isinstance(self._outcome, Hold):
            self._outcome.give_back()
        elif self._waiting is not None:
            self._waiting.leave()


class NoPlace(Place):
    """That of a call of which nobody can tell whether there is room: it is refused, as the proxy does."""

    def __init__(self) -> None:
        self._outcome = refusal.unusable()


async def _sleep(seconds: float) -> None:
    """Sleep in whatever event loop runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # trio, which httpx reaches by way of anyio
        from anyio import sleep

        await sleep(seconds)
    else:
        await asyncio.sleep(seconds)


_made: tuple[ProcessMeter, Enforcement] | None = None
_making = threading.Lock()


def turn_on() -> None:
    """Have calls held against budgets from now on; what takes long is done now, and not with a call."""
    settings.enforces = True
    meter = process_meter()
    if meter is not None:
        keys_for(meter)


def turn_off() -> None:
    """Hold no more calls."""
    settings.enforces = False
    _forget()


def place_of(meter: ProcessMeter, call: Call) -> Place | None:
    """Return where a call stands; None where nothing limits it. Never raises."""
    try:
        place = Place(_enforcement(meter))
        return place if place.ask(call) else None
    except Exception as error:
        faults.report(error, "enforcing budgets")
        return NoPlace()


def keys_for(meter: ProcessMeter) -> LimitKeys | None:
    """Return what of a request decides what it can cost; None where nothing has to be known."""
    try:
        enforcement = _enforcement(meter)
        return enforcement.keys if enforcement.current() else None
    except Exception as error:
        faults.report(error, "enforcing budgets")
        return None


def refused(why: Refusal) -> BaseException:
    """Return what to raise in a transport."""
    return raised(BudgetExceededError(why.message, reason=why.slug))


def _enforcement(meter: ProcessMeter) -> Enforcement:
    global _made
    made = _made
    if made is not None and made[0] is meter:
        return made[1]
    with _making:
        if _made is None or _made[0] is not meter:
            _forget()
            _made = meter, Enforcement(meter)
        return _made[1]


def _forget() -> None:
    global _made
    made, _made = _made, None
    if made is not None:
        made[1].close()


def _after_fork() -> None:
    global _made, _making
    _making = threading.Lock()
    made, _made = _made, None
    if made is not None:
        made[1].leave_to_parent()


os.register_at_fork(after_in_child=_after_fork)
