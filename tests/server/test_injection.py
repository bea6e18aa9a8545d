"""S-50 to S-56 at the server's port: no text of a parameter, a path or a token does anything but be text."""

from __future__ import annotations

import os
import re
from itertools import product
from pathlib import Path
from urllib.parse import quote

import pytest
from served import Site

from farebox.server.api.method_routes import API
from farebox.server.api.openapi.document import operations
from farebox.server.api.parameters import Parameter

IS_LONG = bool(os.environ.get("FAREBOX_LONG"))
_QUOTES = ("'", '"', "`", "')", '")', "\\'", "''", "%27", "’", "`'")
_MEAT = (
    "OR 1=1",
    "OR 'a'='a",
    "; DROP TABLE calls",
    "UNION SELECT 1,2,3",
    "UNION SELECT sql FROM sqlite_master",
    "; ATTACH DATABASE '/tmp/x' AS x",
    "AND sleep(9)",
    "; COPY calls TO '/tmp/x'",
    "|| (SELECT secret FROM api_token)",
    "; INSTALL httpfs",
)
_ENDS = ("--", "/*")
INJECTIONS = [f"{quote_} {meat} {end}" for quote_, meat, end in product(_QUOTES, _MEAT, _ENDS)]
"""Two hundred of them."""
TEMPLATES = ("{{7*7}}", "${7*7}", "<%= 7*7 %>", "#{7*7}", "{0.__class__}", "%s%n", "\u202e", "\0", "\r\nx: y")
TRAVERSALS = ("../../etc/passwd", "..\\..\\x", "/etc/passwd", "%2e%2e%2f", "file:///etc/passwd")
NOT_READ = (f"{API}live", f"{API}doctor")
READS = [each for each in operations() if each.method == "GET" and each.path not in NOT_READ]
PLACES: dict[str, tuple[str, Parameter]] = {
    f"{each.path}?{parameter.name}": (each.path, parameter)
    for each in READS
    for parameter in each.parameters.values()
    if parameter.name not in ("tags", "format")
}


def distinct() -> list[str]:
    """Return one place of each declared parameter; in long runs, every place."""
    if IS_LONG:
        return sorted(PLACES)
    first: dict[int, str] = {}
    for place, (_, parameter) in PLACES.items():
        first.setdefault(id(parameter), place)
    return sorted(first.values())


def filled(path: str, value: str = "x") -> str:
    return re.sub(r"\{\w+\}", quote(value, safe=""), path)


def texts(place: str) -> list[str]:
    """Return what is tried at one place: all of it in long runs, another tenth at each place otherwise."""
    every = [*INJECTIONS, *TEMPLATES, *TRAVERSALS]
    return every if IS_LONG else every[len(place) % 10 :: 10]


def test_there_are_two_hundred_and_all_are_different() -> None:
    assert len(set(INJECTIONS)) == 200
    assert len(distinct()) > 40


@pytest.mark.parametrize("place", distinct())
def test_a_parameter_is_nothing_but_text(site: Site, place: str) -> None:
    path, parameter = PLACES[place]
    before = site.get("/api/v1/calls?since=all").body
    for text in texts(place):
        answer = site.get(f"{filled(path)}?{parameter.name}={quote(text, safe='')}")
        assert answer.status in (200, 404, 409, 422), (text, answer.status, answer.body)
        if answer.status != 200:
            assert set(answer.json()) == {"code", "message", "details"}
    assert site.get("/api/v1/calls?since=all").body == before
    assert not Path("/tmp/x").exists(), "what ATTACH and COPY would have made"


@pytest.mark.parametrize("path", sorted(each.path for each in READS if "{" in each.path))
def test_a_segment_of_a_path_is_nothing_but_text(site: Site, path: str) -> None:
    for text in (*INJECTIONS[::10], *TEMPLATES, *TRAVERSALS):
        answer = site.get(filled(path, text).replace("%00", "\0"))
        assert answer.status in (404, 405, 422), (text, answer.status, answer.body)


@pytest.mark.parametrize("text", [*INJECTIONS[::8], *TEMPLATES[:5]])
def test_a_token_is_nothing_but_text(site: Site, text: str) -> None:
    answer = site.ask("/api/v1/summary", {"authorization": f"Bearer {text}".encode().decode("latin-1")})
    assert answer.status in (401, 429)
