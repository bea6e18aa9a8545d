"""How many files and connections a process may have open."""

from __future__ import annotations

import contextlib
import resource

WANTED = 65536


def allow_many() -> int:
    """Have as many descriptors as may be had, 65,536 at most; return how many.

    Whoever opens connections to a process must not take the descriptors that its database needs.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return WANTED if soft == resource.RLIM_INFINITY else soft
