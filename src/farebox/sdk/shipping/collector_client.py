"""HTTP to a collector: one connection that is kept, nothing followed, nothing waited for without a limit."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from farebox import __version__
from farebox.errors import UsageError
from farebox.outbound.tls import client_context
from farebox.wire.keys import without_keys

EVENTS = "/v1/events"
CONNECT_S = 5.0
RESPONSE_S = 30.0
RETRY_AFTER_MAX_S = 3600.0
"""However much later a collector wants events again."""
_RESPONSE_BYTES_MAX = 64 << 20
_COMPRESSED_FROM_BYTES = 1 << 10
_GZIP = 31
"""`wbits` of zlib for the format of gzip."""
_LOOPBACK = ("localhost", "::1")
_inherited: list[HTTPConnection] = []
"""Connections of a parent, which are never to be finalized here."""

Status = Literal["accepted", "duplicate", "conflict", "invalid"]


class Verdict(msgspec.Struct, frozen=True):
    """What a collector says of one event."""

    status: Status
    field: str | None = None
    reason: str | None = None
    id: str | None = None


class _Identified(msgspec.Struct):
    id: str


class _Verdicts(msgspec.Struct):
    items: list[Verdict]


_decode_verdicts = msgspec.json.Decoder(_Verdicts).decode


class _Refusal(msgspec.Struct):
    code: str = ""
    message: str = ""


_decode_refusal = msgspec.json.Decoder(_Refusal).decode


class CollectorError(Exception):
    """A batch was not taken. It is sent again later."""

    def __init__(self, why: str, *, retry_after_s: float = 0.0, code: str | None = None) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s
        self.code = code or "collector_unreachable"


class BatchRefusedError(CollectorError):
    """This batch will not be taken as it is: it is too large, or makes no sense as a whole."""


class Response(NamedTuple):
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def checked_url(url: str) -> str:
    """Return a collector's address without a slash at its end.

    Raises:
        UsageError: It is none, or one that a token would be sent to in the clear.
    """
    parts = urlsplit(url.strip())
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(  # which is not repeated: it may hold a secret
            "collector is an address such as https://farebox.example.com, without a user name, a password "
            "or a query; the token is given as token= or FAREBOX_TOKEN"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"collector is an address such as https://farebox.example.com, not {url!r}")
    try:
        port = parts.port
    except ValueError:
        raise UsageError(f"collector has a port that is none: {url!r}") from None
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UsageError(
            f"collector http://{parts.hostname} is refused: the token would travel in the clear; use "
            "https://, as docs/guides/beyond-one-machine.md shows (http is fine on this machine)"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, whoever resolves it."""
    return host in _LOOPBACK or (host.startswith("127.") and host.replace(".", "").isdigit())


class CollectorClient:
    """One thread's connection to one collector."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self.response_s = RESPONSE_S
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port
        self._path = parts.path.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._headers["user-agent"] = f"farebox-sdk/{__version__}"
        self._connection: HTTPConnection | None = None

    def send(self, events: Sequence[bytes]) -> list[Verdict]:
        """Send events and return a verdict for each.

        Raises:
            BatchRefusedError: The batch will not be taken as it is.
            CollectorError: It was not taken, or it is not known whether it was: send it again.
        """
        body = b"\n".join(events)
        headers = {"content-type": "application/x-ndjson"}
        if len(body) >= _COMPRESSED_FROM_BYTES:
            squeeze = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
            body = squeeze.compress(body) + squeeze.flush()
            headers["content-encoding"] = "gzip"
        response = self.request("POST", EVENTS, body, headers)
        if 200 <= response.status < 300:
            try:
                found = _decode_verdicts(response.body).items
            except (msgspec.MsgspecError, UnicodeDecodeError):
                found = []
            if len(found) == len(events) and all(map(_is_about, found, events)):
                return found
            raise CollectorError(f"{self.url} does not respond as a Farebox collector does")
        raise self._refused(response)

    def request(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send a request and return its response, whatever its status.

        Raises:
            CollectorError: There was none.
        """
        kept = self._connection is not None
        try:
            return self._exchange(method, target, body, headers or {})
        except (OSError, HTTPException) as error:
            self.close()
            if not kept or isinstance(error, TimeoutError):
                raise CollectorError(f"{self.url} cannot be reached: {_why(error)}") from None
        try:  # a kept connection may have been closed by the other side meanwhile
            return self._exchange(method, target, body, headers or {})
        except (OSError, HTTPException) as error:
            self.close()
            raise CollectorError(f"{self.url} cannot be reached: {_why(error)}") from None

    def leave_to_parent(self) -> None:
        """In a child of a fork: close the descriptor that was inherited, and touch nothing else.

        The parent's thread may have been reading: the lock of its buffer is then held for ever in the child,
        and closing, or forgetting, the response would wait for it.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            _inherited.append(connection)
            if connection.sock is not None:
                os.close(connection.sock.detach())

    def close(self) -> None:
        """Close the connection; the next request makes another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchange(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Response:
        connection = self._connection or self._connect()
        connection.request(method, self._path + target, body, {**self._headers, **headers})
        response = connection.getresponse()
        found = Response(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            _content(response),
        )
        if response.will_close:
            self.close()
        return found

    def _connect(self) -> HTTPConnection:
        limit = min(CONNECT_S, self.response_s)
        if self._secure:
            connection = HTTPSConnection(self._host, self._port, timeout=limit, context=client_context())
        else:
            connection = HTTPConnection(self._host, self._port, timeout=limit)
        connection.connect()
        connection.sock.settimeout(self.response_s)
        self._connection = connection
        return connection

    def _refused(self, response: Response) -> CollectorError:
        said = _refusal(response)
        status = response.status
        if status in (401, 403):
            return CollectorError(
                f"{self.url} does not take this token (status {status}{said}); make one there with: "
                "farebox tokens create sdk --scope ingest",
                retry_after_s=60.0,
                code="collector_token",
            )
        if status in (404, 405) or 300 <= status < 400:
            return CollectorError(
                f"{self.url} is no Farebox collector: status {status} for {EVENTS}; start one there with: "
                "farebox up",
                retry_after_s=60.0,
                code="collector_missing",
            )
        if status in (400, 413, 415, 422):
            return BatchRefusedError(
                f"{self.url} refused a batch: status {status}{said}", code="batch_refused"
            )
        after = response.headers.get("retry-after", "")
        return CollectorError(
            f"{self.url} cannot take events now: status {status}{said}",
            retry_after_s=min(float(after), RETRY_AFTER_MAX_S) if after.isdecimal() else 0.0,
        )


_identified = msgspec.json.Decoder(_Identified).decode


def _is_about(verdict: Verdict, event: bytes) -> bool:
    """Tell whether a verdict that takes an event off our hands means this one; else it would be lost."""
    return verdict.status in ("invalid", "conflict") or verdict.id == _identified(event).id


def shown(text: str) -> str:
    """Return what a collector says as a log may have it: without line breaks, and without a token in it."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return without_keys(line)[:200]


def _content(response: HTTPResponse) -> bytes:
    body = response.read(_RESPONSE_BYTES_MAX + 1)
    if len(body) > _RESPONSE_BYTES_MAX:
        raise HTTPException("the response is too large")
    return body


def _refusal(response: Response) -> str:
    try:
        message = _decode_refusal(response.body).message
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    said = shown(message)
    return f": {said}" if said else ""


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
