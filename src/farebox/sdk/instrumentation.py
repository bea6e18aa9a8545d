"""Turn metering on: for every supported transport of this process, or for one client."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from farebox.errors import UsageError
from farebox.sdk import faults
from farebox.sdk.settings import collector_address, is_disabled, settings
from farebox.sdk.transports import patches, watching

_TRANSPORTS = {"httpx": "httpx", "httpx2": "httpx", "urllib3": "urllib3", "aiohttp": "aiohttp"}
"""Package of a stack, and the module here that meters it."""

FRAMEWORKS = {
    "agents.tracing": "openai_agents",
    "crewai.events.event_bus": "crewai",
    "langchain_core.tracers.context": "langchain",
    "litellm": "litellm",
    "llama_index_instrumentation": "llama_index",
    "pydantic_ai": "pydantic_ai",
}
"""Module of a framework, and the module of `farebox.integrations` that attaches to it once it is loaded."""


def instrument(*, enforce: bool = False) -> None:
    """Meter every call that this process makes to a known provider, whatever client makes it.

    Works for clients built before and after, and for stacks that are imported later. Twice is once. A
    forked child goes on metering by itself. Frameworks that the program imports, before or after, name the
    agents, chains and tools that calls belong to (docs/guides/integrations).

    `enforce`: hold each call against this machine's budgets before it is sent. It waits as long as its
    budget says where others are about to free some room; a call without room raises `BudgetExceededError`.

    Raises:
        UsageError: Budgets are to be enforced, and this process sends its records to a collector: they hold
            on one machine.
    """
    if enforce and collector_address() is not None:
        raise UsageError(
            "enforce=True needs the budgets of this machine, and this process sends its records to a "
            "collector elsewhere; run without FAREBOX_COLLECTOR, or send the calls through a Farebox"
        )
    try:
        if is_disabled():
            return
        _install()
        _attach_loaded()
        watching.meter_everything(True)
        if enforce:
            _enforce()
    except Exception as error:
        faults.report(error, "instrument()")


def uninstrument() -> None:
    """Undo `instrument()` and `wrap()`; what is under way is metered to its end."""
    if settings.enforces:
        from farebox.sdk import enforcement

        enforcement.turn_off()
    try:
        watching.meter_everything(False)
        if _finder in sys.meta_path:
            sys.meta_path.remove(_finder)
        patches.restore_all()
    except Exception as error:
        faults.report(error, "uninstrument()")


def prepare() -> None:
    """Make transports able to be metered, and meter none."""
    if not is_disabled():
        _install()


def _enforce() -> None:
    from farebox.sdk import enforcement
    from farebox.sdk.transports import generated_clients

    for name, module in list(sys.modules.items()):
        if name.endswith(f".{generated_clients.MODULE}"):
            generated_clients.install(module)
    enforcement.turn_on()


def _install() -> None:
    for name in _TRANSPORTS:
        module = sys.modules.get(name)
        if module is not None:
            _patch(name, module)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def _attach_loaded() -> None:
    _finder.finds_frameworks = True
    for name in FRAMEWORKS:
        module = sys.modules.get(name)
        if module is not None and not getattr(module.__spec__, "_initializing", False):
            _patch(name, module)


def _patch(name: str, module: ModuleType) -> None:
    try:
        if name in FRAMEWORKS:
            importlib.import_module(f"farebox.integrations.{FRAMEWORKS[name]}").attach(module)
            return
        if name not in _TRANSPORTS:
            from farebox.sdk.transports import generated_clients

            generated_clients.install(module)
            return
        own = importlib.import_module(f"farebox.sdk.transports.{_TRANSPORTS[name]}")
        own.install(module)
    except Exception as error:
        faults.report(error, f"metering {name}")


class _Finder(importlib.abc.MetaPathFinder):
    """Sees to it that a stack that is imported later is metered, too, without importing it now."""

    def __init__(self) -> None:
        self.finds_frameworks = False
        self._looking: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        wanted = (
            fullname in _TRANSPORTS
            or (settings.enforces and fullname.endswith("._base_client"))
            or (self.finds_frameworks and fullname in FRAMEWORKS)
        )
        if not wanted or fullname in self._looking:
            return None
        self._looking.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._looking.discard(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, lambda module: _patch(fullname, module))
        return spec


class _Loader(importlib.abc.Loader):
    """A module's own loader, and what is done once it has loaded."""

    def __init__(self, loader: Any, then: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._then = then

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._then(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


_finder = _Finder()
