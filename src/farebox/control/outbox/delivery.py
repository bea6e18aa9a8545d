"""The delivery worker: one in the server, in a thread with an event loop of its own.

Each receiver has one message on its way at a time, in order; receivers do not wait for each other. How an
attempt ended is committed before the next one begins. A process that is killed between the two sends the
message again, with the same id.

The ledger process wakes the worker by a datagram. Besides, it looks at the file's size and time once a
second and reads the database when they changed or something is due. It never opens the file
beside SQLite: closing it would give up the locks of this process
(https://sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import random
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from farebox.clock import now_ns
from farebox.control.outbox.retry_schedule import left_ns
from farebox.control.outbox.wake import wake_path
from farebox.errors import FareboxError
from farebox.outbound.connection import LIMITS, Limits
from farebox.standard_error import tell
from farebox.wake_socket import drain, listening

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.control.database import ControlDatabase
    from farebox.control.outbox.attempt import Secret
    from farebox.control.outbox.delivery_state import Head, Outcome
    from farebox.home import Home

LOOK_EVERY_S = 1.0
LOOK_EVERY_UNWOKEN_S = 0.15
"""Where no socket can be made that wakes it."""
PRUNE_EVERY_S = 3_600.0
GRACE_S = 2.0
"""How long a stop waits for what is on its way."""

_SETTLED_NS = 2 * 10**9
"""File systems give the same time to changes that follow each other closely: a younger one is read again."""

_RETRIED_AFTER_NS = 30 * 10**9
"""After an error that has nothing to do with a receiver."""

Complete = Callable[[str], Awaitable[str | None]]
"""Return a payload with what can only be said once it is about to be sent; None: it is complete."""

_Found = TypeVar("_Found")


def _print(words: str) -> None:
    tell(f"farebox server: {words}")


class DeliveryWorker:
    """Delivers what is in the outbox of one home until it is closed. Of several workers, one works."""

    def __init__(
        self,
        home: Home,
        secret: Secret,
        *,
        own_ports: Callable[[], frozenset[int]] = frozenset,
        complete: Complete | None = None,
        limits: Limits = LIMITS,
        clock: Callable[[], int] = now_ns,
        say: Callable[[str], None] = _print,
    ) -> None:
        self._home = home
        self._secret = secret
        self._own_ports = own_ports
        self._complete = complete
        self._limits = limits
        self._clock = clock
        self._say = say
        self._told = ""
        self._database: ControlDatabase | None = None
        self._seen: tuple[int, int, int] | None = None
        self._due_ns: int | None = None
        self._pruned_at = float("-inf")
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._lock: int | None = None
        self._woken: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._leaving = False
        self._disk = ThreadPoolExecutor(1, "outbox")

    def start(self) -> None:
        """Work in a thread: another process may hold the database for seconds."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self.run()), name="outbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, after what is on its way has ended or two seconds have passed."""
        self._leaving = True
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._wake.set)
        if self._thread is not None:
            self._thread.join(GRACE_S + 1)

    async def run(self) -> None:
        """Work until `close`; never raises for what the database or a receiver does."""
        self._loop = asyncio.get_running_loop()
        try:
            while not self._leaving:
                try:
                    if self._may_work() and self._must_look():
                        await self._look()
                except FareboxError as error:
                    self._tell(str(error))
                    self._due_ns = self._clock() + _RETRIED_AFTER_NS
                except Exception as error:  # a defect here must not end deliveries for good
                    self._tell(f"the outbox is not delivered: {type(error).__name__}: {error}")
                    self._due_ns = self._clock() + _RETRIED_AFTER_NS
                await self._sleep()
        finally:
            await self._stop_sending()
            self._disk.shutdown(wait=False)
            if self._woken is not None:
                self._loop.remove_reader(self._woken)
                self._woken.close()
            if self._lock is not None:
                os.close(self._lock)

    async def _sleep(self) -> None:
        can_be_woken = self._lock is None or self._woken is not None
        seconds = LOOK_EVERY_S if can_be_woken else min(LOOK_EVERY_S, LOOK_EVERY_UNWOKEN_S)
        if self._due_ns is not None:
            seconds = min(seconds, max((self._due_ns - self._clock()) / 10**9, 0.001))
        if self._leaving:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    def _may_work(self) -> bool:
        """Hold the lock that makes this the only worker; it dies with its holder."""
        if self._lock is None and self._home.control.exists():
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
            try:
                descriptor = os.open(self._home.run / "outbox.lock", flags, 0o600)
            except OSError:
                return False
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                return False
            self._lock = descriptor
            self._listen()
        return self._lock is not None

    def _listen(self) -> None:
        """Let whoever enqueues wake this worker; only the one that holds the lock is at the path."""
        self._woken = listening(wake_path(self._home))
        if self._woken is not None:
            asyncio.get_running_loop().add_reader(self._woken, self._on_wake, self._woken)

    def _on_wake(self, listener: socket.socket) -> None:
        drain(listener)
        self._seen = None
        self._wake.set()

    def _must_look(self) -> bool:
        try:
            status = self._home.control.stat()
        except OSError:
            return False
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        changed = seen != self._seen
        self._seen = seen if time.time_ns() - status.st_mtime_ns > _SETTLED_NS else None
        return changed or (self._due_ns is not None and not left_ns(self._due_ns, self._clock()))

    async def _look(self) -> None:
        """Begin to send to every receiver whose head is due and that nothing is being sent to."""
        from farebox.control.outbox import delivery_state

        found = await self._reading(delivery_state.heads)
        self._told = ""
        now = self._clock()
        self._due_ns = None
        for head in found:
            if head.receiver in self._sending:
                continue
            if not left_ns(head.due_ns, now):
                task = asyncio.ensure_future(self._send_all(head.receiver))
                self._sending[head.receiver] = task
                task.add_done_callback(self._ended(head.receiver))
            else:
                self._due_ns = min(self._due_ns or head.due_ns, head.due_ns)
        if time.monotonic() - self._pruned_at > PRUNE_EVERY_S:
            self._pruned_at = time.monotonic()
            await self._prune()

    def _ended(self, receiver: str) -> Callable[[asyncio.Task[None]], None]:
        def ended(task: asyncio.Task[None]) -> None:
            self._sending.pop(receiver, None)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._tell(f"nothing is sent to {receiver}: {error or type(error).__name__}")
                self._due_ns = self._clock() + _RETRIED_AFTER_NS
            elif not task.cancelled():
                self._seen = None  # something may wait for its next attempt
                self._wake.set()

        return ended

    async def _send_all(self, receiver: str) -> None:
        """Send one receiver's messages in order until none is due."""
        while not self._leaving:
            head = await self._head(receiver)
            if head is None or left_ns(head.due_ns, self._clock()):
                return
            await self._send(head)

    async def _head(self, receiver: str) -> Head | None:
        from farebox.control.outbox.delivery_state import heads

        found = await self._reading(lambda connection: heads(connection, receiver))
        return found[0] if found else None

    async def _send(self, head: Head) -> None:
        from farebox.control.outbox.attempt import attempt

        completed = await self._completed(head)
        if completed is None:
            return
        head = completed
        outcome = await attempt(
            head, self._secret, self._clock(), own_ports=self._own_ports(), limits=self._limits
        )
        state = await self._recorded(head, outcome)
        if outcome.gone:
            self._say(
                f"{head.receiver} replied 410 Gone and is stopped: what waits for it is kept, see "
                "`farebox outbox receivers`"
            )
        elif state == "dead":
            self._say(f"{head.kind} {head.message} for {head.receiver} is given up: {outcome.words}")

    async def _completed(self, head: Head) -> Head | None:
        """Store what a message says besides, before its first attempt: each one sends the same.

        None: it was changed meanwhile, and is to be looked at again.
        """
        from farebox.control.outbox.messages import put_payload

        if self._complete is None or head.attempts:
            return head
        payload = await self._complete(head.payload)
        if payload is None:
            return head
        is_stored = await self._writing(
            lambda connection: put_payload(connection, head.message, payload, before=head.payload)
        )
        return head._replace(payload=payload) if is_stored else None

    async def _recorded(self, head: Head, outcome: Outcome) -> str:
        """Write how an attempt ended, again and again until it is written: only then comes the next one."""
        from farebox.control.outbox.delivery_state import record

        chance = random.random()  # noqa: S311 - spreads attempts, keeps no secret
        told = False
        while True:
            try:
                return await self._writing(lambda at: record(at, head, outcome, self._clock(), chance))
            except FareboxError as error:
                if not told:
                    self._say(str(error))
                told = True
                await asyncio.sleep(LOOK_EVERY_S)

    async def _prune(self) -> None:
        from farebox.control.outbox.messages import prune

        while await self._writing(lambda connection: prune(connection, self._clock())):
            pass

    async def _stop_sending(self) -> None:
        tasks = list(self._sending.values())
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _reading(self, read: Callable[[Connection], _Found]) -> _Found:
        def work() -> _Found:
            with self._opened().reading() as connection:
                return read(connection)

        return await asyncio.get_running_loop().run_in_executor(self._disk, work)

    async def _writing(self, write: Callable[[Connection], _Found]) -> _Found:
        def work() -> _Found:
            from farebox.control.audit import attribute

            with self._opened().writing() as connection:
                attribute(connection, now_ns(), "outbox")  # a receiver that is stopped
                return write(connection)

        return await asyncio.get_running_loop().run_in_executor(self._disk, work)

    def _opened(self) -> ControlDatabase:
        from farebox.control.database import open_control

        if self._database is None:
            self._database = open_control(self._home)
        return self._database

    def _tell(self, words: str) -> None:
        """Say once what is wrong, until all is well again or something else is wrong."""
        if words != self._told:
            self._say(words)
        self._told = words
