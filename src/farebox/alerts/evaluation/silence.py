"""Nothing comes any more: of a rule's calls, or of one value that came before."""

from __future__ import annotations

from farebox.alerts.alert import Alert
from farebox.alerts.evaluation.finding import Finding
from farebox.alerts.evaluation.rates import span_words
from farebox.budgets.periods import SECOND_NS
from farebox.clock import iso


def find_silence(alert: Alert, last_ns: int | None, watched_ns: int, awake_ns: int, now_ns: int) -> Finding:
    """Return whether the last call is too long ago. `watched_ns`: since when calls are waited for.

    A rule whose calls never came fires as well: what nobody sends cannot reach any threshold. While the
    machine slept, up to `awake_ns`, nothing could come: it is no news then, and no recovery.
    """
    since = watched_ns if last_ns is None else last_ns
    longest_ns = alert.over_s * SECOND_NS
    said = f"the last call was at {iso(last_ns)[:16]}Z" if last_ns is not None else "no call has come yet"
    return Finding(
        measured=max(now_ns - since, 0) // SECOND_NS,
        reached=(0,) if now_ns - max(since, awake_ns) >= longest_ns else (),
        kept=(0,) if now_ns - since >= longest_ns else (),
        from_ns=since - longest_ns,
        until_ns=now_ns,
        basis=f"{said}; news after {span_words(alert.over_s)}",
        since_ns=since,
    )
