"""What the public names do in an interpreter that cannot load what metering needs: nothing.

An interpreter with a GIL of its own loads no extension module that was not made for it, and msgspec is one.
A program does not fail because its calls are not metered there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_said: list[str] = []


def _nothing(*_: object, **__: object) -> None:
    return


def _same(thing: Any, *_: object, **__: object) -> Any:
    return thing


def _flushed(*_: object, **__: object) -> bool:
    return True


STAND_INS: dict[str, Callable[..., Any]] = {
    "configure": _nothing,
    "flush": _flushed,
    "instrument": _nothing,
    "outcome": _nothing,
    "record": _nothing,
    "score": _nothing,
    "shutdown": _nothing,
    "track": _same,
    "uninstrument": _nothing,
    "wrap": _same,
}
"""`price` and `cost` have nothing to return, so they are not here: using them raises."""


def stand_in(name: str, error: ImportError) -> Callable[..., Any] | None:
    """Return what `name` does instead, None where it cannot do without; say why once."""
    found = STAND_INS.get(name) if "subinterpreter" in str(error) else None
    if found is not None and not _said:
        _said.append(name)
        import logging

        logging.getLogger("farebox").warning("calls of this interpreter are not metered: %s", error)
    return found
