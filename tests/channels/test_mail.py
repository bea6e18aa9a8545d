"""E-mail against a server that speaks SMTP: TLS before anything else, safe headers, what a refusal means."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import cast

import pytest
from mail_server import MailServer
from proxy_harness import certificate, server_tls
from sample_message import HOSTILE, LINK, item, payload

from farebox.channels.mail import mail
from farebox.channels.settings import MailSettings
from farebox.control.outbox.attempt import attempt
from farebox.control.outbox.delivery_state import Head, Outcome
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.outbound.connection import Limits

PASSWORD = "hunter2"
NOW = 1_795_950_000 * 10**9
ID = "01a22474-7434-7659-b04b-79a2f4145a6c"
TO = ("ops@example.com", "boss@example.com")
Trust = Callable[[], None]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    return certificate(tmp_path, "mail.example.com")


@pytest.fixture
def trusted(files: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Trust]:
    return lambda: monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))  # type: ignore[return-value]


def send(
    port: int,
    *,
    tls: str,
    user: str = "",
    password: str = PASSWORD,
    text: str | None = None,
    seconds: float = 10,
) -> Outcome:
    mail = MailSettings(
        server=f"mail.example.com:{port}",
        tls=tls,
        sender="farebox@example.com",
        to=TO,
        user=user,  # type: ignore[arg-type]
    )
    said = ReceiverSettings(form="email", mail=mail, address="127.0.0.1", secret={"env": "P"} if user else {})
    head = Head(ID, "alert.fired", text or payload(), "ops", said, 0, 0)
    limits = Limits(connect=5, silence=seconds / 2, whole=seconds)
    return asyncio.run(attempt(head, lambda _: password, NOW, limits=limits))


def parsed(content: bytes) -> EmailMessage:
    return cast(EmailMessage, email.message_from_bytes(content, policy=default))


def test_a_mail_is_sent_over_starttls_after_a_login(files: tuple[Path, Path, Path], trusted: Trust) -> None:
    trusted()
    with MailServer(tls=server_tls(*files[1:])) as server:
        assert send(server.port, tls="starttls", user="farebox") == Outcome(True)
    (found,) = server.mails
    assert (found.sender, found.recipients) == ("farebox@example.com", list(TO))
    assert (found.login, found.is_encrypted) == ("farebox", True)
    assert server.commands[:3] == ["EHLO farebox", "STARTTLS", "EHLO farebox"]


def test_a_mail_is_sent_over_tls_from_the_first_byte_with_the_older_login(
    files: tuple[Path, Path, Path], trusted: Trust
) -> None:
    trusted()
    with MailServer(tls=server_tls(*files[1:]), implicit=True, auth="LOGIN") as server:
        assert send(server.port, tls="tls", user="farebox") == Outcome(True)
    assert server.mails[0].login == "farebox"


def test_a_near_server_may_be_without_tls() -> None:
    with MailServer() as server:
        assert send(server.port, tls="none") == Outcome(True)
    assert not server.mails[0].is_encrypted


def test_nothing_is_said_to_a_server_that_cannot_be_verified(files: tuple[Path, Path, Path]) -> None:
    with MailServer(tls=server_tls(*files[1:])) as server:
        outcome = send(server.port, tls="starttls", user="farebox")
    assert "certificate is not valid" in outcome.words
    assert server.commands == ["EHLO farebox", "STARTTLS"]
    with MailServer() as server:
        outcome = send(server.port, tls="starttls", user="farebox")
    assert "does not offer STARTTLS" in outcome.words
    assert not outcome.is_permanent
    assert server.commands == ["EHLO farebox"]


REFUSALS = [
    ("MAIL FROM", "451 try again later", False),
    ("MAIL FROM", "550 who are you", True),
    ("RCPT TO", "450 greylisted", False),
    ("RCPT TO", "550 no such user", True),
    ("DATA", "552 too much", True),
    ("EHLO", "421 too busy", False),
]


@pytest.mark.parametrize(("command", "response", "permanent"), REFUSALS)
def test_a_refusal_for_now_is_tried_again_and_one_for_good_is_not(
    command: str, response: str, permanent: bool
) -> None:
    with MailServer(refusals={command: response}) as server:
        outcome = send(server.port, tls="none")
    assert not outcome.delivered
    assert outcome.is_permanent == permanent
    assert response[:3] in outcome.words
    assert server.mails == []


def test_one_recipient_who_is_refused_keeps_no_other_from_the_mail() -> None:
    with MailServer(refusals={"RCPT TO:<boss": "550 no such user"}) as server:
        outcome = send(server.port, tls="none")
    assert outcome.delivered
    assert server.mails[0].recipients == ["ops@example.com"]


def test_a_wrong_password_is_tried_again_and_is_not_in_what_is_said(
    files: tuple[Path, Path, Path], trusted: Trust
) -> None:
    trusted()
    with MailServer(tls=server_tls(*files[1:])) as server:
        outcome = send(server.port, tls="starttls", user="farebox", password="sesame-sesame")
    assert (outcome.delivered, outcome.is_permanent) == (False, False)
    assert "535" in outcome.words
    assert "sesame" not in outcome.words


def test_a_server_that_says_nothing_holds_nobody_up() -> None:
    with MailServer(refusals={"EHLO": "250-and\r\n250-so"}) as server:  # and never the last line
        assert "no response within" in send(server.port, tls="none", seconds=1).words
    with MailServer(refusals={"EHLO": "hello"}) as server:
        assert "not SMTP" in send(server.port, tls="none").words


def test_a_mail_says_everything_as_text_and_as_html_and_is_the_same_at_each_attempt() -> None:
    settings = MailSettings(server="x:1", sender="farebox@example.com", to=TO)
    content = mail(payload(), ID, settings)
    assert content == mail(payload(), ID, settings)
    found = parsed(content)
    assert found["Subject"] == "acme-spend: $10.02 spent, threshold $10.00"
    assert found["From"] == "Farebox <farebox@example.com>"
    assert found["To"] == "ops@example.com, boss@example.com"
    assert found["Message-ID"] == f"<{ID}@example.com>"
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["Date"] == "Sun, 29 Nov 2026 14:00:05 +0000"
    for kind in ("plain", "html"):
        body = found.get_body((kind,))
        assert body is not None
        text = body.get_content().replace("&amp;", "&")
        for said in ("gpt-4o", "$8.02", "2026-11-29 14:00:05 UTC", LINK):
            assert said in text, (kind, said)


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_no_name_ends_a_header_or_becomes_html(number: int) -> None:
    name = HOSTILE[number]
    with MailServer() as server:
        assert send(server.port, tls="none", text=payload(item(title=name, basis=name))).delivered
    found = parsed(server.mails[0].content)
    assert set(found.keys()) <= {
        *("Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type")
    }
    assert "\n" not in found["Subject"]
    assert server.mails[0].recipients == list(TO)
    html = found.get_body(("html",))
    assert html is not None
    assert not {"<script", "<img", "<b>"} & set(html.get_content().split())
    assert "<script>" not in html.get_content()
