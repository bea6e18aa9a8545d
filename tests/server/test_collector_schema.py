"""The collector against its own OpenAPI document: no 5xx for anything, and only responses that it names."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from farebox.home import Home
from farebox.ingest.openapi import openapi_document
from farebox.server.access.sessions import load_token

EXAMPLES = 1_000 if os.environ.get("FAREBOX_LONG") else 120
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "ingest-openapi.json"
_steady = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


class Served:
    """A server in a process of its own, and the owner's token."""

    def __init__(self, home: Home) -> None:
        home.prepare()
        self.headers = {"Authorization": f"Bearer {load_token(home)}"}
        command = [
            sys.executable,
            "-m",
            "farebox.server",
            "--home",
            str(home.path),
            "--listen",
            "127.0.0.1:0",
        ]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        run = self._announced(home)
        self.url = f"http://{run['host']}:{run['port']}"

    def _announced(self, home: Home) -> dict[str, Any]:
        while self.process.poll() is None:
            with contextlib.suppress(FileNotFoundError):
                return json.loads((home.run / "server.json").read_bytes())
            time.sleep(0.05)
        raise AssertionError(self.process.communicate()[1])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(Home(tmp_path_factory.mktemp("schema") / "home"))
    yield made
    made.process.terminate()
    assert "Traceback" not in made.process.communicate()[1]


def events_operation() -> Any:
    return schemathesis.openapi.from_dict(json.loads(openapi_document()))["/v1/events"]["POST"]


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_no_body_that_the_schema_has_or_has_not_is_answered_with_5xx(
    served: Served, mode: schemathesis.GenerationMode
) -> None:
    told: dict[int, int] = {}
    session = requests.Session()

    @_steady
    @given(case=events_operation().as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case) -> None:
        response = case.call(base_url=served.url, headers=served.headers, session=session)
        told[response.status_code] = told.get(response.status_code, 0) + 1
        case.validate_response(response, checks=CHECKS)

    with session:
        send()
    assert sum(told.values()) >= EXAMPLES // 2
    assert told.get(202, 0) > 0, told


def test_no_bytes_are_answered_with_5xx(served: Served) -> None:
    session = requests.Session()
    types = st.sampled_from(
        ["application/json", "application/x-ndjson", "application/cloudevents+json", "text/plain", ""]
    )
    pieces = st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"\n", b'"id"', b"1", b"\xff"])
    bodies = st.binary(max_size=200) | st.lists(pieces, max_size=40).map(b"".join)
    encodings = st.sampled_from(["", "gzip", "zstd", "br", "deflate", "gzip, zstd", "x"])

    @_steady
    @given(kind=types, body=bodies, encoding=encodings)
    def send(kind: str, body: bytes, encoding: str) -> None:
        headers = {**served.headers, "Content-Type": kind, "Content-Encoding": encoding}
        response = session.post(f"{served.url}/v1/events", data=body, headers=headers)
        assert response.status_code < 500, response.text

    with session:
        send()


def test_the_checks_notice_a_response_that_the_document_does_not_name(served: Served) -> None:
    """The control: the same checks over a response of another address."""
    case = events_operation().Case(body=[], media_type="application/json")
    found = case.call(base_url=served.url, headers=served.headers)
    case.validate_response(found, checks=CHECKS)
    other = requests.get(f"{served.url}/", headers=served.headers, timeout=30)
    with pytest.raises(FailureGroup):
        case.validate_response(other, checks=CHECKS)


def test_the_reference_page_is_what_the_collector_serves(served: Served) -> None:
    response = requests.get(f"{served.url}/v1/openapi.json", headers=served.headers, timeout=30)
    assert response.content == openapi_document() == REFERENCE.read_bytes()
