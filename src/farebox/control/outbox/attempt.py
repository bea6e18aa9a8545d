"""One attempt to deliver one message in its receiver's form: the secrets, the request, and what came back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from farebox.channels import desktop, discord, mail, ntfy, pagerduty, slack, teams, webhook
from farebox.channels.request import Post, Sending, Verdict, verdict
from farebox.channels.secret_url import secret_destination
from farebox.channels.settings import SECRET_URL, Form, server_address
from farebox.control.outbox.delivery_state import Head, Outcome
from farebox.control.outbox.usage_attempt import Secret as Secret
from farebox.control.outbox.usage_attempt import usage_attempt
from farebox.errors import FareboxError
from farebox.outbound.connection import LIMITS, Limits, RequestFailedError
from farebox.outbound.destination import destination, mail_destination
from farebox.outbound.http_post import post
from farebox.outbound.smtp import Login, MailRefusedError, send_mail

_POSTS: dict[Form, Callable[[Sending], list[Post]]] = {
    "slack": slack.posts,
    "discord": discord.posts,
    "teams": teams.posts,
    "pagerduty": pagerduty.posts,
    "ntfy": ntfy.posts,
}
_HIDDEN_FROM = 6
"""Of a secret as short as a word, no words are taken out of a response."""


async def attempt(
    head: Head,
    secret: Secret,
    now_ns: int,
    *,
    own_ports: frozenset[int] = frozenset(),
    limits: Limits = LIMITS,
) -> Outcome:
    """Send a message to its receiver and return how that ended. Never raises for what others did."""
    said = head.settings
    if said.usage is not None:
        return await usage_attempt(head, said.usage, secret, now_ns, own_ports=own_ports, limits=limits)
    try:
        main = secret(said.secret) if said.secret else ""
        token = secret(said.token) if said.token else ""
        if said.form == "email":
            found = await _mailed(head, main, own_ports, limits)
        elif said.form == "desktop":
            found = await _shown(head, limits)
        else:
            found = await _posted(_posts(head, main, token, now_ns), said.form, own_ports, limits)
    except (ValueError, FareboxError) as error:
        return Outcome(False, f"it cannot be sent: {error}")
    except RequestFailedError as error:
        return Outcome(False, str(error))
    words = found.words
    for each in (main, token):
        if len(each) >= _HIDDEN_FROM:
            words = words.replace(each, "(secret)")
    return Outcome(found.delivered, words, found.is_gone, found.retry_after, found.is_permanent)


def _posts(head: Head, main: str, token: str, now_ns: int) -> list[Post]:
    said = head.settings
    if said.form == "webhook":
        body = head.payload.encode()
        headers = webhook.headers(webhook.signing_keys(main), head.message, now_ns // 10**9, body)
        return [Post(destination(said.url, said.address), headers, body)]
    if said.form in SECRET_URL:
        to, main = secret_destination(main, said.address), ""
    else:
        to = destination(said.url, said.address)
    return _POSTS[said.form](Sending(head.message, head.payload, to, main, token))


async def _posted(posts: list[Post], form: Form, own_ports: frozenset[int], limits: Limits) -> Verdict:
    """Send requests in order; one that is refused for good does not keep the others from being sent."""
    refused: Verdict | None = None
    for each in posts:
        response = await post(each.to, each.headers, each.body, own_ports=own_ports, limits=limits)
        found = verdict(form, response)
        if not found.delivered and not found.is_permanent:
            return found
        refused = refused or (None if found.delivered else found)
    return refused or Verdict(True)


async def _mailed(head: Head, password: str, own_ports: frozenset[int], limits: Limits) -> Verdict:
    said = head.settings.mail
    address = None if said is None else server_address(said.server)
    if said is None or address is None:
        raise ValueError("it names no mail server")
    to = mail_destination(*address, head.settings.address, clear=said.tls == "none")
    try:
        refused = await send_mail(
            to,
            said.sender,
            said.to,
            mail.mail(head.payload, head.message, said),
            starttls=said.tls == "starttls",
            login=Login(said.user, password) if said.user else None,
            own_ports=own_ports,
            limits=limits,
        )
    except MailRefusedError as error:
        return Verdict(False, str(error), is_permanent=error.is_permanent)
    return Verdict(True, f"refused: {', '.join(refused)}" if refused else "")


async def _shown(head: Head, limits: Limits) -> Verdict:
    command = desktop.command(head.payload)
    if command is None:
        return Verdict(False, "this machine has neither notify-send nor osascript", is_permanent=True)
    quiet = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=quiet, stdout=quiet, stderr=quiet)
    except OSError as error:
        return Verdict(False, f"{command[0]} cannot be started: {error.strerror or error}")
    try:
        async with asyncio.timeout(limits.whole):
            status = await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        return Verdict(False, f"{command[0]} did not end within {limits.whole:g} seconds")
    return Verdict(status == 0, "" if status == 0 else f"{command[0]} ended with status {status}")
