"""What can be asked of the calls, and what comes back."""

from __future__ import annotations

from typing import Literal

import msgspec

from farebox.analytics.dimensions import SUMS

RANGE_ROWS = 1 << 20
"""How many rows `farebox verify` compares at a time."""

Bucket = Literal["second", "minute", "hour", "day", "week", "hour_of_week"]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Sums and other measures over the calls of a period, in groups and buckets."""

    since_ns: int | None = None
    until_ns: int | None = None
    """`[since_ns, until_ns)`; None is open."""
    where: dict[str, list[str]] = {}
    """Dimension to the values that are wanted, exactly as they were recorded. The empty text is "none".
    A status may be a class: `4xx`."""
    families: bool = False
    """A model stands for its dated versions, too, and for whatever responded where it was requested."""
    with_models: bool = False
    """Say which ones that were: it takes another look at the calls."""
    unless: list[dict[str, list[str]]] = []
    """Not the calls that one of these filters matches."""
    by: list[str] = []
    """Dimensions to group by, `tag.NAME` among them."""
    bucket: Bucket | None = None
    tz: str = "UTC"
    """Whose hours, days and weeks the buckets are."""
    measures: list[str] = msgspec.field(default_factory=lambda: list(SUMS))
    order: str = "cost_pico"
    """A measure, highest first; before it groups with calls that have no cost, where `unpriced_first`."""
    ascending: bool = False
    """Lowest first."""
    unpriced_first: bool = False
    limit: int | None = None
    """How many groups at most."""
    offset: int = 0
    """How many of them to leave out first: the next page of an answer with the same `as_of_seq`."""
    as_of_seq: int | None = None
    """Answer as the record was when this was its newest row."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One group of one bucket."""

    start_ns: int | None
    """Where the bucket starts; the hour since Monday 00:00 for `hour_of_week`; None without buckets."""
    keys: list[str | None]
    values: list[int | None]
    """The measures in the order they were asked for. None: there are no calls to find it among."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The response to one question."""

    seq: int
    """The newest row of the record that is in it."""
    rows: list[Row]
    """In the order of buckets, then in the order asked for."""
    groups: int
    """How many rows there would be without a limit."""
    models: list[str] = []
    """`with_models`: which ones are in it besides those that were named."""


class Measures(msgspec.Struct, kw_only=True):
    """Sums over some calls. Cost is a lower bound while `unpriced_calls` is not zero."""

    calls: int = 0
    errors: int = 0
    """Calls whose status is 400 or more, or which neither got one nor were completed."""
    unpriced_calls: int = 0
    """Calls in state `unpriced` or `unknown`: spend that is not in `cost_pico`."""
    estimated_calls: int = 0
    cost_pico: int = 0
    charge_pico: int = 0
    input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0


class UnknownValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value of a filter that no call ever had."""

    name: str
    value: str
    nearest: list[str]
    """Values that calls have and that look like it."""


class Group(msgspec.Struct, kw_only=True):
    """One value of a dimension, or of several, with its sums."""

    keys: dict[str, str | None]
    measures: Measures
    others: dict[str, int | None] = {}
    """Measures other than sums: percentiles, distinct counts."""


class Breakdown(msgspec.Struct, kw_only=True):
    """Groups, what is left of the total beside them, and the total."""

    seq: int
    groups: list[Group]
    rest_groups: int
    """How many groups were left out."""
    rest: Measures
    total: Measures
    others: dict[str, int | None] = {}
    """The total's measures other than sums."""
    models: list[str] = []


class Point(msgspec.Struct, kw_only=True):
    """One bucket of a series: `start_ns` inclusive, the next bucket's start exclusive."""

    start_ns: int
    keys: dict[str, str | None]
    measures: Measures


class RangeSums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the rows of one range of the record."""

    part: int
    """The range's number: it begins at row `part` × `RANGE_ROWS`."""
    rows: int
    sums: list[int]


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask"):
    """Questions that are answered from one state of the record."""

    questions: list[Question]


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a call is in an order: what it is sorted by, then the number of its first row."""

    value: int
    seq: int


class TagValue(msgspec.Struct, frozen=True, array_like=True):
    """A value of a tag, and how many calls have it."""

    name: str
    value: str
    calls: int


class AskCalls(msgspec.Struct, frozen=True, kw_only=True, tag="calls"):
    """Which calls are these? The reply has the numbers of their first rows."""

    question: Question
    """Its period, filters and `as_of_seq` count."""
    limit: int
    before_seq: int | None = None
    after_seq: int | None = None
    """With it oldest first, else newest first."""


class AskSorted(msgspec.Struct, frozen=True, kw_only=True, tag="sorted"):
    """Which calls are first in an order? The reply has their places."""

    question: Question
    """Its period, filters and `as_of_seq` count."""
    order: str
    """One of `farebox.analytics.dimensions.CALL_ORDERS`."""
    ascending: bool = False
    limit: int
    after: Place | None = None
    """The place of the last call that is known already."""


class AskTags(msgspec.Struct, frozen=True, kw_only=True, tag="tags"):
    """Which tags do these calls have? The reply has their values, most calls first."""

    question: Question
    """Its period, filters and `as_of_seq` count."""
    contains: str = ""
    """Only those whose name or value contains this text, whatever the case."""
    limit: int


class AskUnknown(msgspec.Struct, frozen=True, kw_only=True, tag="unknown"):
    """Which values of these filters did no call ever have?"""

    where: dict[str, list[str]]
    families: bool = False


class AskRangeSums(msgspec.Struct, frozen=True, kw_only=True, tag="range_sums"):
    """What are the sums of each range of rows?"""

    columns: list[str]
    """What is added up: columns of both the record and the replica."""
    rebuild: bool = False
    """Make the replica again first."""


Request = Ask | AskCalls | AskSorted | AskTags | AskUnknown | AskRangeSums


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no response: the slug and the message of a `FareboxError`."""

    code: str
    message: str


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The response to a request, in the field that belongs to it."""

    answers: list[Answer] = []
    seqs: list[int] = []
    places: list[Place] = []
    tags: list[TagValue] = []
    unknown: list[UnknownValue] = []
    ranges: list[RangeSums] = []
    seq: int = 0
    """The newest row of the record that is in it."""
    failure: Failure | None = None
    said: list[str] = []
    """What had to be done to the replica: it was damaged, or of another record."""
