"""What is left in a wallet: thresholds are passed downwards."""

from __future__ import annotations

from farebox.alerts.alert import Alert
from farebox.alerts.evaluation.finding import Finding
from farebox.alerts.evaluation.news import NEW_FOR_NS
from farebox.charges.amounts.thresholds import crossed


def find_balance(alert: Alert, left: int, currency: str, now_ns: int) -> Finding:
    """Return which thresholds a balance has come down to. `left`: in 10⁻¹² of the wallet's currency."""
    above = max((*alert.at, left)) + 1
    return Finding(
        measured=left,
        reached=tuple(int(each) for each in crossed(alert.at, above, left, direction="decreasing")),
        kept=(),
        from_ns=now_ns - NEW_FOR_NS,
        until_ns=now_ns,
        basis="what is left in the wallet",
        currency=currency,
    )
