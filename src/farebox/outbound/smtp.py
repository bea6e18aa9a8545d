"""One mail to a mail server (RFC 5321): over TLS unless the server is near, bounded in every way.

A mail counts as delivered once the server has accepted its end. What the server says is kept as a short line.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from farebox.outbound.connection import LIMITS, Limits, RequestFailedError, connect, why
from farebox.outbound.destination import Destination
from farebox.outbound.tls import client_context

LINE_BYTES_MAX = 4096
LINES_MAX = 100
EXCERPT_CHARACTERS = 200


class Login(NamedTuple):
    """Who we are to the server."""

    user: str
    password: str


class MailRefusedError(Exception):
    """The server refused something. The text says what, for people, with nothing of the login in it."""

    def __init__(self, code: int, words: str, *, is_login: bool = False) -> None:
        super().__init__(words)
        self.code = code
        self.is_permanent = code >= 500 and not is_login
        """The same mail would be refused again; a login may be put right."""


async def send_mail(
    to: Destination,
    sender: str,
    recipients: Sequence[str],
    mail: bytes,
    *,
    starttls: bool,
    login: Login | None = None,
    own_ports: frozenset[int] = frozenset(),
    limits: Limits = LIMITS,
) -> list[str]:
    """Send one mail; return the recipients that the server refused, where it accepted others.

    With `starttls` the connection is changed to TLS before anything else is said; a server that cannot is
    told nothing. Without, `to.secure` says whether it speaks TLS from the first byte on.

    Raises:
        RequestFailedError: No connection, or no response in time.
        MailRefusedError: The server refused the mail, the login or everybody.
    """
    try:
        async with asyncio.timeout(limits.whole):
            reader, writer = await connect(to, own_ports, limits, secure=to.secure and not starttls)
            try:
                session = _Session(reader, writer, limits)
                await session.greet()
                if starttls:
                    await session.change_to_tls(to.host)
                if login is not None:
                    await session.log_in(login)
                return await session.send(sender, recipients, mail)
            finally:
                writer.transport.abort()
    except TimeoutError:
        raise RequestFailedError(f"no response within {limits.whole:g} seconds") from None
    except (OSError, EOFError) as error:
        raise RequestFailedError(f"the connection failed: {why(error)}") from None


class _Session:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._extensions: dict[str, str] = {}

    async def greet(self) -> None:
        code, text = await self._response()
        if code != 220:
            raise MailRefusedError(code, f"it greets with {code} {text}")
        await self._hello()

    async def change_to_tls(self, host: str) -> None:
        if "STARTTLS" not in self._extensions:
            raise RequestFailedError("it does not offer STARTTLS, and nothing is sent in clear")
        code, text = await self._said("STARTTLS")
        if code != 220:
            raise RequestFailedError(f"it refused STARTTLS: {code} {text}")
        # Whatever came in clear behind its response could be somebody else's.
        if getattr(self._reader, "_buffer", b""):
            raise RequestFailedError("it went on in clear after STARTTLS")
        context = client_context()
        context.set_alpn_protocols([])
        try:
            await self._writer.start_tls(context, server_hostname=host)
        except OSError as error:
            words = getattr(error, "verify_message", None)
            raise RequestFailedError(
                f"its certificate is not valid: {words}" if words else "the TLS handshake failed"
            ) from None
        await self._hello()

    async def log_in(self, login: Login) -> None:
        offered = self._extensions.get("AUTH", "").upper().split()
        if "PLAIN" in offered:
            said = base64.b64encode(f"\0{login.user}\0{login.password}".encode()).decode()
            code, _ = await self._said(f"AUTH PLAIN {said}")
        elif "LOGIN" in offered:
            code, _ = await self._said("AUTH LOGIN")
            for word in (login.user, login.password):
                if code == 334:
                    code, _ = await self._said(base64.b64encode(word.encode()).decode())
        else:
            raise MailRefusedError(504, "it takes neither AUTH PLAIN nor AUTH LOGIN", is_login=True)
        if code != 235:
            # Its words may repeat what was said.
            raise MailRefusedError(code, f"it refused the login, with status {code}", is_login=True)

    async def send(self, sender: str, recipients: Sequence[str], mail: bytes) -> list[str]:
        await self._accepted(f"MAIL FROM:<{sender}>", "the sender")
        refused: list[str] = []
        last = MailRefusedError(550, "nobody is named")
        for recipient in recipients:
            code, text = await self._said(f"RCPT TO:<{recipient}>")
            if not 200 <= code < 300:
                refused.append(recipient)
                last = MailRefusedError(code, f"it refused {recipient}: {code} {text}")
        if len(refused) == len(recipients):
            raise last
        code, text = await self._said("DATA")
        if code != 354:
            raise MailRefusedError(code, f"it refused the mail: {code} {text}")
        self._writer.write(_dotted(mail))
        await self._writer.drain()
        code, text = await self._response()
        if not 200 <= code < 300:
            raise MailRefusedError(code, f"it refused the mail: {code} {text}")
        with contextlib.suppress(OSError):  # it has the mail: how this ends changes nothing
            self._writer.write(b"QUIT\r\n")
        return refused

    async def _hello(self) -> None:
        code, text = await self._said("EHLO farebox", keep=True)
        if code != 250:
            raise MailRefusedError(code, f"it refused EHLO: {code}")
        self._extensions = {}
        for row in text.splitlines()[1:]:
            name, _, parameters = row.partition(" ")
            self._extensions[name.upper()] = parameters

    async def _accepted(self, command: str, what: str) -> None:
        code, text = await self._said(command)
        if not 200 <= code < 300:
            raise MailRefusedError(code, f"it refused {what}: {code} {text}")

    async def _said(self, command: str, *, keep: bool = False) -> tuple[int, str]:
        if not command.isascii() or "\r" in command or "\n" in command:
            raise ValueError("a line break or a character beyond ASCII in a command")
        self._writer.write(command.encode() + b"\r\n")
        await self._writer.drain()
        return await self._response(keep=keep)

    async def _response(self, *, keep: bool = False) -> tuple[int, str]:
        """Return the code and the text, on one line unless its lines are to be kept."""
        rows: list[str] = []
        while len(rows) < LINES_MAX:
            try:
                async with asyncio.timeout(self._limits.silence):
                    raw = await self._reader.readuntil(b"\n")
            except (asyncio.LimitOverrunError, ValueError):
                raise RequestFailedError("a line of its response is too long") from None
            except asyncio.IncompleteReadError:
                raise RequestFailedError("it closed the connection before its response") from None
            except TimeoutError:
                raise RequestFailedError(f"no response within {self._limits.silence:g} seconds") from None
            row = raw[:LINE_BYTES_MAX].decode("ascii", "replace").rstrip("\r\n")
            if not row[:3].isdigit() or row[3:4] not in ("", " ", "-"):
                raise RequestFailedError("its response is not SMTP")
            rows.append(row[4:])
            if row[3:4] != "-":
                text = "\n".join(rows)
                return int(row[:3]), text if keep else _excerpt(text)
        raise RequestFailedError("its response is too long")


def _excerpt(text: str) -> str:
    one_line = " ".join(text.split())
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in one_line)[
        :EXCERPT_CHARACTERS
    ]


def _dotted(mail: bytes) -> bytes:
    """Return a mail as `DATA` takes it: its lines end with CRLF, and no line of it is the end (§4.5.2)."""
    rows = mail.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if rows and not rows[-1]:
        rows.pop()
    return b"".join((b"." if row.startswith(b".") else b"") + row + b"\r\n" for row in rows) + b".\r\n"
