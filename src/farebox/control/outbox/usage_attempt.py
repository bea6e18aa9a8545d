"""One attempt to hand over the usage events of one message: in the vendor's form, in halves where it is
refused.

An attempt ends in one of four ways. Every event was answered: the message is delivered, refused events
included, which wait for the owner (`farebox exports replay`). Nothing arrived: it is tried again. It may
have arrived: it is tried again as long as the receiver knows ids, and the events are in doubt after that:
whoever can look there says what became of them. The key is wrong, or the receiver is at its limits: it is
tried again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import msgspec

from farebox import __version__
from farebox.channels.usage import lago, metronome, openmeter, orb, stripe
from farebox.channels.usage.usage_event import EventAnswer, UsageEvent, UsageMessage, usage_of
from farebox.channels.usage.usage_settings import UsageForm, UsageSettings, dated_ns
from farebox.clock import iso
from farebox.control.outbox.delivery_state import Head, Outcome
from farebox.errors import FareboxError
from farebox.outbound.connection import Limits, RequestFailedError
from farebox.outbound.destination import Destination, destination
from farebox.outbound.http_post import Response, post

Secret = Callable[[Mapping[str, str]], str]
"""Return the text of a secret by its reference."""

VENDORS: dict[UsageForm, ModuleType] = {
    "stripe": stripe,
    "lago": lago,
    "openmeter": openmeter,
    "orb": orb,
    "metronome": metronome,
}
_REFUSED = (400, 404, 413, 422)
"""An event in it would be refused again; which one is found out by halves."""


class _Stopped(Exception):
    """The rest is tried later."""

    def __init__(self, words: str, *, is_unsure: bool, retry_after: str | None = None) -> None:
        super().__init__(words)
        self.is_unsure = is_unsure
        self.retry_after = retry_after


async def usage_attempt(
    head: Head,
    said: UsageSettings,
    secret: Secret,
    now_ns: int,
    *,
    own_ports: frozenset[int],
    limits: Limits,
) -> Outcome:
    """Send a message's events and return how that ended. Never raises for what others did."""
    try:
        message = usage_of(head.payload)
        to, key = _destination(head, said), secret(head.settings.secret)
    except (ValueError, FareboxError) as error:
        return Outcome(False, f"it cannot be sent: {error}")
    in_doubt = _doubt(head, said, now_ns)
    if in_doubt:
        answers = tuple(EventAnswer(id=each.id, state="in_doubt", words=in_doubt) for each in message.events)
        return Outcome(False, in_doubt, is_permanent=True, answers=answers)
    moment = head.unsure_at if said.rules.keeps_time and head.unsure_at is not None else now_ns
    events = [
        msgspec.structs.replace(each, at_ns=dated_ns(said, each.at_ns, moment)) for each in message.events
    ]
    sending = _Sending(said.form, to, key, message, own_ports, limits)
    try:
        await sending.send(events)
    except _Stopped as stopped:
        is_unsure = stopped.is_unsure or bool(sending.answers)
        words = str(stopped).replace(key, "(secret)") if key else str(stopped)
        return Outcome(False, words, retry_after=stopped.retry_after, is_unsure=is_unsure)
    refused = [each for each in sending.answers if each.state == "refused"]
    words = f"{len(refused)} refused: {refused[0].words}" if refused else ""
    return Outcome(True, words, answers=tuple(sending.answers))


async def check_key(
    head: Head, said: UsageSettings, secret: Secret, *, own_ports: frozenset[int], limits: Limits
) -> str:
    """Ask a receiver with a request that holds no usage whether it knows our key; empty where it does."""
    try:
        to, key = _destination(head, said), secret(head.settings.secret)
        message = UsageMessage(export=head.receiver, meters={}, events=[])
        response = await _Sending(said.form, to, key, message, own_ports, limits).request([])
    except (ValueError, FareboxError, RequestFailedError) as error:
        return str(error)
    if response.status < 300 or response.status in (400, 422):
        return ""
    return _words(response)


def _destination(head: Head, said: UsageSettings) -> Destination:
    base = (head.settings.url or said.rules.url).rstrip("/")
    return destination(f"{base}{VENDORS[said.form].PATH}", head.settings.address)


def _doubt(head: Head, said: UsageSettings, now_ns: int) -> str:
    """Return why a message must not be sent again, empty where it may be."""
    if head.unsure_at is None or said.id_memory_s is None:
        return ""
    if now_ns - head.unsure_at < said.id_memory_s * 10**9:
        return ""
    return (
        f"it may have arrived at {iso(head.unsure_at)}, and the receiver no longer knows its ids: look "
        "there, and say what you found with `farebox exports settle`"
    )


def _words(response: Response) -> str:
    words = f"status {response.status}"
    return f"{words}: {response.excerpt}" if response.excerpt else words


class _Sending:
    """The requests of one attempt."""

    def __init__(
        self,
        form: UsageForm,
        to: Destination,
        key: str,
        message: UsageMessage,
        own_ports: frozenset[int],
        limits: Limits,
    ) -> None:
        self._vendor: Any = VENDORS[form]
        self._to = to
        self._key = key
        self._message = message
        self._own_ports = own_ports
        self._limits = limits
        self.answers: list[EventAnswer] = []

    async def send(self, events: Sequence[UsageEvent]) -> None:
        """Send events together, in halves where they are refused.

        Raises:
            _Stopped: What is not answered has to be sent again.
        """
        try:
            response = await self.request(events)
        except RequestFailedError as error:
            raise _Stopped(str(error), is_unsure=error.may_have_arrived) from None
        if 200 <= response.status < 300:
            self.answers += [EventAnswer(id=each.id, state="taken") for each in events]
        elif response.status not in _REFUSED:
            is_unsure = response.status >= 500
            raise _Stopped(_words(response), is_unsure=is_unsure, retry_after=response.retry_after)
        elif len(events) > 1:
            middle = len(events) // 2
            await self.send(events[:middle])
            await self.send(events[middle:])
        else:
            (event,) = events
            if self._vendor.is_duplicate(response):
                self.answers.append(EventAnswer(id=event.id, state="duplicate"))
            else:
                words = _words(response).replace(self._key, "(secret)") if self._key else _words(response)
                self.answers.append(EventAnswer(id=event.id, state="refused", words=words))

    async def request(self, events: Sequence[UsageEvent]) -> Response:
        """Send one request.

        Raises:
            RequestFailedError: There was no response.
        """
        headers = {
            "authorization": f"Bearer {self._key}",
            "content-type": self._vendor.CONTENT_TYPE,
            "user-agent": f"farebox/{__version__}",
            "accept": "*/*",
        }
        body = self._vendor.body(events, self._message)
        return await post(self._to, headers, body, own_ports=self._own_ports, limits=self._limits)
