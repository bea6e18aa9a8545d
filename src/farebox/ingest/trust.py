"""The sender of events, and how much of what it says is proven.

A token for ingesting is given to a program that speaks for its customers: what it says is verified by that
token. A token that is bound to a customer, user or project can speak of that one only. What a program found
out about itself (its process) is no more than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from farebox.recording.invalid_event import EventInvalidError

_FOUND_OUT = ("process", "git", "host", "container")
"""How sources begin that nobody has stated."""


OF_TOKENS = "event:"
"""How the sources begin that events without one are recorded under, a token's each."""


class Sender(NamedTuple):
    """Who a request is from."""

    name: str
    """The id of its token; `owner` for the owner of this machine."""
    binding: Mapping[str, str] = {}
    """Whose events its token is for."""

    @property
    def source(self) -> str:
        """What events without a source of their own are recorded under."""
        return f"{OF_TOKENS}{self.name}"

    def prove(self, values: dict[str, str], sources: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return an event's attribution as it is recorded, and what said each of it.

        Raises:
            EventInvalidError: It names somebody whom the token is not for.
        """
        by = f"token:{self.name}"
        for name, bound in self.binding.items():
            if values.get(name, bound) != bound:
                raise EventInvalidError(name, f"this token is for the {name} {bound!r} only")
        values = {**values, **self.binding}
        said: dict[str, str] = {}
        for name in values:
            source = sources.get(name, by)
            said[name] = source if source.startswith(_FOUND_OUT) and name not in self.binding else by
        return values, said
