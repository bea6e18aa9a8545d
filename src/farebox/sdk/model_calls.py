"""Model calls that a framework announces: whether a transport sees their requests, and whose they are.

A framework's callback begins one, right before the framework sends the request. The request's exchange
finds it in the context, which tasks and threads of frameworks copy: so the callback at its end knows whether
the call is written down, and records it only where it is not.
"""

from __future__ import annotations

from contextvars import ContextVar

from farebox.recording.attribution_merge import NOBODY, Attribution
from farebox.sdk import attribution
from farebox.sdk.steps import Step, finders

_under_way: ContextVar[ModelCall | None] = ContextVar("farebox_model_call", default=None)


class ModelCall:
    """One call of a model, as a framework announces it."""

    __slots__ = ("batch", "is_seen", "is_sending", "outer", "said", "step")

    def __init__(self, step: Step | None, batch: object = None) -> None:
        self.batch = batch
        """What it has in common with calls that are announced before any of them is sent."""
        self.step = step
        """Where it belongs, which names its requests."""
        self.is_sending = True
        """Requests that are made in its context are its own: until there is a response."""
        self.is_seen = False
        """A transport has it, or an announcement that is nearer to the transport."""
        self.outer = _open()
        self.said: Attribution = NOBODY
        """Whose it is: the end may be told in a thread that knows nothing of it."""

    def end(self) -> None:
        """Have requests that follow not be taken for its own."""
        self.is_sending = False


def announce(step: Step | None, batch: object = None) -> ModelCall:
    """Begin a call here. A framework that calls another one announces it twice: the inner one records it.

    Calls of one `batch` are beside each other, and one announcement: a transport sees all of them, or none.
    """
    if _step_of_call not in finders:
        finders.append(_step_of_call)
    beside = _open()
    if batch is not None and beside is not None and beside.batch is batch:
        return beside
    call = ModelCall(step, batch)
    see(call.outer)
    _under_way.set(call)
    call.said = attribution.current()
    return call


def see(call: ModelCall | None) -> None:
    """Note that a call, and all that announced the same one, is written down by somebody else."""
    while call is not None:
        call.is_seen = True
        call = call.outer


def sent() -> ModelCall | None:
    """Note that a transport sends a request here; return the call that it is of, where one was announced."""
    call = _open()
    see(call)
    return call


def responded(call: ModelCall | None) -> None:
    """Note that there is a response: what follows in this context is something else."""
    while call is not None:
        call.is_sending = False
        call = call.outer


def _open() -> ModelCall | None:
    call = _under_way.get()
    while call is not None and not call.is_sending:
        call = call.outer
    return call


def _step_of_call() -> Step | None:
    call = _open()
    return None if call is None else call.step
