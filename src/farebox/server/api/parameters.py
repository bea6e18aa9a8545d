"""What a route can be asked for: each parameter is declared once, read by it and documented by it.

The names and words are those of the command line's flags. A parameter that a route does not declare is
refused before its handler is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import Request

from farebox.analytics.dimensions import DIMENSIONS, is_tag
from farebox.server.api.errors import invalid_parameter
from farebox.server.api.filters import MATCHES, STATUS_FORM, read_choice, read_count

TEXT_MAX = 512
Word = TypeVar("Word", bound=str)


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of a query."""

    name: str
    about: str
    """A sentence for the reference."""
    required: bool = False
    repeated: bool = False

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of one value."""
        return {"type": "string", "maxLength": TEXT_MAX}


class Text(Parameter, frozen=True, kw_only=True):
    """Any text."""

    examples: tuple[str, ...] = ()
    pattern: str = ""

    def schema(self) -> dict[str, Any]:
        found = super().schema()
        if self.pattern:
            found["pattern"] = f"^({self.pattern})$"
        if self.required:
            found["minLength"] = 1
        if self.examples:
            found["examples"] = list(self.examples)
        return found

    def of(self, request: Request) -> str | None:
        """Return the value, None without one."""
        value = request.query_params.get(self.name)
        if value is not None and (len(value) > TEXT_MAX or "\0" in value):
            raise invalid_parameter(self.name, value, [f"text of at most {TEXT_MAX} characters"])
        return value

    def needed(self, request: Request) -> str:
        """Return the value; raise where it is empty or missing."""
        value = self.of(request)
        if not value:
            raise invalid_parameter(self.name, "", [f"the {self.name}'s name"])
        return value


class Count(Parameter, frozen=True, kw_only=True):
    """A whole number."""

    low: int
    high: int
    default: int | None = None

    def schema(self) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return found if self.default is None else {**found, "default": self.default}

    def given(self, request: Request) -> int | None:
        """Return the number, None without one."""
        return read_count(request.query_params, self.name, low=self.low, high=self.high, default=None)

    def of(self, request: Request) -> int:
        """Return the number, or the default."""
        found = self.given(request)
        return found if found is not None else self.low if self.default is None else self.default


class Choice(Parameter, Generic[Word], frozen=True, kw_only=True):
    """One of several words."""

    words: tuple[Word, ...]
    default: Word | None = None

    def schema(self) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "string", "enum": list(self.words)}
        return found if self.default is None else {**found, "default": self.default}

    def of(self, request: Request) -> Word | None:
        """Return the word, or the default."""
        query = request.query_params
        if self.name not in query:
            return self.default
        return read_choice(query, self.name, self.words, self.words[0])


class Day(Parameter, frozen=True, kw_only=True):
    """A date of a calendar."""

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date"}

    def of(self, request: Request) -> date:
        """Return the date; raise where it is missing."""
        text = request.query_params.get(self.name, "")
        try:
            return day_of(text)
        except ValueError:
            raise invalid_parameter(self.name, text, ["a date such as 2026-11-01"]) from None


class Tags(Parameter, frozen=True, kw_only=True):
    """Any tag as a filter: `tag.feature=search`."""

    def schema(self) -> dict[str, Any]:
        value = {"type": "array", "items": {"type": "string", "maxLength": TEXT_MAX}}
        return {"type": "object", "patternProperties": {r"^tag\..+$": value}, "additionalProperties": False}


def day_of(text: str) -> date:
    """Return a date written as `2026-11-01`.

    Raises:
        ValueError: It is none.
    """
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(text)
    return date.fromisoformat(text)


def is_dimension(name: str) -> bool:
    """Return whether calls can be filtered and grouped by `name`."""
    return name in DIMENSIONS or is_tag(name)


def is_known(name: str, declared: Mapping[str, Parameter]) -> bool:
    """Return whether a route that declares these takes a parameter called `name`."""
    return (name in declared and name != TAGS.name) or (is_tag(name) and TAGS.name in declared)


_MOMENT = (
    r"now|today|yesterday|tomorrow|week|month|prev-month|\d{1,6}[smhdw]"
    r"|\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?)?"
)
SINCE = Text(
    name="since",
    about="The first moment that counts: a word, an age, a date or an instant; `all` for everything.",
    pattern=f"all|{_MOMENT}",
    examples=("today", "7d", "2026-11-01", "2026-11-01T09:30:00Z"),
)
UNTIL = Text(
    name="until",
    about="The moment from which on nothing counts, `now` where it is left out.",
    pattern=_MOMENT,
    examples=("now", "2026-12-01"),
)
TZ = Text(
    name="tz",
    about="Whose days and hours are meant: an IANA zone, the server's own where it is left out.",
    examples=("Europe/Berlin", "UTC"),
)
MATCH: Choice[str] = Choice(
    name="match",
    about="Whether a model stands for its dated versions, too (`family`).",
    words=MATCHES,
    default="exact",
)


class Filter(Text, frozen=True, kw_only=True):
    """A dimension's value; repeated, any of them matches."""

    values: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.values)} if self.values else super().schema()


TAGS = Tags(name="tags", about="Only this value of a tag: `tag.feature=search`.")
FILTERS: tuple[Parameter, ...] = (
    *(
        Filter(
            name=each.name,
            about=f"{each.help} It may be repeated, and matches any of them.",
            repeated=True,
            values=each.values,
            pattern=STATUS_FORM if each.name == "status" else "",
        )
        for each in DIMENSIONS.values()
    ),
    TAGS,
)
SPAN = (SINCE, UNTIL, TZ)
SELECTION = (*SPAN, MATCH, *FILTERS)
"""What selects calls: a span, a zone and filters."""
