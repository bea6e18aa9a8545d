"""What the records of a request say of it, worked out once for all requests that are alike."""

from __future__ import annotations

from farebox.journal.records import Intent, spelled
from farebox.recording.attribution_merge import NOBODY, Attribution, merged
from farebox.wire.request import RequestFacts


class DescribedRequest:
    """One request: where it goes, with which key, and whose call it is as far as its head says so."""

    __slots__ = (
        "_attribution",
        "_below",
        "_spelled",
        "_spelled_for",
        "intent",
        "key",
        "metered",
        "said",
    )

    def __init__(self, intent: Intent, key: str, said: Attribution, *, metered: bool = True) -> None:
        self.intent = intent
        """A record that holds what is the same for every call like this one."""
        self.key = key
        """The request's API key, so that no record repeats it; empty for one too short to be told."""
        self.said = said
        """Whose call it is, as the head says."""
        self.metered = metered
        """Whether it is written down here."""
        self._below: Attribution = NOBODY
        self._attribution: Attribution | None = None
        """What `attribution` returned last for a body that says nothing, and for which facts below."""
        self._spelled: tuple[bytes, bytes] = b"", b""
        self._spelled_for: Attribution | None = None

    def attribution(self, below: Attribution, facts: RequestFacts) -> Attribution:
        """Return whose call it is.

        `below` is what is known without any request, `facts` what the body says. Most calls that are alike
        say the same, so the result for those is kept.
        """
        if facts.attribution:
            return merged(below, (facts.attribution, facts.attribution_from), self.said)
        known = self._attribution
        if known is None or self._below is not below:
            known = self._attribution = merged(below, self.said)
            self._below = below
        return known

    def origin(self, event_id: bytes, occurred_at_ns: int, attribution: Attribution) -> bytes:
        """Return the fields that every record of an exchange begins with, as a journal has them."""
        if attribution is not self._spelled_for:
            self.intent.attribution, self.intent.attribution_from = attribution
            self._spelled = spelled(self.intent)
            self._spelled_for = attribution
        before, after = self._spelled
        return b"".join((event_id, before, occurred_at_ns.to_bytes(8, "big"), after))
