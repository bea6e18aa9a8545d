"""`/api/v1/views`: what a screen shows, kept in the home under a name."""

from __future__ import annotations

import stat
from typing import Any

import pytest
from served import Site
from test_plans import sent

from farebox.home import Home
from farebox.server.api.settings.view_file import FILE_NAME, VIEWS_MAX

VIEWS = "/api/v1/views"
COSTLY = {"name": "Costly", "screen": "/explorer", "search": "since=7d&order=cost"}


def kept(site: Site) -> dict[str, str]:
    return {each["name"]: each["search"] for each in site.get(VIEWS).json()["views"]}


def test_a_view_is_the_same_for_everybody_until_its_name_is_given_again(site: Site, home: Home) -> None:
    assert kept(site) == {}
    assert sent(site, "PUT", VIEWS, COSTLY).status == 200
    assert sent(site, "PUT", VIEWS, {"name": "acme", "screen": "/", "search": "customer=acme"}).status == 200
    (first, second) = site.get(VIEWS).json()["views"]
    assert (first["name"], second["name"], second["screen"]) == ("acme", "Costly", "/explorer")
    assert stat.S_IMODE((home.path / FILE_NAME).stat().st_mode) == 0o600
    answer = sent(site, "PUT", VIEWS, {**COSTLY, "search": "since=30d"})
    assert {each["name"]: each["search"] for each in answer.json()["views"]} == kept(site)
    assert kept(site) == {"acme": "customer=acme", "Costly": "since=30d"}
    assert sent(site, "DELETE", f"{VIEWS}?name=Costly").status == 200
    assert kept(site) == {"acme": "customer=acme"}
    assert sent(site, "DELETE", f"{VIEWS}?name=Costly").json()["code"] == "view_not_found"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": "sk-proj-" + "a1B2" * 12}, "name"),
        ({"screen": "//elsewhere.invalid"}, "screen"),
        ({"screen": "/nowhere"}, "screen"),
        ({"search": "a=" + "b" * 4_000}, "search"),
        ({"search": "a=\x1b[31m"}, "search"),
    ],
)
def test_what_cannot_be_shown_again_is_refused(site: Site, said: dict[str, str], field: str) -> None:
    answer = sent(site, "PUT", VIEWS, COSTLY | said)
    assert (answer.status, answer.json()["details"]["parameter"]) == (422, field)
    assert kept(site) == {}


def test_a_file_that_somebody_else_has_changed_is_named_and_left_as_it_is(site: Site, home: Home) -> None:
    file = home.path / FILE_NAME
    file.write_text('[{"name": "mine"}]')
    file.chmod(0o600)
    asked: list[tuple[str, str, Any]] = [
        ("GET", VIEWS, None),
        ("PUT", VIEWS, COSTLY),
        ("DELETE", f"{VIEWS}?name=mine", None),
    ]
    for method, path, body in asked:
        answer = sent(site, method, path, body)
        assert (answer.status, answer.json()["code"]) == (409, "views_damaged"), method
        assert str(file) in answer.json()["message"]
    assert file.read_text() == '[{"name": "mine"}]'


def test_there_are_as_many_as_a_menu_can_hold(site: Site, home: Home) -> None:
    names = [f'{{"name": "v{at}", "screen": "/", "search": "", "changed_at": ""}}' for at in range(VIEWS_MAX)]
    (home.path / FILE_NAME).write_text(f"[{', '.join(names)}]")
    (home.path / FILE_NAME).chmod(0o600)
    assert sent(site, "PUT", VIEWS, COSTLY).json()["code"] == "views_full"
    assert sent(site, "PUT", VIEWS, COSTLY | {"name": "v7"}).status == 200
