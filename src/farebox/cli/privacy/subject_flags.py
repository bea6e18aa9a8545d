"""The flags that name a person, the same for every command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from farebox.errors import UsageError
from farebox.ledger.erasure import can_be_erased
from farebox.program import command


@Parameter(name="*", group="Who")
@dataclass(frozen=True, kw_only=True)
class Subject:
    """Values that name a person; a repeated flag means each of them."""

    user: Annotated[list[str] | None, Parameter(help="This user.", negative="")] = None
    customer: Annotated[list[str] | None, Parameter(help="This customer.", negative="")] = None
    session: Annotated[list[str] | None, Parameter(help="This session.", negative="")] = None
    task: Annotated[list[str] | None, Parameter(help="This task.", negative="")] = None
    tag: Annotated[list[str] | None, Parameter(help="This value of a tag: feature=summary.", negative="")] = (
        None
    )
    attribution: Annotated[
        list[str] | None,
        Parameter(help="This value of any other attribution: organization=acme.", negative=""),
    ] = None

    def values(self) -> list[tuple[str, str]]:
        """Return fields and values; none where no flag was given.

        Raises:
            UsageError: One is not NAME=VALUE, or names nothing that can be erased.
        """
        named = {"user": self.user, "customer": self.customer, "session": self.session, "task": self.task}
        found = [(name, value) for name, values in named.items() for value in values or []]
        for flag, texts in (("--tag", self.tag), ("--attribution", self.attribution)):
            for text in texts or []:
                name, equals, value = text.partition("=")
                name = f"tag.{name.strip().lower()}" if flag == "--tag" else name.strip()
                if not equals or not name or not value:
                    raise UsageError(f"{flag} {text!r} is not NAME=VALUE")
                if not can_be_erased(name):
                    raise UsageError(f"{name!r} names no person and is not stored so that it can be erased")
                found.append((name, value))
        return list(dict.fromkeys(found))

    def required(self, words: str) -> list[tuple[str, str]]:
        """Return fields and values, of which there is at least one.

        Raises:
            UsageError: There is none; `words` say what was to be done, as `erase`.
        """
        found = self.values()
        if not found:
            raise UsageError(f"name a person, for example: {command(f'privacy {words} --user alice')}")
        return found
