"""The API against its own OpenAPI document: no 5xx, only responses that it names, and every route in it."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from test_collector_schema import Served

from farebox.access.roles import ALLOWED
from farebox.home import Home
from farebox.server.api.errors import REFUSALS, STATUS_OF
from farebox.server.api.method_routes import API, route_of
from farebox.server.api.openapi.document import openapi_document, operations

EXAMPLES = 300 if os.environ.get("FAREBOX_LONG") else 3
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
NOT_READ = {
    f"{API}live",  # has no end
    f"{API}doctor",  # starts a process, ten seconds long
}
READS = sorted(each.path for each in operations() if each.method == "GET" and each.path not in NOT_READ)


@functools.cache
def schema() -> Any:
    """Return the document's schema; zones are words of a list here, for a text of any letters is none."""
    found = json.loads(openapi_document())
    found["components"]["parameters"]["tz"]["schema"] = {"enum": ["UTC", "Europe/Berlin", "Asia/Kathmandu"]}
    return schemathesis.openapi.from_dict(found)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(Home(tmp_path_factory.mktemp("api") / "home"))
    yield made
    made.process.terminate()
    assert "Traceback" not in made.process.communicate()[1]


def send(served: Served, path: str, mode: schemathesis.GenerationMode) -> dict[int, int]:
    """Ask with what the document allows, or does not; return how often each status came."""
    told: dict[int, int] = {}
    operation = schema()[path]["GET"]
    session = requests.Session()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        case.headers = {}
        response = case.call(base_url=served.url, headers=served.headers, session=session)
        told[response.status_code] = told.get(response.status_code, 0) + 1
        case.validate_response(response, checks=CHECKS)

    with session:
        ask()
    return told


@pytest.mark.parametrize("path", READS)
def test_what_the_document_allows_is_answered_as_it_says(served: Served, path: str) -> None:
    assert sum(send(served, path, schemathesis.GenerationMode.POSITIVE).values()) > 0


@pytest.mark.skipif(not os.environ.get("FAREBOX_LONG"), reason="many of them: in `make test-long`")
@pytest.mark.parametrize("path", READS)
def test_what_the_document_does_not_allow_is_refused_as_it_says(served: Served, path: str) -> None:
    send(served, path, schemathesis.GenerationMode.NEGATIVE)


@pytest.mark.parametrize("path", [path for path in READS if "{" not in path])
def test_a_plain_request_gets_what_the_document_says(served: Served, path: str) -> None:
    case = schema()[path]["GET"].Case(query={})
    response = requests.get(f"{served.url}{path}", headers=served.headers, timeout=30)
    assert response.status_code in (200, 422), response.text
    if response.status_code == 422:  # something is required
        body = response.json()
        assert body["details"].get("parameter") or body["code"] == "usage_error", body
    case.validate_response(response, checks=CHECKS)


def test_the_checks_notice_a_response_that_the_document_does_not_name(served: Served) -> None:
    """The control: the same checks over a response of another route."""
    case = schema()[f"{API}summary"]["GET"].Case(query={})
    other = requests.get(f"{served.url}{API}budgets", headers=served.headers, timeout=30)
    with pytest.raises(FailureGroup):
        case.validate_response(other, checks=CHECKS)


def test_the_document_has_every_route_with_the_scopes_of_the_table(served: Served) -> None:
    found = json.loads(openapi_document())
    routes = {
        route_of(method.upper(), path): {scope for each in said["security"] for scope in each["token"]}
        for path, methods in found["paths"].items()
        for method, said in methods.items()
    }
    table = {route: set(may) & {"read", "admin"} for route, may in ALLOWED["api"].items() if API in route}
    assert routes == table


def test_every_operation_says_what_it_is_for_and_has_a_name_of_its_own() -> None:
    found = json.loads(openapi_document())
    every = [said for methods in found["paths"].values() for said in methods.values()]
    assert all(said["summary"].endswith(".") for said in every)
    assert len({said["operationId"] for said in every}) == len(every)
    for said in every:
        for parameter in said.get("parameters", []):
            assert "$ref" in parameter or parameter.get("description") or parameter["in"] == "path"


def test_the_statuses_of_errors_are_those_that_are_sent() -> None:
    assert {code: status for code, (status, _) in REFUSALS.items() if code in STATUS_OF} == {
        code: STATUS_OF[code] for code in REFUSALS if code in STATUS_OF
    }


def test_the_reference_page_is_what_the_server_responds_with(served: Served) -> None:
    response = requests.get(f"{served.url}{API}openapi.json", headers=served.headers, timeout=60)
    assert response.content == openapi_document() == REFERENCE.read_bytes()
