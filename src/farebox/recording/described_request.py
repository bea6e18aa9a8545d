"""What the records of a request say of it, worked out once for all requests that are alike."""

from __future__ import annotations

from farebox.journal.records import Intent, encode, spelled
from farebox.recording.attribution_merge import Attribution, merged
from farebox.wire.request import RequestFacts


class DescribedRequest:
    """One request: where it goes, with which key, and whose call it is as far as its head says so."""

    # Threads of a program share it, so what is kept is replaced in one assignment.
    __slots__ = ("_encoded", "_merged", "_spelled", "intent", "key", "metered", "said")

    def __init__(self, intent: Intent, key: str, said: Attribution, *, metered: bool = True) -> None:
        self.intent = intent
        """A record that holds what is the same for every call like this one."""
        self.key = key
        """The request's API key, so that no record repeats it; empty for one too short to be told."""
        self.said = said
        """Whose call it is, as the head says."""
        self.metered = metered
        """Whether it is written down here."""
        self._merged: tuple[Attribution, Attribution] | None = None
        """What is known without any request, and what `attribution` returns for it and a body that says
        nothing."""
        self._encoded: tuple[Attribution, bytes] | None = None
        """An attribution as a journal has it."""
        self._spelled: tuple[bytes, bytes, bytes] | None = None

    def saying(self, said: Attribution) -> DescribedRequest:
        """Return the same request where its head, and what is around it, say something else."""
        other = DescribedRequest(self.intent, self.key, said, metered=self.metered)
        other._spelled = self._spelled
        return other

    def attribution(self, below: Attribution, facts: RequestFacts) -> Attribution:
        """Return whose call it is.

        `below` is what is known without any request, `facts` what the body says. Most calls that are alike
        say the same, so the result for those is kept.
        """
        if facts.attribution:
            return merged(below, (facts.attribution, facts.attribution_from), self.said)
        known = self._merged
        if known is None or known[0] is not below:
            known = self._merged = below, merged(below, self.said)
        return known[1]

    def origin(self, event_id: bytes, occurred_at_ns: int, attribution: Attribution) -> bytes:
        """Return the fields that every record of an exchange begins with, as a journal has them."""
        known = self._encoded
        if known is None or known[0] is not attribution:
            known = self._encoded = attribution, encode(attribution[0]) + encode(attribution[1])
        pieces = self._spelled
        if pieces is None:
            pieces = self._spelled = spelled(self.intent)
        before, between, after = pieces
        return b"".join((event_id, before, occurred_at_ns.to_bytes(8, "big"), between, known[1], after))
