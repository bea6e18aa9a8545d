"""JSON of a request as nodes, as the readers of definitions take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from farebox.server.api.errors import ApiError
from farebox.server.api.method_routes import object_of

if TYPE_CHECKING:
    from farebox.yamltext import Node


def node_of(body: bytes) -> Node:
    """Return the JSON of a body as nodes."""
    return _node(object_of(body), "", 0)


def _node(value: Any, key: str, depth: int) -> Node:
    from farebox.yamltext import DEPTH_MAX, Node

    if depth > DEPTH_MAX:
        raise ApiError(422, "body_invalid", "The body is nested too deeply.")
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        inner = {
            name: _node(each, f"{key}.{name}" if key else name, depth + 1) for name, each in pairs.items()
        }
        return Node(inner, "the request", 0, key)
    if isinstance(value, list):
        items = cast("list[Any]", value)
        listed = [_node(each, f"{key}[{at}]", depth + 1) for at, each in enumerate(items)]
        return Node(listed, "the request", 0, key)
    if value is None or isinstance(value, str):
        return Node(value, "the request", 0, key)
    return Node(str(value).lower(), "the request", 0, key)
