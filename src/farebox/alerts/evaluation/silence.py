"""Nothing comes any more: of a rule's calls, or of one value that came before."""

from __future__ import annotations

from farebox.alerts.alert import Alert
from farebox.alerts.evaluation.finding import Finding
from farebox.alerts.evaluation.rates import span_words
from farebox.budgets.periods import SECOND_NS
from farebox.clock import iso


def find_silence(alert: Alert, last_ns: int | None, watched_ns: int, now_ns: int) -> Finding:
    """Return whether the last call is too long ago. `watched_ns`: since when calls are waited for.

    A rule whose calls never came fires as well: what nobody sends cannot reach any threshold.
    """
    since = max(last_ns or 0, watched_ns) if last_ns is None else last_ns
    silent_s = max(now_ns - since, 0) // SECOND_NS
    is_silent = silent_s >= alert.over_s
    said = f"the last call was at {iso(last_ns)[:16]}Z" if last_ns is not None else "no call has come yet"
    return Finding(
        measured=silent_s,
        reached=(0,) if is_silent else (),
        kept=(),
        from_ns=since - alert.over_s * SECOND_NS,
        until_ns=now_ns,
        basis=f"{said}; news after {span_words(alert.over_s)}",
        since_ns=since,
    )
