"""Which process is at the other end of a local connection, asked of the system.

Linux answers from netlink and /proc, macOS through `lsof`. Only processes of the same user can be
seen; nothing here needs more rights than the proxy has. Blocking: for a thread, never for the loop.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

Ends = tuple[tuple[str, int], tuple[str, int]]
"""The client's address and port, and ours."""


class ClientProcess(NamedTuple):
    """A process of our own user that has opened a connection."""

    process: str
    """This process and no later one with its number."""
    program: str = ""
    """The program that it runs; empty where that cannot be told, as of an interpreter's own prompt."""
    command: str = ""
    """Program and script, as people know them."""

    @property
    def identities(self) -> tuple[str, ...]:
        return (self.process, self.program) if self.program else (self.process,)


_SOCK_DIAG_BY_FAMILY = 20
_NETLINK_SOCK_DIAG = 4
_NLMSG_ERROR = 2
_REQUEST = 1
_ANY_STATE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
_QUERY = struct.Struct("=BBBBI")
_INODE_AT = 68
"""Of `struct inet_diag_msg`: family to retransmissions 4, the socket's id 48, four counters 16."""


def processes_of(connections: Sequence[Ends], likely: Iterable[int] = ()) -> dict[Ends, int]:
    """Return the process of each connection that can be told; `likely` ones are looked at first."""
    if sys.platform == "darwin":
        return _by_lsof(connections)
    inodes: dict[int, Ends] = {}
    for ends in connections:
        inode = _inode(ends)
        if inode:
            inodes[inode] = ends
    return {inodes[inode]: pid for inode, pid in holders_of(frozenset(inodes), likely).items()}


def is_held(ends: Ends) -> bool:
    """Return whether a process still has the client's socket open: a closed one has no inode any more.

    One exchange with the kernel, so the loop may ask. False where the system cannot tell.
    """
    return sys.platform.startswith("linux") and _inode_by_netlink(ends) not in (None, 0)


def _inode(ends: Ends) -> int:
    """Return the inode of the client's socket, 0 where the kernel knows none."""
    found = _inode_by_netlink(ends)
    return _inode_by_table(ends) if found is None else found


def _inode_by_netlink(ends: Ends) -> int | None:
    """Ask for the inode of the client's socket, 0 for one that nobody holds, None for no reply."""
    (source, source_port), (target, target_port) = ends
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    try:
        addresses = [
            socket.inet_pton(family, address.partition("%")[0]).ljust(16, b"\0")
            for address in (source, target)
        ]
        identity = struct.pack(">HH", source_port, target_port) + addresses[0] + addresses[1]
        identity += struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        body = _QUERY.pack(family, socket.IPPROTO_TCP, 0, 0, _ANY_STATE) + identity
        message = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST, 0, 0) + body
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
            netlink.settimeout(1)
            netlink.send(message)
            answer = netlink.recv(8192)
    except (OSError, ValueError, AttributeError):
        return None
    _, kind, *_ = _HEADER.unpack_from(answer)
    if kind == _NLMSG_ERROR or len(answer) < _HEADER.size + _INODE_AT + 4:
        return None
    return int(struct.unpack_from("=I", answer, _HEADER.size + _INODE_AT)[0])


def _inode_by_table(ends: Ends) -> int:
    """Find the socket in /proc/net/tcp, for kernels and containers without the netlink family."""
    (source, source_port), (target, target_port) = ends
    table = "/proc/net/tcp6" if ":" in source else "/proc/net/tcp"
    wanted = [f"{in_table(source)}:{source_port:04X}", f"{in_table(target)}:{target_port:04X}"]
    with contextlib.suppress(OSError, ValueError, IndexError), open(table, encoding="ascii") as lines:  # noqa: PTH123
        for line in lines:
            words = line.split()
            if words[1:3] == wanted:
                return int(words[9])
    return 0


def in_table(address: str) -> str:
    """Return an address as /proc/net/tcp writes it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address.partition("%")[0])
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def holders_of(inodes: frozenset[int], likely: Iterable[int] = ()) -> dict[int, int]:
    """Return which process has which of these sockets open; one pass over them all."""
    found: dict[int, int] = {}
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    seen: set[int] = set()
    for pid in _candidates(likely):
        if not wanted:
            break
        if pid in seen:
            continue
        seen.add(pid)
        folder = f"/proc/{pid}/fd"
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):  # noqa: PTH208
                with contextlib.suppress(OSError):
                    inode = wanted.pop(os.readlink(f"{folder}/{name}"), None)  # noqa: PTH115
                    if inode is not None:
                        found[inode] = pid
    return found


def _candidates(likely: Iterable[int]) -> Iterator[int]:
    yield from likely
    yield from _running()  # asked for only when none of the likely ones has it


def _running() -> list[int]:
    """Return the processes of this user, the youngest first: whoever just connected is likely young."""
    with contextlib.suppress(OSError):
        names = os.listdir("/proc")  # noqa: PTH208
        return sorted((int(name) for name in names if name.isdigit()), reverse=True)
    return []


def _by_lsof(connections: Sequence[Ends]) -> dict[Ends, int]:
    """Ask lsof for every connection to our port at once."""
    found: dict[Ends, int] = {}
    for port in {ours[1] for _, ours in connections}:
        command = ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:ESTABLISHED", "-Fpn"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            said = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout
            table = read_lsof(said)
            found.update({ends: table[ends] for ends in connections if ends in table})
    return found


def read_lsof(text: str) -> Mapping[Ends, int]:
    """Return the processes in lsof's `-Fpn` output: `p<pid>` lines and `n<from>-><to>` below them."""
    table: dict[Ends, int] = {}
    pid = 0
    for line in text.splitlines():
        if line.startswith("p") and line[1:].isdigit():
            pid = int(line[1:])
        elif line.startswith("n") and "->" in line:
            source, _, target = line[1:].partition("->")
            ends = _lsof_address(source), _lsof_address(target)
            if ends[0] is not None and ends[1] is not None:
                table[ends[0], ends[1]] = pid
    return table


def _lsof_address(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else None
