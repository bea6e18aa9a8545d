"""What a writer says about itself. It is never reported as healthy while it is not recording."""

from __future__ import annotations

from typing import Literal

import msgspec

from farebox.clock import now_ns

State = Literal["ok", "degraded", "lost"]


class JournalHealth(msgspec.Struct, kw_only=True):
    """A writer's condition at one moment; every count is exact and since its start."""

    state: State = "ok"
    """`degraded`: records wait in memory or syncs fail. `lost`: some are gone and the journal
    does not say so yet; once it does, the counts below stay and the state is `ok` again."""
    reason: str | None = None
    records: int = 0
    """Records accepted, whether or not they are in a file yet."""
    durable: int = 0
    """The position up to which records survive a power cut."""
    waiting_records: int = 0
    waiting_bytes: int = 0
    """In memory only, because no segment can be had."""
    lost_records: int = 0
    lost_exchanges: int = 0
    """How many of the lost records were the end of an exchange."""
    lost_bytes: int = 0
    sync_failures: int = 0
    segment_failures: int = 0
    uncopied_records: int = 0
    """Stored but not synced for so long that no copy was kept to store them again."""
    released_unsynced: int = 0
    """`when_durable` callbacks made because nothing could make their record durable."""
    unsynced_for_ms: int = 0
    """How long the sync that is running now has been running."""

    def lose(self, size: int, *, is_exchange: bool) -> None:
        """Count one lost record of `size` bytes."""
        self.lost_records += 1
        self.lost_exchanges += is_exchange
        self.lost_bytes += size

    def copy(self) -> JournalHealth:
        """Return a snapshot."""
        return msgspec.structs.replace(self)


class Losses:
    """What was lost since the last `Mark` about it."""

    def __init__(self) -> None:
        self.records = self.exchanges = self.bytes = self.from_ns = 0

    def __bool__(self) -> bool:
        return self.records > 0

    def add(self, size: int, *, is_exchange: bool) -> None:
        """Count one lost record of `size` bytes."""
        if not self.records:
            self.from_ns = now_ns()
        self.records += 1
        self.exchanges += is_exchange
        self.bytes += size

    def detail(self) -> dict[str, str | int]:
        """Return what the `lost` mark says."""
        return {
            "records": self.records,
            "exchanges": self.exchanges,
            "bytes": self.bytes,
            "from_ns": self.from_ns,
            "until_ns": now_ns(),
        }
