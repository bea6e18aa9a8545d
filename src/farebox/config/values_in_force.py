"""What is in force, value by value, with where each comes from: what `farebox config show` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from farebox.config.layers import LayerName, Origin
from farebox.config.sections import SECTIONS
from farebox.config.settings import SETTINGS

if TYPE_CHECKING:
    from farebox.config.layers import Layers
    from farebox.yamltext import Node

SECRET_KEYS = ("secret", "token", "password")


class ValueInForce(msgspec.Struct, frozen=True, kw_only=True):
    """One value. A secret is shown by its reference."""

    key: str
    value: str | None
    layer: LayerName
    origin: str
    """`file:line`, an environment variable, a flag, or `default`."""
    at_once: bool
    """Whether what runs follows a change of the file; otherwise it takes a restart."""


def values_in_force(layers: Layers) -> list[ValueInForce]:
    """Return every setting, and every value of the sections."""
    found: list[ValueInForce] = []
    for key, setting in SETTINGS.items():
        origin = layers.origins.get(key, Origin("default"))
        value = setting.written(layers.config)
        found.append(
            ValueInForce(
                key=key, value=value, layer=origin.layer, origin=str(origin), at_once=setting.at_once
            )
        )
    for layer, section in layers.sections:
        at_once = SECTIONS[section.key].at_once
        for node, text in _leaves(section):
            found.append(
                ValueInForce(
                    key=node.key,
                    value=text,
                    layer=layer,
                    origin=f"{node.file}:{node.line}",
                    at_once=at_once,
                )
            )
    return found


def _leaves(node: Node) -> Iterator[tuple[Node, str | None]]:
    if node.key.rpartition(".")[2] in SECRET_KEYS:
        yield node, _reference(node)
    elif node.kind == "mapping":
        for child in node.value.values():
            yield from _leaves(child)
    elif node.kind == "list":
        for child in node.value:
            yield from _leaves(child)
    else:
        yield node, node.value


def _reference(node: Node) -> str:
    for kind in ("env", "file"):
        entry = node.get(kind)
        if entry is not None and entry.kind == "text":
            return f"(secret from {kind} {entry.value})"
    return "(secret)"
