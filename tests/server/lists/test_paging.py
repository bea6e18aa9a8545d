"""Pages of a list: every row once, whatever is added or removed meanwhile; a cursor is of one request."""

from __future__ import annotations

from string import ascii_lowercase
from typing import Any

import msgspec
import pytest
from fake_ledger import call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import MINUTE, NOW, Site, pages
from starlette.requests import Request

from farebox.server.api.errors import ApiError
from farebox.server.api.lists.paging import Asked, cursor_of, page_of, position_of
from farebox.server.api.lists.rows import Rows

ROWS = Rows("rows", ("name",))


class Row(msgspec.Struct):
    name: str


def asked(query: str = "") -> Request:
    return Request({"type": "http", "path": "/api/v1/x", "query_string": query.encode(), "headers": []})


def walk(request: Request, states: list[list[str]], limit: int) -> list[str]:
    """Return the names on all pages; the list is in the next state with each page."""
    seen: list[str] = []
    cursor: str | None = None
    for number in range(1000):
        rows = [Row(name) for name in states[min(number, len(states) - 1)]]
        page, position = page_of(request, rows, ROWS, Asked(limit, cursor))
        seen += [row.name for row in page]
        if position is None:
            return seen
        cursor = cursor_of(request, position)
    raise AssertionError("it has no end")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(names=st.lists(st.sampled_from(ascii_lowercase), unique=True), limit=st.integers(1, 10))
def test_pages_together_are_the_list(names: list[str], limit: int) -> None:
    assert walk(asked(), [names], limit) == names


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    names=st.lists(st.sampled_from(ascii_lowercase), unique=True, min_size=1),
    gone=st.sets(st.sampled_from(ascii_lowercase)),
    news=st.lists(st.sampled_from("0123456789"), unique=True),
    limit=st.integers(1, 5),
)
def test_what_is_added_or_removed_meanwhile_hides_and_repeats_nothing_else(
    names: list[str], gone: set[str], news: list[str], limit: int
) -> None:
    gone -= {names[:limit][-1]}
    later = [*news, *(name for name in names if name not in gone)]
    seen = walk(asked(), [names, later], limit)
    assert seen == names[:limit] + [name for name in names[limit:] if name not in gone]


def test_a_page_whose_beginning_is_gone_is_refused() -> None:
    with pytest.raises(ApiError, match="a new start without cursor"):
        walk(asked(), [["a", "b", "c"], ["a", "c"]], 2)


def test_a_row_before_the_page_moves_nothing() -> None:
    assert walk(asked(), [["b", "c", "d"], ["a", "b", "c", "d"]], 2) == ["b", "c", "d"]
    assert walk(asked(), [["a", "b", "c", "d"], ["b", "c", "d"]], 2) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "cursor", ["", "x", "=", "AAAA", "ksQGAAAAAAAAkQE", "é", "k" * 512, "' OR 1=1 --", "\x00"]
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ApiError) as refused:
        position_of(asked(), cursor, tuple[int, str])
    assert refused.value.body.details["parameter"] == "cursor"


def test_a_cursor_of_another_request_is_refused_and_of_another_page_size_is_not() -> None:
    cursor = cursor_of(asked("app=a&limit=2"), (1, "x"))
    assert position_of(asked(f"limit=9&app=a&cursor={cursor}"), cursor, tuple[int, str]) == (1, "x")
    for other in (asked("app=b"), asked(""), asked("app=a&app=b")):
        with pytest.raises(ApiError, match="the next_cursor of a response to the same request"):
            position_of(other, cursor, tuple[int, str])


def test_a_breakdowns_pages_are_of_one_state_and_each_adds_up(site: Site) -> None:
    target = "/api/v1/breakdown?since=all&by=app,model"
    whole = site.get(f"{target}&limit=200").json()
    first = site.get(f"{target}&limit=2").json()
    site.rows.rows.append(call(10, NOW - 2 * MINUTE, app="most expensive", tokens=(10**9, 0)))
    found: list[Any] = [first]
    while found[-1]["next_cursor"] is not None:
        found.append(site.get(f"{target}&limit=2&cursor={found[-1]['next_cursor']}").json())
    assert [group for page in found for group in page["groups"]] == whole["groups"]
    assert len(found) > 2
    for page in found:
        shown = sum(int(group["sums"]["cost_pico"]) for group in page["groups"])
        rest = int(page["rest"]["cost_pico"]) if page["rest"] else 0
        assert shown + rest == int(page["total"]["cost_pico"]) == int(whole["total"]["cost_pico"])
        assert len(page["groups"]) + page["rest_groups"] == len(whole["groups"])


def test_pages_of_calls_are_of_the_span_of_the_first_one(site: Site) -> None:
    seqs = [row["seq"] for page in pages(site, "/api/v1/calls?since=all", 2) for row in page["calls"]]
    assert seqs == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    spans = {str(page["span"]) for page in pages(site, "/api/v1/calls?since=7d", 1)}
    assert len(spans) == 1
