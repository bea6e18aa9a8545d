"""Whose call it is, from everything that can say so, and which source won.

Most certain first: a key that the configuration binds to somebody, our own headers, other products'
headers, the request's body, labels in the environment, the process behind the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.proxy.admission.routed_request import RoutedRequest
    from farebox.wire.request import RequestFacts

Attribution = tuple[dict[str, str], dict[str, str]]
"""Whose call it is, and for each key which source said so."""

NOBODY: Attribution = ({}, {})


def whose_call(below: Attribution, routed: RoutedRequest, said: RequestFacts) -> Attribution:
    """Return whose call it is.

    `below` is what is known of the connection without its requests, `said` what the body said. Most
    calls of a connection say the same, so the answer to that is kept.
    """
    if not said.attribution:
        known = routed.whole
        if known is not None and routed.below is below:
            return known
        whole = _merged(below, routed.said)
        routed.below, routed.whole = below, whole
        return whole
    return _merged(below, (said.attribution, said.attribution_from), routed.said)


def _merged(*layers: Attribution) -> Attribution:
    """Return the layers laid over each other, the last one on top."""
    attribution: dict[str, str] = {}
    sources: dict[str, str] = {}
    for names, origins in layers:
        if names:
            attribution.update(names)
            sources.update(origins)
    return attribution, sources
