"""What a handler returns, from its signature: the type checker compares it with what it does return."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from farebox.server.api.lists.rows import Paged
from farebox.server.api.operations import Operation


def responses_of(operation: Operation) -> tuple[type[msgspec.Struct], ...]:
    """Return the structs that an operation can respond with; none where it is not JSON of a struct."""
    if operation.response is not None:
        return (operation.response,)
    return _structs(_returned(operation.handler))


def body_of(operation: Operation) -> type[msgspec.Struct] | None:
    """Return the struct of an operation's body, None where there is none."""
    said = operation.body
    if isinstance(said, str):
        module, _, name = said.partition(":")
        return getattr(importlib.import_module(module), name)
    return said if isinstance(said, type) else None


def _returned(handler: Callable[..., Any]) -> Any:
    module = sys.modules[handler.__module__]
    names = {**_names_for_types(module), **vars(module)}
    return eval(inspect.get_annotations(handler)["return"], names)  # noqa: S307 - an annotation of ours


def _structs(shown: Any) -> tuple[type[msgspec.Struct], ...]:
    if isinstance(shown, types.UnionType):
        return tuple(each for one in typing.get_args(shown) for each in _structs(one))
    if typing.get_origin(shown) is Paged:
        return _structs(typing.get_args(shown)[0])
    return (shown,) if isinstance(shown, type) and issubclass(shown, msgspec.Struct) else ()


def _names_for_types(module: types.ModuleType) -> dict[str, Any]:
    """Return what a module imports for its annotations alone: those modules are loaded only where needed."""
    found: dict[str, Any] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            exec(compile(ast.Module(node.body, []), module.__name__, "exec"), found)  # noqa: S102 - ours
    return found
