"""Where the hours and days begin that charges with buckets rate by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Literal

from farebox.time_expressions import day_start

Bucket = Literal["hour", "day"]

_HOUR_NS = 3_600 * 10**9


def bucket_start(at_ns: int, bucket: Bucket, zone: tzinfo) -> int:
    """Return where a moment's hour or day starts by the clocks of a zone.

    Hours begin where the clock shows a full one: in Kolkata 30 minutes after those of UTC.
    """
    local = datetime.fromtimestamp(at_ns // 10**9, UTC).astimezone(zone)
    if bucket == "day":
        return day_start(local.date(), zone)
    offset = local.utcoffset()
    offset_ns = 0 if offset is None else round(offset.total_seconds()) * 10**9
    return (at_ns + offset_ns) // _HOUR_NS * _HOUR_NS - offset_ns
