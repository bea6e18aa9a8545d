"""Parameters that name dimensions."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from farebox.analytics.dimensions import DIMENSIONS
from farebox.server.api.errors import ApiError, invalid_parameter
from farebox.server.api.parameters import Parameter, is_dimension


class DimensionName(Parameter, frozen=True, kw_only=True):
    """A dimension, or a tag."""

    also: tuple[str, ...] = ()
    """Other words that stand for something."""

    def schema(self) -> dict[str, Any]:
        known = {"enum": [*DIMENSIONS, *self.also]}
        return {"anyOf": [known, {"type": "string", "pattern": r"^tag\..{1,250}$"}]}

    def of(self, request: Request) -> str | None:
        """Return the dimension, None without one."""
        name = request.query_params.get(self.name)
        if name is not None and name not in self.also and not is_dimension(name):
            raise _no_dimension(self.name, name, *self.also)
        return name


class DimensionNames(Parameter, frozen=True, kw_only=True):
    """Dimensions, one after another with commas."""

    default: str = "model"
    most: int = 8

    def schema(self) -> dict[str, Any]:
        one = rf"({'|'.join(DIMENSIONS)}|tag\.[^,]{{1,100}})"
        more = f"(,{one}){{0,{self.most - 1}}}"
        found: dict[str, Any] = {"type": "string", "pattern": f"^({one}{more})?$"}
        return {**found, "default": self.default} if self.default else found

    def of(self, request: Request) -> list[str]:
        """Return the dimensions."""
        names = request.query_params.get(self.name, self.default).split(",")
        wrong = not all(map(is_dimension, names)) or len(names) != len(set(names))
        if wrong or len(names) > self.most:
            raise _no_dimension(self.name, ",".join(names))
        return names


def _no_dimension(parameter: str, found: str, *also: str) -> ApiError:
    return invalid_parameter(parameter, found, [*DIMENSIONS, "tag.NAME", *also])
