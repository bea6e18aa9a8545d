"""What every integration does alike: begin a step, remember it by the framework's id, fail without harm."""

from __future__ import annotations

import functools
import importlib
import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar, cast

from farebox.recording.attribution_merge import merged
from farebox.sdk import attribution, faults
from farebox.sdk.steps import Step, innermost
from farebox.sdk.transports import watching

Kind = Literal["agent", "tool", "chain", "task", "step"]
"""What a step is; a `step` has no name of its own beside the step's."""

_NAME_OF: dict[Kind, str] = {"agent": "agent", "tool": "tag.tool", "chain": "tag.chain", "task": "task"}
_NAME_MAX = 64
_PATH_MAX = 256
_OPEN_MAX = 20_000


_Function = TypeVar("_Function", bound=Callable[..., Any])


def part_of(module: str, name: str) -> Any:
    """Return a class or a variable of a framework, whose types are not known here."""
    return getattr(importlib.import_module(module), name)


def fields(value: Any) -> dict[str, Any]:
    """Return what should be a dictionary; an empty one for everything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def guarded(function: _Function) -> _Function:
    """Have a framework's callback do nothing while nothing is metered, and never raise."""

    @functools.wraps(function)
    def callback(*arguments: Any, **named: Any) -> Any:
        if not watching.everything:
            return None
        try:
            return function(*arguments, **named)
        except Exception as error:
            faults.report(error, f"the integration {function.__module__.rpartition('.')[2]}")
            return None

    return cast("_Function", callback)


def begin(
    source: str,
    kind: Kind,
    name: object,
    parent: Step | None = None,
    more: Mapping[str, object] | None = None,
) -> Step:
    """Return a new step inside `parent`, or inside what the running code belongs to, if that is further in.

    `source`: the framework's name, which the record has as where its names are from. `more`: other names
    that the framework knows, such as `session`; None and empty values say nothing.
    """
    here = innermost()
    if parent is None or (here is not None and here.number > parent.number):
        parent = here
    around = attribution.current()
    if parent is not here and parent is not None:
        around = parent.over(around)  # told in another context than the one it runs in
    text = (str(name or "").strip() or kind)[:_NAME_MAX]
    step = f"{text.replace('/', '_')}:{os.urandom(6).hex()}"  # a slash parts the steps of a path
    outer = around[0].get("step")
    path = (*(parent.path if parent is not None and parent.path else (outer,) if outer else ()), step)
    names: dict[str, object] = {**(more or {}), "step": step, "parent_step": outer}
    if kind in _NAME_OF:
        names[_NAME_OF[kind]] = text
    if kind == "agent" and around[0].get("agent") not in (None, text):
        names["parent_agent"] = around[0]["agent"]
    if len(path) > 2:
        names["step_path"] = "/".join(path)[-_PATH_MAX:]
    return Step(merged(around, attribution.stated(names, None, source)), path)


def named(source: str, names: Mapping[str, object], parent: Step | None = None) -> Step | None:
    """Return what says these names of calls without being a step of its own; None where there are none."""
    here = innermost() if parent is None else parent
    said = attribution.stated(names, None, source)
    if not said[0]:
        return here
    around = attribution.current() if parent is None else parent.over(attribution.current())
    return Step(merged(around, said), here.path if here is not None else ())


class Run(NamedTuple):
    """A run of a framework that has not ended."""

    step: Step | None
    """The step that it is, or the one it is a part of."""
    parent: Hashable | None


class OpenRuns:
    """Runs that have begun, by the framework's ids. Those that never end are forgotten, the oldest first."""

    def __init__(self) -> None:
        self._runs: OrderedDict[Hashable, Run] = OrderedDict()

    def add(self, key: Hashable, step: Step | None, parent: Hashable | None = None) -> None:
        """Note that a run has begun."""
        runs = self._runs
        runs[key] = Run(step, parent)
        while len(runs) > _OPEN_MAX:
            try:
                runs.popitem(last=False)
            except KeyError:  # another thread was faster
                break

    def end(self, key: Hashable) -> None:
        """Note that a run has ended."""
        self._runs.pop(key, None)

    def step(self, key: Hashable | None) -> Step | None:
        """Return the step of an open run."""
        run = self._runs.get(key)
        return None if run is None else run.step

    def __contains__(self, key: Hashable) -> bool:
        return key in self._runs
