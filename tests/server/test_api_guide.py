"""docs/guides/api.md: every request is made as it stands, and gets what the guide says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from served import PORT, Site

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "api.md"
TEXT = GUIDE.read_text(encoding="utf-8")
REQUESTS = re.findall(rf'^curl .*"http://127\.0\.0\.1:{PORT}(/\S+)"$', TEXT, re.MULTILINE)
SAID = re.findall(r"`(/api/v1/[a-z]+\?[^`]+)`", TEXT)


@pytest.mark.parametrize("target", [*REQUESTS, *SAID])
def test_every_request_is_one(site: Site, target: str) -> None:
    if "$CURSOR" in target:
        first = site.get(target.partition("&cursor")[0].replace("limit=100", "limit=2"))
        target = target.replace("$CURSOR", first.json()["next_cursor"])
    answer = site.get(target)
    assert answer.status == 200, answer.body
    format = re.search(r"format=(\w+)", target)
    assert format is None or f'.{format[1]}"' in answer.headers["content-disposition"]


def test_there_are_requests_of_every_kind() -> None:
    assert len(REQUESTS) == 5 and len(SAID) == 2


def test_an_error_has_the_shape_of_the_example(site: Site) -> None:
    (block,) = re.findall(r"^```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    told, found = json.loads(block), site.get("/api/v1/summary?since=lately").json()
    assert found.keys() == told.keys()
    assert (found["code"], found["details"].keys()) == (told["code"], told["details"].keys())
    assert found["message"].startswith(told["message"].rstrip("…"))
    assert found["details"]["allowed"][:2] == told["details"]["allowed"]
