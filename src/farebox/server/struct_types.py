"""Have msgspec look at the fields' types of each struct before threads can share it.

It does so when a struct is first decoded, and two threads that do it at once end the process by signal 11:
the second one finds fields whose types are not there yet (msgspec 0.22; tests/server/test_struct_types.py).
Modules are imported when they are needed here, so their structs are looked at as part of their import.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import sys
import threading
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, cast

import msgspec


def know_types(package: str = "farebox") -> None:
    """Look at the structs of a package's modules, and from now on at those of each that is imported."""
    finder = _Finder(f"{package}.")
    sys.meta_path.insert(0, finder)
    for name, module in list(sys.modules.items()):
        if name.startswith(finder.prefix):
            finder.know(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules where they always are, and looks at their structs before their import is over."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._one = threading.Lock()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(self.prefix):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            loader, execute = spec.loader, spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self.know(module)

            loader.exec_module = exec_module  # one loader loads one module
        return spec

    def know(self, module: ModuleType) -> None:
        """Look at the structs that a module defines."""
        with self._one:
            found: list[Any] = list(vars(module).values())
            for each in found:
                is_struct = isinstance(each, type) and issubclass(each, msgspec.Struct)
                if is_struct and each.__module__ == module.__name__:
                    # Of some, types are imported for the type checker only: nobody decodes these.
                    with contextlib.suppress(NameError, TypeError):
                        msgspec.json.Decoder(cast("type[msgspec.Struct]", each))
