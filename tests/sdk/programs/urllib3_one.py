"""A program on urllib3 before version 2, and requests on it: what it has of its calls is printed."""

from __future__ import annotations

import json
import sys
from typing import Any

import requests
import urllib3

import farebox

ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
STREAM: dict[str, Any] = {**ASK, "stream": True, "stream_options": {"include_usage": True}}


def main() -> None:
    url = sys.argv[1]
    assert urllib3.__version__.startswith("1.")
    farebox.instrument()

    def said(name: str, call: Any) -> None:
        with farebox.attribute(task=name):
            try:
                found = call()
            except Exception as error:
                found = f"{type(error).__module__}.{type(error).__name__}"
        print(json.dumps([name, found]))

    def post(body: dict[str, Any], **more: Any) -> Any:
        return requests.post(url, json=body, timeout=30, **more)

    def streamed(body: dict[str, Any]) -> str:
        with post(body, stream=True) as response:
            return b"".join(response.iter_content(None)).decode()

    def left() -> str:
        with post({**STREAM, "model": "hangs"}, stream=True) as response:
            return next(response.iter_content(8)).decode()

    pool = urllib3.PoolManager()
    headers = {"content-type": "application/json"}

    def preloaded(body: dict[str, Any]) -> str:
        sent = json.dumps(body)
        return pool.request("POST", url, body=sent, headers=headers, retries=False).data.decode()

    retry = urllib3.Retry(2, status_forcelist=[503], allowed_methods=None, backoff_factor=0)
    said("whole", lambda: post(ASK).json())
    said("streamed", lambda: streamed(STREAM))
    said("compressed", lambda: post({**ASK, "model": "gzip"}).json())
    said("left", left)
    said("broken", lambda: streamed({**STREAM, "model": "breaks"}))
    said("error", lambda: post({**ASK, "model": "error"}).status_code)
    said("preloaded", lambda: preloaded(ASK))
    said("preloaded stream", lambda: preloaded(STREAM))
    said("retried", lambda: pool.request(
        "POST", url, body=json.dumps({**ASK, "model": "busy"}), headers=headers, retries=retry,
    ).status)  # fmt: skip
    said("forgotten", lambda: post({**STREAM, "model": "hangs"}, stream=True).status_code)


if __name__ == "__main__":
    main()
