"""Whose call it is, from everything that can say so, and which source won.

Most certain first: a client token that is bound to somebody, a key that is, our own headers, other products'
headers, the request's body, labels in the environment, the process behind the connection.
"""

from __future__ import annotations

Attribution = tuple[dict[str, str], dict[str, str]]
"""Whose call it is, and for each key which source said so."""

NOBODY: Attribution = ({}, {})


def merged(*layers: Attribution) -> Attribution:
    """Return the layers laid over each other, the last one on top."""
    attribution: dict[str, str] = {}
    sources: dict[str, str] = {}
    for names, origins in layers:
        if names:
            attribution.update(names)
            sources.update(origins)
    return attribution, sources
