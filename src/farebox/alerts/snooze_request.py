"""Read for how long nobody is to be told of an alert, and why."""

from __future__ import annotations

from farebox.alerts.alert import Snooze
from farebox.alerts.written_values import read_span
from farebox.budgets.node_readers import VALUE_MAX
from farebox.errors import UsageError
from farebox.wire.keys import without_keys

REASON_MAX = 200
SNOOZE_MIN_S, SNOOZE_MAX_S = 60, 366 * 86_400


def requested_snooze(name: str, value: str, span: str, reason: str, *, by: str, now_ns: int) -> Snooze:
    """Return the snooze that somebody asks for, from now on.

    Raises:
        UsageError: With everything that is wrong.
    """
    wrong: list[str] = []
    seconds = 0
    try:
        seconds = read_span(SNOOZE_MIN_S, SNOOZE_MAX_S)(span)
    except ValueError as error:
        wrong.append(f"{span[:80]!r} is no time to snooze for: it is {error}")
    if len(reason) > REASON_MAX or without_keys(reason) != reason:
        wrong.append(f"a reason has at most {REASON_MAX} characters, and no key in it")
    if len(value) > VALUE_MAX:
        wrong.append(f"a value has at most {VALUE_MAX} characters")
    if wrong:
        raise UsageError("\n".join(wrong))
    until_ns = now_ns + seconds * 10**9
    return Snooze(alert=name, value=value, since_ns=now_ns, until_ns=until_ns, by=by, reason=reason)
