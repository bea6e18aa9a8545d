"""The sender of events, and how much of what it says is proven.

A token for ingesting is given to a program that speaks for its customers: what it says is verified by that
token. A token that is bound to a customer, user or project can speak of that one only. What a program found
out about itself (its process) is no more than that.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from farebox.journal.records import IMPORTED
from farebox.recording.invalid_event import EventInvalidError

_FOUND_OUT = ("process", "git", "host", "container")
"""How sources begin that nobody has stated."""
_STATED = ("sdk:", "env:")
"""How sources begin that prove nothing."""


OF_TOKENS = "event:"
"""How the sources begin that events without one are recorded under, a token's each."""
OF_BOUND = "bound:"
"""How the sources begin that events of bound tokens are recorded under."""


class Sender(NamedTuple):
    """Who a request is from."""

    name: str
    """The id of its token; `owner` for the owner of this machine."""
    binding: Mapping[str, str] = {}
    """Whose events its token is for."""
    stated_by: str = ""
    """What its attribution is said by where no token proves any of it; a token's where empty."""

    @property
    def source(self) -> str:
        """What events without a source of their own are recorded under."""
        return f"{OF_TOKENS}{self.name}"

    def recorded_source(self, stated: str, secret: bytes) -> str:
        """Return the source that an event is recorded under.

        Where the token is bound, ids are unique among those of the same customer, user or project: nobody
        uses up the ids of a name that others share. A new token for the same one has the same ids, so that
        what is sent again after a token was replaced is recorded once. The hash is keyed: the record does
        not tell whose it is once a person is erased.

        Raises:
            EventInvalidError: It belongs to another token.
        """
        if not stated or stated == self.source:
            return self.source
        for prefix in (OF_TOKENS, OF_BOUND):
            if stated.startswith(prefix):
                raise EventInvalidError("source", f"what begins with {prefix} is another token's")
        if not self.binding:
            return stated
        names = msgspec.json.encode(sorted(self.binding.items()))
        return f"{OF_BOUND}{hmac.digest(secret, names, 'sha256')[:8].hex()}/{stated}"

    def prove(self, values: dict[str, str], sources: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return an event's attribution as it is recorded, and what said each of it.

        Raises:
            EventInvalidError: It names somebody whom the token is not for.
        """
        by = self.stated_by or f"token:{self.name}"
        if self.binding and IMPORTED in values:
            raise EventInvalidError(IMPORTED, "a token that is for somebody hands in no history")
        for name, bound in self.binding.items():
            if values.get(name, bound) != bound:
                raise EventInvalidError(name, f"this token is for the {name} {bound!r} only")
        values = {**values, **self.binding}
        said: dict[str, str] = {}
        for name in values:
            source = sources.get(name, by)
            if name in self.binding:
                said[name] = f"bound:{self.name}"
            else:
                believed = (*_FOUND_OUT, *_STATED) if self.stated_by else _FOUND_OUT
                said[name] = source if source.startswith(believed) else by
        return values, said


LOCAL = Sender("spool", stated_by="sdk:event")
"""A program of this machine's user, by its file in the home: what it says is stated, as in the Python SDK."""
