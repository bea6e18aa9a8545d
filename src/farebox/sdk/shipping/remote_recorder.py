"""Where this process's attempts are written down when a collector gets them: in a spool, sent from there."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

from farebox.home import Home
from farebox.journal.direct_writer import DirectWriter
from farebox.sdk import faults
from farebox.sdk.recorder import ProcessRecorder
from farebox.sdk.shipping.background import Background
from farebox.sdk.shipping.collector_client import CollectorClient
from farebox.sdk.shipping.shipper import Pace, Shipper
from farebox.sdk.shipping.spool import Spool

EXIT_S = 2.0
"""How long a program that ends may be kept, so that the collector gets its last calls."""


class RemoteRecorder(ProcessRecorder):
    """One process's, for one collector: remote mode."""

    def __init__(
        self, home: Home, *, power: bool, collector: str, token: str, pace: Pace, spool_bytes_max: int
    ) -> None:
        super().__init__(home, power=power)
        self.collector = collector
        self._token = token
        self._pace = pace
        self._spool_bytes_max = spool_bytes_max
        self._shipper: Shipper | None = None
        self._background: Background | None = None
        self._closing = False
        self._wake_at = 0
        """The record with which the thread is woken: a batch is full."""

    def append(self, record_type: int, payload: bytes) -> int:
        """Store a record in the spool; 0 where it cannot be stored. Never raises nor waits for a network."""
        writer = self._writer or self._open()
        seq = 0 if writer is None else writer.append(record_type, payload)
        if not seq or writer is None:
            return self._append_again(record_type, payload)
        if writer.has_waiting is not self._is_full:
            self._tell_full(writer)
        if seq >= self._wake_at:
            self._wake_at = seq + 2 * self._pace.batch_size  # a call is two records
            if self._background is not None:
                self._background.wake()
        return seq

    def flush(self, timeout: float) -> bool:
        """Return once the collector has acknowledged everything recorded; False where it has not in time.

        False, too, where events were lost or refused since the last time.
        """
        writer, shipper, background = self._writer, self._shipper, self._background
        if writer is None or shipper is None or background is None:
            return not self._unrecorded
        refused = shipper.refused
        stored = writer.flush()
        sent = background.send_upto(writer.last_seq, timeout)
        return stored and sent and shipper.refused == refused

    def successor(self) -> ProcessRecorder:
        return RemoteRecorder(
            self.home,
            power=self.is_power,
            collector=self.collector,
            token=self._token,
            pace=self._pace,
            spool_bytes_max=self._spool_bytes_max,
        )

    def close(self) -> None:
        """End the journal once all of it is acknowledged; until then it goes on being sent.

        Calls that have begun are recorded at their end, which is waited for as well.
        """
        self._closing = True
        self._close_if_done()

    def _close_if_done(self) -> None:
        if not self._closing:
            return
        with self._opening:
            writer, shipper, background = self._writer, self._shipper, self._background
            if writer is None or shipper is None or background is None:
                return
            if shipper.acknowledged == writer.last_seq and not writer.has_waiting and not shipper.begun:
                self._writer = self._shipper = self._background = None
                background.end()
                writer.close()
                shipper.close()

    def leave_to_parent(self) -> None:
        """In a child of a fork: give up what is the parent's, its connection included."""
        super().leave_to_parent()
        if self._shipper is not None:
            self._shipper.leave_to_parent()

    def _make_writer(self) -> DirectWriter:
        spool = Spool(self.home.path, self.collector, self._token, self.source, self._spool_bytes_max)
        writer = DirectWriter(
            spool.journal,
            source=self.source,
            kind=spool.program,
            power=self.is_power,
            wakes=False,
            files=spool.files(self.is_power),
            segment_bytes=spool.segment_bytes,
        )
        client = CollectorClient(self.collector, self._token)
        shipper = Shipper(spool, client, source=self.source, pace=self._pace)
        shipper.follow(writer.folder)
        self._shipper, self._background = (
            shipper,
            Background(shipper, writer.store_waiting, self._close_if_done),
        )
        self._wake_at = 2 * self._pace.batch_size
        self._closing = False
        self._background.start()
        atexit.register(self._at_exit)
        for name in ("multiprocessing.util", "billiard.util"):  # whose children end without `atexit`
            util: Any = sys.modules.get(name)
            if util is not None:
                util.Finalize(None, self._at_exit, exitpriority=100)
        return writer

    def _append_again(self, record_type: int, payload: bytes) -> int:
        """Store a record where the journal was closed a moment ago, in another one."""
        writer = self._writer or self._open()
        seq = 0 if writer is None else writer.append(record_type, payload)
        if not seq:
            self._lose(record_type, payload)
        return seq

    def _at_exit(self) -> None:
        """Send what there is if the collector responds, and leave the rest to the next process."""
        if self._pid != os.getpid():
            return
        try:
            writer, shipper, background = self._writer, self._shipper, self._background
            if writer is None or shipper is None or background is None:
                return
            writer.store_waiting()
            if not shipper.is_waiting_out:
                background.send_upto(writer.last_seq, EXIT_S, once=True)
            self.close()
            if self._writer is not None:
                background.end()
                writer.close()
        except Exception as error:
            faults.report(error, "ending")
