"""A home whose configuration sends several providers to one mock, and what was recorded there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import providers
from answers import respond
from tools.upstream import MockUpstream, Reply, Request, json_reply, sse_reply

import farebox
from farebox.config import load_config
from farebox.home import Home
from farebox.ledger import catch_up
from farebox.ledger.call_row import CallRow
from farebox.ledger.calls import LedgerReader
from farebox.sdk import faults
from farebox.sdk.settings import settings
from farebox.sdk.shipping.collector_client import CollectorError

PROVIDERS = ("openai", "anthropic", "google", "mistral", "cohere", "bedrock")
KEY = "sk-test-0123456789abcdef0123"


def respond_as_named(request: Request) -> Reply:
    """Respond as the provider that a path's first segment names."""
    name = request.path.split("/")[1]
    if name == "mistral":
        return providers.mistral(request)
    if name == "bedrock":
        return providers.bedrock(request)
    return _cohere(request) if name == "cohere" else respond(request)


def _cohere(request: Request) -> Reply:
    usage = {
        "billed_units": {"input_tokens": 20, "output_tokens": 10},
        "tokens": {"input_tokens": 80, "output_tokens": 10},
    }
    if not request.json().get("stream"):
        content = [{"type": "text", "text": "hello"}]
        message = {"role": "assistant", "content": content}
        return json_reply({"id": "c-1", "finish_reason": "COMPLETE", "message": message, "usage": usage})
    delta = {"message": {"content": {"text": "hello"}}}
    events: tuple[dict[str, Any], ...] = (
        {"type": "message-start", "id": "c-1", "delta": {"message": {"role": "assistant", "content": []}}},
        {"type": "content-delta", "index": 0, "delta": delta},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}},
    )
    return sse_reply(
        [b"event: %s\ndata: %s\n\n" % (each["type"].encode(), json.dumps(each).encode()) for each in events]
    )


class Metered:
    """One test's."""

    def __init__(self, folder: Path, respond: Callable[[Request], Reply]) -> None:
        self.mock = MockUpstream(respond)
        self.mock.__enter__()
        self.home = Home(folder)
        folder.mkdir(mode=0o700)
        lines = "".join(f"  {name}: {{upstream: '{self.url(name)}'}}\n" for name in PROVIDERS)
        self.home.config.write_text(f"providers:\n{lines}", encoding="utf-8")
        farebox.configure(home=folder, on_error=self._told)
        self.errors: list[Exception] = []
        """What `on_error` was told."""

    def _told(self, error: Exception) -> None:
        if settings.collector is None and isinstance(error, CollectorError):
            return  # of an earlier test, whose events wait for a collector that refused them
        self.errors.append(error)

    def url(self, provider: str) -> str:
        """Return where a provider of the catalog is to be found in this test."""
        return f"{self.mock.url}/{provider}"

    def rows(self) -> list[CallRow]:
        """Return every call of the record, oldest first, once what was recorded is appended."""
        catch_up(self.home, load_config(self.home))
        reader = LedgerReader(self.home)
        try:
            return list(reader.export())
        finally:
            reader.close()

    def row(self) -> CallRow:
        """Return the only call."""
        (found,) = self.rows()
        return found

    def close(self) -> None:
        farebox.shutdown()
        faults.use_hook(None)
        faults.counts.clear()
        self.mock.__exit__()


def tokens(row: CallRow) -> tuple[int, int, int]:
    """Return input, cached input and output tokens."""
    return row.input_tokens, row.cache_read_input_tokens, row.output_tokens


def attributed(row: CallRow, *names: str) -> tuple[Any, ...]:
    """Return what a call is attributed to."""
    return tuple(row.attribution.get(name) for name in names)
