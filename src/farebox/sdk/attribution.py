"""Whose calls they are: what the program says around them, kept in a context variable.

Tasks inherit it, and threads that are started with a copied context. What frameworks say of their steps is
laid over it where the step is further in (`steps.py`).
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextvars import ContextVar, Token, copy_context
from types import TracebackType
from typing import Any, TypeVar, cast

from farebox.recording.attribution_merge import NOBODY, Attribution, merged
from farebox.sdk import faults
from farebox.sdk.steps import Step, finders, innermost

_SOURCE = "sdk:attribute"
_VALUE_MAX = 256

_current: ContextVar[Attribution] = ContextVar("farebox_attribution", default=NOBODY)

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Block(tuple[dict[str, str], dict[str, str]]):
    """What holds in a block that was entered inside a framework's step."""

    step: Step | None = None


def current() -> Attribution:
    """Return what is said around the code that is running, by the program and by frameworks."""
    held = _current.get()
    if not finders:
        return held
    step = innermost()
    if step is None or (type(held) is _Block and held.step is step):
        return held
    return step.over(held)


def stated(
    names: Mapping[str, object], tags: Mapping[str, object] | None = None, source: str = _SOURCE
) -> Attribution:
    """Return an attribution of what was given; None and empty values say nothing."""
    found: dict[str, str] = {}
    for name, value in names.items():
        text = "" if value is None else str(value).strip()[:_VALUE_MAX]
        if text:
            found[name] = text
    for name, value in (tags or {}).items():
        text = "" if value is None else str(value).strip()[:_VALUE_MAX]
        if text:
            found[f"tag.{str(name).strip().lower()}"] = text
    return found, dict.fromkeys(found, source)


class attribute:
    """Say whose the calls inside a `with` or `async with` block are, or those of a decorated function.

    Blocks nest; the inner one's word stands. Something that is None is not said.
    """

    def __init__(
        self,
        customer: object = None,
        *,
        user: object = None,
        agent: object = None,
        session: object = None,
        task: object = None,
        project: object = None,
        app: object = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        self._said: Attribution = NOBODY
        self._entered: list[_Entered] = []
        try:
            names = {"customer": customer, "user": user, "agent": agent, "session": session, "task": task}
            self._said = stated({**names, "project": project, "app": app}, tags)
        except Exception as error:
            faults.report(error, "attribute()")

    def __enter__(self) -> None:
        self._entered.append(_enter(lambda: self._said))

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        if self._entered:
            _leave(self._entered.pop())

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.__exit__()

    def __call__(self, function: _Function) -> _Function:
        return _decorated(function, lambda: self._said)


_Entered = tuple[Token[Attribution] | None, Attribution]
"""What undoes it, and what held before."""


def _enter(said: Callable[[], Attribution]) -> _Entered:
    """Have what `said` returns hold from here on; never raises."""
    try:
        before = _current.get()
        if not finders:
            return _current.set(merged(before, said())), before
        inside = _Block(merged(current(), said()))
        inside.step = innermost()
        return _current.set(cast("Attribution", inside)), before
    except Exception as error:
        faults.report(error, "attribution")
        return None, NOBODY


def _said_once(said: Callable[[], Attribution]) -> Callable[[], Attribution]:
    """Return what says the same again, asked once; never raises."""
    try:
        found = said()
    except Exception as error:
        faults.report(error, "attribution")
        found = NOBODY
    return lambda: found


def _leave(entered: _Entered) -> None:
    try:
        if entered[0] is not None:
            _current.reset(entered[0])
    except Exception:  # left in another context than it was entered in, as generators can be
        _current.set(entered[1])


def meter(
    function: Callable[..., Any] | None = None,
    *,
    agent: object = None,
    customer: object = None,
    task: object = None,
    session: object = None,
    tags: Mapping[str, object] | None = None,
) -> Any:
    """Make a function, of whatever kind, a step: calls inside it belong to it, and to the step around it.

    `@farebox.meter` and `@farebox.meter(agent="planner")` both work.
    """

    def decorate(inner: _Function) -> _Function:
        name = getattr(inner, "__name__", "step")
        said = NOBODY
        try:
            said = stated({"agent": agent, "customer": customer, "task": task, "session": session}, tags)
        except Exception as error:
            faults.report(error, "meter()")

        def step() -> Attribution:
            around = current()[0].get("step")
            steps = {"step": f"{name}:{os.urandom(6).hex()}"}
            if around is not None:
                steps["parent_step"] = around
            return merged(said, (steps, dict.fromkeys(steps, "sdk:meter")))

        return _decorated(inner, step)

    return decorate if function is None else decorate(function)


def _decorated(function: _Function, said: Callable[[], Attribution]) -> _Function:
    """Return a function whose body, and nothing else, runs with what `said` returns."""
    try:
        if inspect.isasyncgenfunction(function):
            made: Any = _async_generator(function, said)
        elif inspect.iscoroutinefunction(function):

            async def coroutine(*arguments: Any, **named: Any) -> Any:
                entered = _enter(said)
                try:
                    return await function(*arguments, **named)
                finally:
                    _leave(entered)

            made = coroutine
        elif inspect.isgeneratorfunction(function):
            made = _generator(function, said)
        else:

            def plain(*arguments: Any, **named: Any) -> Any:
                entered = _enter(said)
                try:
                    return function(*arguments, **named)
                finally:
                    _leave(entered)

            made = plain
        return cast("_Function", functools.wraps(function)(made))
    except Exception as error:
        faults.report(error, "meter()")
        return function


def _generator(function: Callable[..., Any], said: Callable[[], Attribution]) -> Callable[..., Any]:
    def generator(*arguments: Any, **named: Any) -> Generator[Any, Any, Any]:
        context = copy_context()
        context.run(_enter, said)
        inner = function(*arguments, **named)
        resume: Callable[[], Any] = inner.__next__
        while True:
            try:
                item = context.run(resume)
            except StopIteration as end:
                return end.value
            try:
                sent = yield item
            except GeneratorExit:
                context.run(inner.close)
                raise
            except BaseException as error:
                resume = functools.partial(inner.throw, error)
            else:
                resume = functools.partial(inner.send, sent)

    return generator


def _async_generator(function: Callable[..., Any], said: Callable[[], Attribution]) -> Callable[..., Any]:
    async def generator(*arguments: Any, **named: Any) -> AsyncGenerator[Any, Any]:
        mine = _said_once(said)
        inner = function(*arguments, **named)
        resume: Callable[[], Any] = inner.__anext__
        while True:
            entered = _enter(mine)
            try:
                item = await resume()
            except StopAsyncIteration:
                return
            finally:
                _leave(entered)
            try:
                sent = yield item
            except GeneratorExit:
                entered = _enter(mine)
                try:
                    await inner.aclose()
                finally:
                    _leave(entered)
                raise
            except BaseException as error:
                resume = functools.partial(inner.athrow, error)
            else:
                resume = functools.partial(inner.asend, sent)

    return generator
