"""TLS contexts for intercepted hosts: one a host, in memory, renewed before they end.

The certificates come from `farebox.certificates.issuer`, a process that is started when a host is
seen for the first time and ends when no further one comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
import time
from pathlib import Path

from farebox.access.server_certificate import server_context
from farebox.certificates.authority import Authority, read
from farebox.errors import StateDirectoryError

USED_SECONDS = 5 * 86_400
"""A leaf is good for six days; a new one is asked for when it has been used for five."""
HOSTS_MAX = 256
ANSWER_SECONDS = 10.0


class LeafContexts:
    """What a proxy needs to answer as somebody else."""

    def __init__(self, folder: Path, protocols: tuple[str, ...]) -> None:
        self._folder = folder
        self._protocols = protocols
        """ALPN, the one that is liked best first."""
        self._authority: Authority | None = None
        self._stamp = 0
        self._contexts: dict[str, tuple[ssl.SSLContext, float]] = {}
        self._asked: dict[str, asyncio.Task[ssl.SSLContext | None]] = {}
        self._issuer: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    def authority(self) -> Authority | None:
        """Return the authority as it is on disk now; it may come, go and be replaced."""
        try:
            stamp = os.stat(self._folder / "authority.json").st_mtime_ns  # noqa: PTH116  # at each CONNECT
        except OSError:
            self._authority, self._stamp = None, 0
            return None
        if stamp != self._stamp:
            self._stamp = stamp
            self._contexts.clear()
            self._end_issuer()
            try:
                self._authority = read(self._folder)
            except StateDirectoryError:
                self._authority = None
        return self._authority

    def known(self, host: str) -> ssl.SSLContext | None:
        """Return the context for `host` if its certificate is good for a while."""
        found = self._contexts.get(host)
        return found[0] if found is not None and found[1] > time.time() else None

    async def context(self, host: str) -> ssl.SSLContext | None:
        """Return the context for `host`, None where no certificate can be had."""
        known = self.known(host)
        if known is not None:
            return known
        asked = self._asked.get(host)
        if asked is None:
            asked = self._asked[host] = asyncio.get_running_loop().create_task(self._make(host))
            asked.add_done_callback(lambda _: self._asked.pop(host, None))
        # The first who asks may leave; the others still want it.
        return await asyncio.shield(asked)

    async def close(self) -> None:
        """End the issuer and wait until it has gone."""
        for asked in list(self._asked.values()):
            asked.cancel()
        issuer = self._issuer
        self._end_issuer()
        if issuer is not None and issuer.stdout is not None:
            await issuer.wait()
            await issuer.stdout.read()

    async def _make(self, host: str) -> ssl.SSLContext | None:
        async with self._turn:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    pem = await self._ask(host)
            except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
                self._end_issuer()
                return None
        if not pem:
            return None
        context = server_context(self._protocols)
        _load(context, pem)
        if len(self._contexts) >= HOSTS_MAX:
            self._contexts.pop(next(iter(self._contexts)))
        self._contexts[host] = context, time.time() + USED_SECONDS
        return context

    async def _ask(self, host: str) -> bytes:
        for attempt in (1, 2):
            issuer = await self._started()
            if issuer.stdin is None or issuer.stdout is None:
                raise OSError("the issuer has no pipes")
            try:
                issuer.stdin.write(host.encode("ascii") + b"\n")
                size = int(await issuer.stdout.readuntil(b"\n"))
                return await issuer.stdout.readexactly(size)
            except (OSError, asyncio.IncompleteReadError):
                self._end_issuer()  # it had just decided that nobody would ask any more
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    async def _started(self) -> asyncio.subprocess.Process:
        issuer = self._issuer
        if issuer is None or issuer.returncode is not None:
            issuer = self._issuer = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "farebox.certificates.issuer", str(self._folder)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        return issuer

    def _end_issuer(self) -> None:
        issuer, self._issuer = self._issuer, None
        if issuer is not None and issuer.stdin is not None:
            issuer.stdin.close()
        if issuer is not None and issuer.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                issuer.kill()


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """Load a chain and its key without a file: `ssl` takes only names, and a pipe has one."""
    descriptors: list[int] = []
    try:
        for _ in range(2):  # it is opened twice, for the certificates and for the key
            read_end, write_end = os.pipe()
            descriptors.append(read_end)
            os.write(write_end, pem)  # a few kilobytes: less than any pipe holds
            os.close(write_end)
        context.load_cert_chain(f"/dev/fd/{descriptors[0]}", f"/dev/fd/{descriptors[1]}")
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
