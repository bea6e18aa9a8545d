"""What the owner says of an export of usage, and what each vendor's API allows."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import msgspec

from farebox.channels.usage.usage_event import USUAL

UsageForm = Literal["stripe", "lago", "openmeter", "orb", "metronome"]
USAGE_FORMS: tuple[UsageForm, ...] = get_args(UsageForm)
Granularity = Literal["call", "hour", "day"]
GRANULARITIES: tuple[Granularity, ...] = get_args(Granularity)
Unmapped = Literal["hold", "same"]

DEFAULT_EVENT = "llm_usage"
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


class Rules(NamedTuple):
    """What a vendor's API takes. None: without a limit."""

    url: str
    has_meters: bool
    """An event is of one meter with one value; elsewhere one event has every quantity as a property."""
    batch: int
    """Events a request has at most."""
    max_age_s: int | None
    """Older timestamps are refused."""
    max_ahead_s: int | None
    id_memory_s: int | None
    """How long an id is known: the same id within it is not counted twice. None: for ever."""
    unmapped: Unmapped
    """Whether our name of a customer can be the vendor's, too."""
    whole_numbers: bool = False
    keeps_time: bool = False
    """The vendor knows an event by id and timestamp together: neither may change."""


RULES: dict[UsageForm, Rules] = {
    # Each module says where these are documented.
    "stripe": Rules(
        "https://api.stripe.com", True, 1, 35 * _DAY, 5 * _MINUTE, _DAY, "hold", whole_numbers=True
    ),
    "lago": Rules("https://api.getlago.com", True, 100, None, None, None, "hold", keeps_time=True),
    "openmeter": Rules("https://openmeter.cloud", False, 100, None, None, 32 * _DAY, "same"),
    "orb": Rules("https://api.withorb.com/v1", False, 100, 12 * _HOUR, _HOUR, None, "same"),
    "metronome": Rules("https://api.metronome.com/v1", False, 100, 34 * _DAY, _DAY, 34 * _DAY, "same"),
}


class UsageSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An export as the owner set it; the URL and where the key is are beside it."""

    form: UsageForm
    customers: dict[str, str] = {}
    """Our name of a customer to the receiver's."""
    unmapped: Unmapped
    """What becomes of other customers' usage: it waits for a name, or goes under ours."""
    granularity: Granularity = "hour"
    meters: dict[str, str] = msgspec.field(default_factory=lambda: dict(zip(USUAL, USUAL, strict=True)))
    """Quantity to the receiver's name: of the meter, or of the property."""
    event: str = DEFAULT_EVENT
    """The kind of event, where quantities are its properties."""
    since_ns: int | None = None
    """Calls from then on; None: what is recorded from the moment on at which the export was added."""
    max_age_s: int | None = None
    """Usage that is older when it is sent is dated then."""
    id_memory_s: int | None = None
    """How long the receiver knows ids; None: for ever."""

    @property
    def rules(self) -> Rules:
        """What the vendor's API takes."""
        return RULES[self.form]

    def account(self, customer: str) -> str:
        """Return the receiver's name of a customer, empty where there is none yet."""
        known = self.customers.get(customer)
        return known if known is not None else customer if self.unmapped == "same" else ""


def usual_settings(form: UsageForm) -> UsageSettings:
    """Return an export of a form about which nothing else was said."""
    rules = RULES[form]
    return UsageSettings(
        form=form, unmapped=rules.unmapped, max_age_s=rules.max_age_s, id_memory_s=rules.id_memory_s
    )


def dated_ns(settings: UsageSettings, at_ns: int, now_ns: int) -> int:
    """Return the timestamp that an event is sent with: its own, or now where the receiver would refuse that.

    A minute is left for the way there and for clocks that differ.
    """
    rules = settings.rules
    margin_s = _MINUTE
    if settings.max_age_s is not None and at_ns < now_ns - max(settings.max_age_s - margin_s, 0) * 10**9:
        return now_ns
    if rules.max_ahead_s is not None and at_ns > now_ns + (rules.max_ahead_s - margin_s) * 10**9:
        return now_ns
    return at_ns
