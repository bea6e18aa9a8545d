"""A mail server on loopback that takes what RFC 5321 allows, and refuses everything else."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import threading
from typing import NamedTuple


class Mail(NamedTuple):
    sender: str
    recipients: list[str]
    content: bytes
    login: str | None
    is_encrypted: bool


class MailServer:
    """Listens until the end of its block. `refusals` are responses by the beginning of a command."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        auth: str = "PLAIN LOGIN",
        refusals: dict[str, str] | None = None,
    ) -> None:
        self.mails: list[Mail] = []
        self.commands: list[str] = []
        self.refusals = refusals or {}
        self.tls, self._implicit, self._auth = tls, implicit, auth
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> MailServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        session = _Session(self, connection)
        with contextlib.suppress(OSError):
            if self._implicit:
                session.secure()
            session.run()
        session.connection.close()

    def hello(self, encrypted: bool) -> list[str]:
        offered = ["farebox.test", "SIZE 1000000", "8BITMIME"]
        if self.tls is not None and not encrypted:
            offered.append("STARTTLS")
        if self._auth and (encrypted or self.tls is None):
            offered.append(f"AUTH {self._auth}")
        return offered


class _Session:
    def __init__(self, server: MailServer, connection: socket.socket) -> None:
        self.server, self.connection, self.encrypted = server, connection, False
        self.waiting = b""
        self.sender, self.recipients, self.login = "", list[str](), None

    def run(self) -> None:
        self.say("220 farebox.test ESMTP")
        while command := self.line():
            self.server.commands.append(command)
            verb = command[:4].upper()
            refusal = next(
                (text for start, text in self.server.refusals.items() if command.startswith(start)), ""
            )
            if refusal:
                self.say(refusal)
            elif verb == "EHLO":
                rows = self.server.hello(self.encrypted)
                for row in rows[:-1]:
                    self.say(f"250-{row}")
                self.say(f"250 {rows[-1]}")
            elif command == "STARTTLS":
                self.say("220 go on")
                assert not self.waiting, "something was said before the handshake"
                self.secure()
            elif command.startswith("AUTH PLAIN "):
                self.logged_in(base64.b64decode(command[11:]).decode().split("\0")[1:])
            elif command == "AUTH LOGIN":
                words: list[str] = []
                for asked in ("Username:", "Password:"):
                    self.say(f"334 {base64.b64encode(asked.encode()).decode()}")
                    words.append(base64.b64decode(self.line()).decode())
                self.logged_in(words)
            elif found := re.fullmatch(r"MAIL FROM:<([^<>\s]+@[^<>\s]+)>", command):
                self.sender = found[1]
                self.say("250 ok")
            elif found := re.fullmatch(r"RCPT TO:<([^<>\s]+@[^<>\s]+)>", command):
                self.recipients.append(found[1])
                self.say("250 ok")
            elif command == "DATA" and self.sender and self.recipients:
                self.say("354 go on")
                rows: list[str] = []
                while (row := self.line(latin=True)) != ".":
                    assert len(row) <= 998, "a line of more than 998 characters (RFC 5322 2.1.1)"
                    rows.append(row[1:] if row.startswith(".") else row)
                content = "\r\n".join([*rows, ""]).encode("latin-1")
                self.server.mails.append(
                    Mail(self.sender, self.recipients, content, self.login, self.encrypted)
                )
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("503 bad sequence of commands")

    def secure(self) -> None:
        tls = self.server.tls
        assert tls is not None
        self.connection = tls.wrap_socket(self.connection, server_side=True, do_handshake_on_connect=False)
        self.encrypted = True
        self.connection.do_handshake()

    def logged_in(self, words: list[str]) -> None:
        good = words == ["farebox", "hunter2"]
        self.login = words[0] if good else None
        self.say("235 ok" if good else f"535 wrong password {words[1]}")

    def line(self, latin: bool = False) -> str:
        while b"\n" not in self.waiting:
            piece = self.connection.recv(65536)
            if not piece:
                return ""
            self.waiting += piece
        row, self.waiting = self.waiting.split(b"\n", 1)
        assert row.endswith(b"\r"), "a line that ends with LF alone"
        return row[:-1].decode("latin-1" if latin else "ascii")

    def say(self, text: str) -> None:
        self.connection.sendall(text.encode() + b"\r\n")
