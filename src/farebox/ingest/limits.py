"""What the collector takes at once; every response says it."""

from __future__ import annotations

import msgspec

TELEMETRY_BYTES_MAX = 16 * 1024 * 1024
"""An OTLP request's body as it is sent."""


class IngestLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes, numbers and seconds."""

    body_bytes_max: int = 4 * 1024 * 1024
    """A request's body as it is sent, or a message of a WebSocket."""
    unpacked_bytes_max: int = 16 * 1024 * 1024
    """The same once it is decompressed."""
    items_max: int = 10_000
    item_bytes_max: int = 2 * 1024 * 1024
    """The JSON of one event. Its record has at most 1 MiB, as every record of a journal."""
    dimensions_max: int = 256
    """Of one event: customer, user …, tags and others together."""
    age_s_max: int = 400 * 86_400
    """How long ago an event may have happened."""
    ahead_s_max: int = 86_400
    """How far a sender's clock may be ahead."""
    requests_per_minute: int | None = None
    """Of one token; None: as many as come."""
