"""What a receiver of usage is told: an event of one customer, and how the receiver answered it.

Sums are whole numbers: counts, and pico-dollars for amounts. They become decimal text here, exactly.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, get_args

import msgspec

Quantity = Literal[
    "calls",
    "input_tokens",
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_usd",
    "charge_usd",
]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
USUAL: tuple[Quantity, ...] = (
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "output_tokens",
)
"""Together they are all tokens, each once."""
AMOUNTS: tuple[Quantity, ...] = ("cost_usd", "charge_usd")

State = Literal["taken", "duplicate", "refused", "in_doubt"]
PICO_PLACES = 12


class UsageEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Usage of one customer: of one call, or of an hour's or a day's calls with one model.

    It is what came to the record with some rows, and below zero where that took usage back.
    """

    id: str
    """Made of what it is about, so that the same usage has the same id whenever it is made."""
    account: str = ""
    """The customer as the receiver knows it; empty while nobody has said."""
    name: str
    """Of the meter or of the kind of event, as the receiver knows it."""
    at_ns: int
    sums: dict[str, int]
    """By quantity; amounts in pico-dollars."""
    provider: str = ""
    model: str = ""
    from_ns: int
    until_ns: int
    """The time it is about: an hour, a day, or one moment."""


class EventAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How a receiver answered one event."""

    id: str
    state: State
    words: str = ""


class UsageMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a message of the outbox holds for a receiver of usage."""

    export: str
    meters: dict[str, str]
    """Quantity to the receiver's name of it."""
    events: list[UsageEvent]


class _Payload(msgspec.Struct):
    data: UsageMessage


def usage_of(payload: str) -> UsageMessage:
    """Return what a stored payload holds.

    Raises:
        ValueError: It holds no usage.
    """
    try:
        return msgspec.json.decode(payload, type=_Payload).data
    except msgspec.MsgspecError:
        raise ValueError("the message holds no usage: nothing else is sent to a receiver of usage") from None


def value_text(quantity: str, value: int) -> str:
    """Return a sum as decimal text: `1234`, or an amount in dollars as `0.0000025`, without an exponent."""
    if quantity not in AMOUNTS:
        return str(value)
    text = f"{Decimal(value).scaleb(-PICO_PLACES):f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def single(event: UsageEvent) -> tuple[str, int]:
    """Return the one quantity of an event for a receiver that has a meter for each."""
    ((quantity, value),) = event.sums.items()
    return quantity, value
