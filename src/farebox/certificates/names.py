"""Which names an authority may sign for: the hosts of a catalog as X.509 name constraints.

A constraint is a domain and everything below it. Hosts with a wildcard in the middle
(`bedrock-runtime.*.amazonaws.com`) would allow a whole cloud, so the catalog names the regions
and each becomes a name of its own.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping

HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
"""A host name, lower case, with at least two labels: no address, no `localhost`."""


def constraints(patterns: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the domains that stand for host patterns; the value is the regions of each pattern."""
    found: set[str] = set()
    for pattern, regions in patterns.items():
        pattern = pattern.lower()
        if "*" not in pattern:
            found.add(pattern)
        elif pattern.startswith("*.") and "*" not in pattern[1:]:
            found.add(pattern[2:])
        else:
            found.update(pattern.replace("*", region.lower()) for region in regions)
    names = sorted(name for name in found if HOST.fullmatch(name))
    return tuple(name for name in names if not _below_another(name, found))


def _below_another(name: str, names: set[str]) -> bool:
    parent = name
    while "." in parent:
        parent = parent.partition(".")[2]
        if parent in names:
            return True
    return False


def covered(host: str, permitted: Iterable[str]) -> bool:
    """Return whether a certificate for `host` would be accepted under these constraints."""
    return any(host == name or host.endswith(f".{name}") for name in permitted)


def matches(host: str, patterns: Iterable[str]) -> bool:
    """Return whether `host` is one of `patterns`, which may have wildcards."""
    return any(fnmatch.fnmatchcase(host, pattern.lower()) for pattern in patterns)
