"""Ask a running Farebox what was spent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec

from farebox.errors import QuestionError, ServerNotRunningError
from farebox.home import Home, locate
from farebox.program import command
from farebox.sdk.questions.collector_questions import ask
from farebox.sdk.settings import collector_address, settings

_CONNECT_S = 1.0
_REPLY_S = 120.0
_REPLY_BYTES_MAX = 1 << 20


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """What some calls came to. The cost is a lower bound while `complete` is False."""

    cost_usd: Decimal
    charge_usd: Decimal
    """What customers pay for it."""
    calls: int
    unpriced_calls: int
    """Calls whose cost is not known."""
    complete: bool
    """Every call has a price and none is known to be missing."""
    input_tokens: int
    output_tokens: int


class _Running(msgspec.Struct):
    host: str = "127.0.0.1"
    port: int = 0


_decode_running = msgspec.json.Decoder(_Running).decode


class _Summary(msgspec.Struct):
    sums: Spend


_decode_summary = msgspec.json.Decoder(_Summary).decode


class _Failure(msgspec.Struct):
    code: str = ""
    message: str = ""


_decode_failure = msgspec.json.Decoder(_Failure).decode


def cost(
    since: str = "today",
    until: str = "now",
    *,
    customer: str | None = None,
    agent: str | None = None,
    session: str | None = None,
    task: str | None = None,
    model: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Spend:
    """Return what calls came to, as the dashboard says it: the record is asked, nothing is added up here.

    `since` and `until` are what `farebox spend` takes: `today`, `7d`, `2026-11-01`, `all`.

    Where a collector is configured, that one is asked, with `read_token`.

    Raises:
        ServerNotRunningError: No Farebox runs for this home, or the collector cannot be reached; the message
            says what to type.
        QuestionError: It was refused; the message says why.
    """
    collector = collector_address()
    home = locate() if settings.home is None else Home(settings.home)
    asked = {"customer": customer, "agent": agent, "session": session, "task": task, "model": model}
    query = {"since": since, "until": until, **{name: value for name, value in asked.items() if value}}
    query |= {f"tag.{name}": value for name, value in (tags or {}).items()}
    target = f"/api/v1/summary?{urlencode(query)}"
    if collector is not None:
        body = ask(collector, target, seconds=_REPLY_S).body
        return _decode_summary(body).sums
    status, body = _get(home, target)
    if status != 200:
        raise QuestionError(_decode_failure(body).message or f"HTTP status {status}")
    return _decode_summary(body).sums


def _get(home: Home, target: str) -> tuple[int, bytes]:
    from http.client import HTTPConnection, HTTPException

    connection: HTTPConnection | None = None
    try:
        running = _decode_running((home.run / "server.json").read_bytes())
        token = (home.run / "dashboard.token").read_text(encoding="ascii").strip()
        connection = HTTPConnection(running.host, running.port, timeout=_CONNECT_S)
        connection.connect()
        connection.sock.settimeout(_REPLY_S)
        connection.request("GET", target, headers={"authorization": f"Bearer {token}"})
        response = connection.getresponse()
        return response.status, response.read(_REPLY_BYTES_MAX)
    except (OSError, ValueError, msgspec.MsgspecError, HTTPException) as error:
        raise ServerNotRunningError(
            f"nobody can be asked what was spent: no Farebox runs for {home.path} "
            f"({_why(error)}); start one with: {command('up --detach', home)}"
        ) from None
    finally:
        if connection is not None:
            connection.close()


def _why(error: Any) -> str:
    return "it has left no address" if isinstance(error, FileNotFoundError) else type(error).__name__
