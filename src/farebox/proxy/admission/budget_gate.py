"""Let a call pass, have it wait for room, or turn it away: what budgets and stops say, before INTENT.

There is a gate only while there are budgets or stops. A call that waits stays where it is, with its client's
connection open and nothing sent; one whose client leaves gives its place up.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from farebox.budgets import refusal
from farebox.budgets.counters import POLL_S
from farebox.budgets.hold import Hold
from farebox.budgets.refusal import Refusal
from farebox.clock import now_ns
from farebox.proxy.admission.alike_calls import Alike
from farebox.proxy.admission.stream_watch import StreamWatch
from farebox.wire.request import RequestFacts
from farebox.wire.usage.extract import without_prefix

if TYPE_CHECKING:
    import asyncio

    from farebox.budgets.call_kind import CallKind
    from farebox.budgets.call_limits import CallLimits, Outcome
    from farebox.budgets.counters import Waiting
    from farebox.money import PicoUsd
    from farebox.proxy.admission.routed_request import RoutedRequest
    from farebox.proxy.caller.connection_caller import ConnectionCaller
    from farebox.recording.attempt import Attempt
    from farebox.recording.attribution_merge import Attribution
    from farebox.wire.request_limits import LimitKeys

log = logging.getLogger("farebox.proxy")

_NO_FACTS = RequestFacts()
_LOOK_UP_S = 3.0
"""How long a call waits for the name of its process, where that decides which budgets cover it."""


class Applicant(Protocol):
    """What a gate asks of an exchange, a stream or a socket."""

    routed: RoutedRequest

    @property
    def attempt(self) -> Attempt: ...
    @property
    def caller(self) -> ConnectionCaller: ...
    def admitted(self) -> None:
        """Go on: `attempt.hold` is what is held for it."""
        ...

    def turned_away(self, why: Refusal) -> None:
        """Say so to the client."""
        ...


class BudgetGate:
    """One proxy's."""

    def __init__(self, limits: CallLimits, keys: LimitKeys, loop: asyncio.AbstractEventLoop) -> None:
        """`keys`: what of a request decides what it can cost."""
        self.keys = keys
        self._limits = limits
        self._loop = loop
        self._waiting: dict[Applicant, Waiting | None] = {}
        """Calls without an outcome, the first come first; None for those whose process is looked up."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    def ask(self, call: Applicant) -> bool:
        """Return whether a call may go on at once; else it is told later, or has been turned away.

        Its request has to be complete, or as complete as it will be.
        """
        try:
            return self._ask(call)
        except Exception:
            log.exception("a call could not be held against its budgets")
            call.turned_away(refusal.unusable())
            return False

    def ask_for_turn(
        self, attempt: Attempt, routed: RoutedRequest, caller: ConnectionCaller
    ) -> Refusal | None:
        """Hold a turn of a socket, or say why it may not begin; turns do not wait."""
        limits = self._limits
        facts, at_ns = attempt.facts, attempt.occurred_at_ns
        attribution = routed.attribution(caller.attribution, facts)
        alike = self._alike(limits, routed, attribution, facts.request_model, at_ns)
        covered = alike.covered
        if covered.stop is not None:
            return refusal.stopped(covered.stop)
        outcome = limits.turn(covered, at_ns, alike.names)
        if isinstance(outcome, Refusal):
            return outcome
        if outcome is not None:
            attempt.hold, attempt.held = outcome, outcome.held
        return None

    def may_cost(self, routed: RoutedRequest) -> bool:
        """Return whether calls like this can cost anything: the others need not be read before they pass."""
        target = routed.target
        worst = self._limits.worst_cases.of(
            target.endpoint,
            routed.path_values,
            _NO_FACTS,
            at_ns=now_ns(),
            method=target.method,
            path=target.path,
        )
        return bool(worst.because) or worst.cost_pico != 0 or worst.charge_pico != 0

    def watch(self, call: Applicant) -> StreamWatch | None:
        """Return what watches the response of a call that may cost more than is held; None for most."""
        hold, routed, facts = call.attempt.hold, call.routed, call.attempt.facts
        if not isinstance(hold, Hold) or not hold.is_watched:
            return None
        endpoint = routed.target.endpoint
        provider = endpoint.prices_id
        provider = provider.format_map(routed.path_values) if "{" in provider else provider
        model = without_prefix(facts.request_model, endpoint.model_prefixes)
        asked = call.attempt.request_bytes // 4

        def cost_of(tokens: int) -> PicoUsd | None:
            return hold.estimated(provider, model, asked, tokens)

        return StreamWatch(
            hold,
            cost_of,
            hold.no_room,
            shape=routed.error_shape,
            surface=endpoint.surface,
            streamed=facts.stream,
        )

    def leave(self, call: Applicant) -> None:
        """Give a call's place up: its client has left."""
        waiting = self._waiting.pop(call, None)
        if waiting is not None:
            self._limits.leave(waiting)
            self._see_soon()

    def settled(self) -> None:
        """Take note that a call has ended: there may be room for one that waits."""
        if self._waiting:
            self._see_soon()

    def renew(self, limits: CallLimits | None) -> None:
        """Use other budgets, stops or prices from now on, also for calls that wait; None: there are none."""
        calls = self._taken_back(list(self._waiting))
        if limits is not None:
            self._limits = limits
            self._ask_again(calls)
            return
        looked_up, self._waiting = list(self._waiting), {}
        for call in (*calls, *looked_up):
            call.admitted()

    def sweep(self) -> None:
        """Once a second: see whether windows have ended, and whether the counters were replaced."""
        participant = self._limits.participant
        if participant is not None and not self._waiting:
            participant.poll()
        now = now_ns()
        ended = [
            call
            for call, waiting in self._waiting.items()
            if waiting is not None and any(0 < holding.account.end_ns <= now for holding, _ in waiting.claims)
        ]
        for call in ended:
            call.attempt.occurred_at_ns = now  # it is a call of the window in which it is sent
        self._ask_again(self._taken_back(ended))

    # Details.

    def _ask(self, call: Applicant) -> bool:
        limits = self._limits
        caller, attempt, routed = call.caller, call.attempt, call.routed
        facts, at_ns = attempt.facts, attempt.occurred_at_ns
        attribution = routed.attribution(caller.attribution, facts)
        if limits.by_process and not caller.known and not limits.by_process <= attribution[0].keys():
            self._look_up(call, caller)
            return False
        alike = self._alike(limits, routed, attribution, facts.request_model, at_ns)
        covered = alike.covered
        if covered.stop is not None:
            call.turned_away(refusal.stopped(covered.stop))
            return False
        if not covered.limits and not covered.has_hard:
            return True
        worst = limits.worst_cases.of_kind(self._kind(alike, routed, facts, at_ns), facts)
        if worst.cost_pico == 0 == worst.charge_pico and not worst.because:
            return True
        outcome = limits.reserve(
            covered, worst, alike.model, at_ns, alike.names, lambda found: self._tell(call, found)
        )
        if isinstance(outcome, Hold):
            attempt.hold, attempt.held = outcome, outcome.held
            return True
        if isinstance(outcome, Refusal):
            call.turned_away(outcome)
            return False
        self._waiting[call] = outcome
        self._see_later()
        return False

    def _alike(
        self,
        limits: CallLimits,
        routed: RoutedRequest,
        attribution: Attribution,
        asked_for: str | None,
        at_ns: int,
    ) -> Alike:
        """Return what follows for a call from whose it is and which model it asks for."""
        known = routed.alike
        if (
            known is not None
            and known.attribution is attribution
            and known.limits is limits
            and known.asked_for == asked_for
            and at_ns < known.until_ns
        ):
            return known
        intent = routed.intent
        model = without_prefix(asked_for, routed.target.endpoint.model_prefixes)
        whose = limits.whose(attribution, intent.key_fingerprint, at_ns)
        covered = limits.covering(
            *whose,
            provider=intent.provider,
            request_model=model,
            key_fingerprint=intent.key_fingerprint,
            at_ns=at_ns,
        )
        names = routed.asking(whose[0]) if limits.by_contract else whose[0]
        until_ns = min(covered.end_ns, limits.whose_until_ns(whose, at_ns))
        routed.alike = alike = Alike(limits, attribution, asked_for, model, covered, names, until_ns)
        return alike

    def _kind(self, alike: Alike, routed: RoutedRequest, facts: RequestFacts, at_ns: int) -> CallKind:
        """Return which kind of call it is; mostly the one of the call before."""
        worst_cases = alike.limits.worst_cases
        asked = None if facts.limits is None else facts.limits.kind
        kind = alike.kind
        if (
            kind is not None
            and alike.asked is asked
            and alike.edition == worst_cases.edition
            and at_ns < kind.end_ns
        ):
            return kind
        target = routed.target
        alike.kind = kind = worst_cases.kind(
            target.endpoint,
            routed.path_values,
            facts,
            at_ns=at_ns,
            attribution=alike.names,
            method=target.method,
            path=target.path,
        )
        alike.asked, alike.edition = asked, worst_cases.edition
        return kind

    def _tell(self, call: Applicant, outcome: Outcome) -> None:
        """Hand a call that has waited its outcome."""
        if self._waiting.pop(call, None) is None:
            if isinstance(outcome, Hold):
                outcome.give_back()  # it has left meanwhile
            return
        if isinstance(outcome, Hold):
            call.attempt.hold, call.attempt.held = outcome, outcome.held
            call.admitted()
        else:
            call.turned_away(outcome)

    def _look_up(self, call: Applicant, caller: ConnectionCaller) -> None:
        """Wait until it is known which process a call comes from, but not for ever."""
        self._waiting[call] = None
        late = self._loop.call_later(_LOOK_UP_S, caller.found, None, None)

        def known() -> None:
            late.cancel()
            if call in self._waiting:
                del self._waiting[call]
                if self.ask(call):
                    call.admitted()

        caller.when_known(known)

    def _taken_back(self, calls: list[Applicant]) -> list[Applicant]:
        """Give the places of calls up that wait for room, and return these calls."""
        found: list[Applicant] = []
        for call in calls:
            waiting = self._waiting.get(call)
            if waiting is not None:  # else it will be asked when its process is known
                del self._waiting[call]
                self._limits.leave(waiting)
                found.append(call)
        return found

    def _ask_again(self, calls: list[Applicant]) -> None:
        for call in calls:
            if self.ask(call):
                call.admitted()

    def _see_later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(POLL_S, self._see)

    def _see_soon(self) -> None:
        """See whose turn it is once what happens now has happened."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(0, self._see)

    def _see(self) -> None:
        self._timer = None
        participant = self._limits.participant
        if participant is not None:
            participant.poll()
        if self._waiting:
            self._see_later()
