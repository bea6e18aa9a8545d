"""Messages as they are stored, for what makes vendors' requests of them."""

from __future__ import annotations

from typing import Any

import msgspec

from farebox.channels.news import AlertItem, AlertNews, ChangedGroup, Explanation

SINCE = "2026-11-29T14:00:05.000000Z"
LINK = "http://127.0.0.1:3274/?since=2026-11-29T14%3A00%3A00Z&customer=acme"


def item(**more: Any) -> AlertItem:
    """Return a firing alert with everything that one can say."""
    said: dict[str, Any] = {
        "id": "0a1b",
        "alert": "acme-spend",
        "kind": "spend",
        "severity": "warning",
        "state": "firing",
        "title": "acme-spend: $10.02 spent, threshold $10.00",
        "since": SINCE,
        "at": SINCE,
        "threshold": "10",
        "measured": "10.02",
        "unit": "USD",
        "basis": "the day began at 00:00 UTC",
        "where": {"customer": ("acme",)},
        "condition": "c0nd1t10n",
        "explanation": Explanation(
            dimension="model",
            measure="cost",
            before="$1.00",
            after="$10.02",
            groups=(
                ChangedGroup(value="gpt-4o", before="$0.50", after="$8.02"),
                ChangedGroup(value="o3", before="$0.10", after="$1.50"),
                ChangedGroup(value="(no model)", before="$0.40", after="$0.50"),
            ),
        ),
        "link": LINK,
    }
    return AlertItem(**said | more)


def payload(*items: AlertItem, left_out: int = 0, **more: Any) -> str:
    """Return the stored payload of a message about alerts."""
    listed = items or (item(),)
    firing = any(each.state == "firing" for each in listed)
    said: dict[str, Any] = {
        "title": listed[0].title
        if len(listed) == 1
        else f"{len(listed) + left_out} alerts: {listed[0].title}",
        "severity": listed[0].severity,
        "count": len(listed) + left_out,
        "left_out": left_out,
        "alerts": listed,
        "link": LINK,
    }
    kind = "alert.fired" if firing else "alert.recovered"
    data = AlertNews(**said | more)
    return msgspec.json.encode({"type": kind, "timestamp": SINCE, "data": data}).decode()


HOSTILE = [
    "@everyone <!channel> <@U123> <https://evil.example|click>",
    "*bold* _it_ `code` ~x~ ||spoiler|| [a](https://evil.example) # head",
    "<b>b</b><script>alert(1)</script><img src=x onerror=y>",
    "a\r\nBcc: victim@example.com\r\n\r\nbody\n.\nQUIT",
    "\x1b[31mred\x07 \u202egnp.exe \u0000 nul",
    "x" * 100_000,
    "😀" * 20_000,
    "--help",
    '"; do shell script "id',
]
"""Names that somebody may have given a customer."""
