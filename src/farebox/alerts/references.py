"""What alerts name that is said elsewhere: channels, budgets, customers.

The reader of a file knows what the file says; what commands have set is in `control.db`. So names are kept
with their places, and whoever knows both tells which of them are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from farebox.alerts.alert import EVERY_WALLET, Alert
from farebox.alerts.written_values import WHOLE_PPM, percent_text
from farebox.budgets.budget import Mode
from farebox.errors import Finding
from farebox.nearest import did_you_mean

Sort = Literal["channel", "budget", "customer"]


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A name of something else, where it stands."""

    sort: Sort
    name: str
    most_ppm: int = 0
    """Of a budget: the highest threshold."""
    file: str = ""
    line: int = 0
    key: str = ""

    def finding(self, expected: str, found: str) -> Finding:
        """Return the finding that it is wrong."""
        return Finding(self.file, self.line, self.key, found, expected)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to refer to."""

    channels: frozenset[str] = frozenset()
    budgets: Mapping[str, Mode] = {}
    customers: frozenset[str] = frozenset()

    def names(self, sort: Sort) -> list[str]:
        """Return the names of one sort."""
        found = {"channel": self.channels, "budget": self.budgets, "customer": self.customers}
        return sorted(found[sort])

    def __or__(self, other: Known) -> Known:
        return Known(
            channels=self.channels | other.channels,
            budgets={**self.budgets, **other.budgets},
            customers=self.customers | other.customers,
        )


def missing(references: Iterable[Reference], known: Known) -> list[Finding]:
    """Return the findings of what is not there, and of thresholds that a budget can never pass."""
    findings: list[Finding] = []
    for each in references:
        names = known.names(each.sort)
        if each.name not in names:
            findings.append(each.finding(_instead(each, names), f"an unknown {each.sort}, {each.name!r}"))
        if each.sort == "budget" and each.most_ppm > WHOLE_PPM and known.budgets.get(each.name) != "soft":
            expected = "at most 100%: only a budget with `mode: soft` can be passed"
            findings.append(each.finding(expected, percent_text(each.most_ppm)))
    return findings


def references_of(alert: Alert) -> list[Reference]:
    """Return what an alert names, for whoever looks at it again later."""
    found = [_reference(alert, "channel", each) for each in alert.to]
    if alert.kind == "budget":
        found.append(_reference(alert, "budget", alert.subject))
    if alert.kind == "wallet" and alert.subject != EVERY_WALLET:
        found.append(_reference(alert, "customer", alert.subject))
    return found


def _reference(alert: Alert, sort: Sort, name: str) -> Reference:
    most = max(alert.at, default=0) if sort == "budget" else 0
    return Reference(sort=sort, name=name, most_ppm=most, file=alert.origin, key=alert.name)


_HOW_TO_ADD = {
    "channel": "name it under `channels:` of the home's farebox.yaml",
    "budget": "set it with `farebox budget set`, or under `budgets:`",
    "customer": "add it with `farebox customers set`, or under `customers:`",
}


def _instead(reference: Reference, names: list[str]) -> str:
    if not names:
        return f"a {reference.sort} that there is, and there is none: {_HOW_TO_ADD[reference.sort]}"
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"one of {listed}{did_you_mean(reference.name, names)}"
