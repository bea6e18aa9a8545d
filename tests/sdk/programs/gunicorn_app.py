"""A WSGI application that calls a model while it is loaded, and once for each request."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import requests

import farebox

farebox.instrument()


def ask(task: str) -> None:
    with farebox.attribute(task=task, tags={"worker": str(os.getpid())}):
        requests.post(os.environ["TEST_URL"], json={"model": "gpt-4o"}, timeout=30)


ask("preloading")


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    ask(environ["PATH_INFO"][1:])
    start_response("200 OK", [("content-type", "text/plain")])
    return [str(os.getpid()).encode()]
