"""Overwrite memory that was freed, so that prompts and keys are not in it for long.

What passes is dropped when it has passed, but neither Python nor the C library clears what it frees, and
a copy of the process's memory would show it for hours. So free memory is allocated, which clears it, and
freed again: in small steps between the traffic, and only while there is some. Memory that is in use is
not touched. Linux with glibc only: elsewhere what was freed is reused sooner or later.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import gc
import os
import sys

from farebox.proxy.sockets import tls_buffer

ROUND_SECONDS = 20.0
"""How often everything that is free is overwritten while there is traffic."""
ROUNDS_AFTER = 3
"""Rounds after the last traffic: what idle connections held is dropped only then."""
_PAUSE_SECONDS = 0.02
_HEAP_SIZES = (65536, 16384, 4096, 2048, *range(1032, 23, -16))
"""From large to small. Up to 1,032 bytes each size has a list of its own of what was freed last."""
_BYTES_MAX = 8 << 20
"""A step overwrites no more than this of a size. Usually one or two megabytes are free in all, which
takes as many milliseconds."""
_OBJECT_SIZES = range(48, 513, 16)
"""The blocks of Python's own allocator that can hold a text."""
_BYTES_OVERHEAD = sys.getsizeof(b"")
_ARENA_PAGES = (1 << 20) // os.sysconf("SC_PAGE_SIZE")
_CHECKED = 256
_READ_BYTES = 256_000
"""What uvloop reads into, one buffer for all of a loop's plain connections."""


class FreeMemory:
    """Overwrites the free memory of one process now and then.

    By plain callbacks: a coroutine would lie in free memory itself, and keep what was there in its frame.
    """

    def __init__(self) -> None:
        self._rounds_left = 0
        self._next_at = 0.0
        self._clearing: asyncio.Task[None] | None = None
        self._step_number = -1
        """Which step comes next, -1 between two rounds."""
        self._libc = _libc()

    def sweep(self, now: float, *, used: bool) -> None:
        """Begin a round where one is due. Called once a second; `used` says that there was traffic."""
        if used and not self._rounds_left:
            self._next_at = now + ROUND_SECONDS
        if used:
            self._rounds_left = ROUNDS_AFTER
        if self._rounds_left and now >= self._next_at and self._step_number < 0:
            self._rounds_left -= 1
            self._next_at = now + ROUND_SECONDS
            loop = asyncio.get_running_loop()
            tls_buffer.clear_buffer()
            self._clearing = loop.create_task(_clear_read_buffer())
            self._step_number = 0
            loop.call_later(_PAUSE_SECONDS, self._step)

    def close(self) -> None:
        if self._clearing is not None:
            self._clearing.cancel()

    def _step(self) -> None:
        """Overwrite a piece, and the next one a little later."""
        number = self._step_number
        if self._clearing is not None and self._clearing.done():
            self._clearing = None
        if self._clearing is None:
            self._step_number += 1
            if number == 0:
                gc.collect()  # a cycle that an exchange left holds on to what has passed
            elif self._libc is None or number > len(_OBJECT_SIZES) + 1:
                self._step_number = -1
                return
            elif number == 1:
                _overwrite_heap(self._libc)
            else:
                _overwrite_objects(_OBJECT_SIZES[number - 2])
        asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._step)


def _libc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim") or not hasattr(libc, "sbrk"):
        return None  # another C library, with another allocator
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.free.restype = None
    libc.sbrk.argtypes = [ctypes.c_ssize_t]
    return libc


def _overwrite_heap(libc: ctypes.CDLL) -> None:
    """Allocate the free chunks of the C library's heap, from large ones to small ones.

    In one go: what others allocate meanwhile would be above all of it and keep the heap from shrinking.
    """
    libc.malloc_trim(0)
    malloc, end = libc.malloc, libc.sbrk(0)
    held: list[int] = []
    for size in _HEAP_SIZES:
        for _ in range(_BYTES_MAX // size):
            place = malloc(size)
            if not place:
                break
            held.append(place)
            if place >= end:
                break  # the heap had to grow: there is no free chunk of this size any more
            ctypes.memset(place, 0, size)
    for place in held:
        libc.free(place)
    libc.malloc_trim(0)


def _overwrite_objects(size: int) -> None:
    """Allocate the free blocks of one size of Python's allocator, until it has to ask for more memory."""
    content = size - _BYTES_OVERHEAD
    held: list[list[bytes]] = []
    before = _mapped_pages()
    while len(held) * _CHECKED * size < _BYTES_MAX and _mapped_pages() - before < _ARENA_PAGES:
        held.append([bytes(content) for _ in range(_CHECKED)])


def _mapped_pages() -> int:
    with open("/proc/self/statm", "rb", buffering=0) as file:  # noqa: PTH123  # often, and nothing is read
        return int(file.read(64).split()[0])


async def _clear_read_buffer() -> None:
    """Read zeros through the buffer that uvloop reads into, where it still has what came last."""
    loop = asyncio.get_running_loop()
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        return
    read_end, write_end = os.pipe()
    with contextlib.suppress(OSError), os.fdopen(read_end, "rb", buffering=0) as pipe:
        try:
            fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 1 << 18)
            os.set_blocking(write_end, False)
            os.write(write_end, bytes(_READ_BYTES))
        finally:
            os.close(write_end)
        done = asyncio.Event()
        transport, _ = await loop.connect_read_pipe(lambda: _Discard(done), pipe)
        await done.wait()
        transport.close()


class _Discard(asyncio.Protocol):
    def __init__(self, done: asyncio.Event) -> None:
        self._done = done

    def eof_received(self) -> None:
        self._done.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done.set()
