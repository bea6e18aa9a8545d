"""Every route that takes a body, made from the routes' own list: it is sent as JSON, or changes nothing.

Plain text, forms and no type at all are what another site's page may send without a preflight.
The collector's routes have content types of their own: `test_collector.py`, `test_otlp.py`.
"""

from __future__ import annotations

import asyncio

import pytest
from served import HOST, Answer, Site, ask_raw
from test_guard import written

from farebox.server.api.method_routes import API, route_of
from farebox.server.api.openapi.document import operations
from farebox.server.api.operations import Operation
from farebox.server.api.route_groups import GROUPS

CHANGES = {route_of(each.method, each.path): each for each in operations() if each.method != "GET"}
OTHERS: list[list[bytes]] = [
    [],
    [b""],
    [b"text/plain"],
    [b"text/plain; application/json"],
    [b"application/x-www-form-urlencoded"],
    [b"multipart/form-data; boundary=x"],
    [b"application/json5"],
    [b"application/json; charset=utf-16"],
    [b"application/json", b"text/plain"],
]


def sent(site: Site, operation: Operation, kinds: list[bytes], body: bytes = b"[]") -> Answer:
    """Send a body that no route takes."""
    headers = [(b"host", HOST.encode()), (b"authorization", f"Bearer {site.token}".encode())]
    headers += [(b"content-type", kind) for kind in kinds]
    headers += [(b"content-length", str(len(body)).encode())] if body else []
    return asyncio.run(ask_raw(site.app, written(operation.path), headers, operation.method, body=body))


def test_all_that_changes_something_is_below_the_prefix_that_is_checked() -> None:
    found = [
        route_of(method, path)
        for group in GROUPS
        for path, methods in group.routes.items()
        for method in methods
    ]
    changing = [name for name in found if " " in name]
    assert sorted(changing) == sorted(CHANGES) and len(changing) > 30
    assert all(name.partition(" ")[2].startswith(API) for name in changing)


@pytest.mark.parametrize("name", CHANGES)
def test_a_body_that_is_no_json_is_refused_whatever_it_says(site: Site, name: str) -> None:
    operation = CHANGES[name]
    for kinds in OTHERS:
        answer = sent(site, operation, kinds)
        assert (answer.status, answer.json()["code"]) == (415, "content_type_unknown"), kinds
        assert answer.json()["details"]["allowed"][0] == "application/json"
    for kind in (b"application/json", b"Application/JSON ; charset=UTF-8"):
        assert sent(site, operation, [kind]).status != 415, "the control"
    if operation.body is None:
        assert sent(site, operation, [], b"").status != 415, "without a body there is no type to say"


def test_yaml_is_a_type_of_definitions_alone(site: Site) -> None:
    takes = {name for name, each in CHANGES.items() if sent(site, each, [b"application/yaml"]).status != 415}
    assert takes == {
        "PUT /api/v1/customers",
        "PUT /api/v1/plans",
        "PUT /api/v1/subscriptions",
        "POST /api/v1/plans/preview",
    }
