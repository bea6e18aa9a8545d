"""Ask the running proxy whether it records, which `run/proxy.json` cannot tell."""

from __future__ import annotations

import msgspec

from farebox.access.own_listener import connect_to
from farebox.access.tokens import owner_token
from farebox.home import Home

ANSWER_SECONDS = 0.5
_BODY_MAX = 64 << 10


class Announced(msgspec.Struct):
    """The part of `run/proxy.json` that tells where to ask."""

    pid: int
    host: str
    port: int
    secure: bool = False
    started_at: str | None = None


class Journal(msgspec.Struct):
    """The part of the proxy's `/health` about its journal."""

    state: str = "ok"
    reason: str | None = None
    waiting_records: int = 0
    lost_exchanges: int = 0


class Unmetered(msgspec.Struct):
    """Connections of one program to a provider's host that were tunnelled and not metered."""

    host: str
    client: str = ""
    """What it calls itself in `User-Agent`."""
    command: str = ""
    """Program and script, empty where unknown."""
    reason: str = ""
    """`pinned:` and the TLS alert (or `closed`), `no_authority`, `not_covered`, `excepted`,
    `no_certificate`, `direct` or, where the host is an unknown address, `direct_unknown`."""
    connections: int = 0
    last_at: int = 0
    """Seconds since 1970."""
    retry_at: int = 0
    """When it is tried again, 0 where something has to be changed first."""

    @property
    def words(self) -> str:
        """Which program is not metered, at which host, and why."""
        who = self.command or self.client or "a program"
        pinned = self.reason.removeprefix("pinned:")
        why = _WHY.get(self.reason, f"it does not accept our certificate ({pinned})")
        return f"not metered: {_count(self.connections, 'connection')} of {who} to {self.host}: {why}"


_WHY = {
    "pinned:closed": "it disconnects when it sees our certificate",
    "no_authority": "there is no certificate authority to intercept with",
    "not_covered": "the certificate authority does not cover this host",
    "excepted": "the configuration excepts this host",
    "direct": "it bypassed the proxy",
    "direct_unknown": "it bypassed the proxy, to an address that is not known",
    "no_certificate": "no certificate could be made for this host",
}


class _Health(msgspec.Struct):
    pid: int
    journal: Journal
    unmetered: list[Unmetered] = []


class Recording(msgspec.Struct, kw_only=True):
    """Whether the proxy records its traffic."""

    state: str
    """`ok`, `degraded` (records wait in memory), `lost` (some are gone), `silent` (the proxy does not
    answer) or `off` (no proxy runs)."""
    reason: str | None = None
    since: str | None = None
    """When that proxy started."""
    waiting_records: int = 0
    lost_exchanges: int = 0
    unmetered: list[Unmetered] = []
    """Providers' hosts that were tunnelled since that proxy started: calls that are in no sum."""

    @property
    def complete(self) -> bool:
        """Nothing is missing because of the proxy that runs now."""
        return self.state not in ("degraded", "lost")

    @property
    def words(self) -> str | None:
        """What to tell the user, None where all is well."""
        why = f": {self.reason}" if self.reason else ""
        if self.state == "lost":
            lost = _count(self.lost_exchanges, "call")
            return f"the proxy does not record{why} ({lost} lost since it started)"
        if self.state == "degraded":
            waiting = _count(self.waiting_records, "record")
            return f"the proxy cannot write its journal{why} ({waiting} in memory only)"
        if self.state == "silent":
            return "the proxy does not respond; it is not known whether it records"
        return None


def recording(home: Home) -> Recording:
    """Return the state of the announced proxy's journal, after half a second at most."""
    try:
        announced = msgspec.json.decode((home.run / "proxy.json").read_bytes(), type=Announced)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return Recording(state="off")
    return recording_of(announced, _owner(home))


def recording_of(announced: Announced, owner: str = "") -> Recording:
    """Return the state of one proxy's journal; `owner` is the token of this machine's owner."""
    import http.client  # only where there is somebody to ask: every command imports this module

    try:
        health = _ask(announced, owner)
    except ConnectionRefusedError:
        return Recording(state="off")
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return Recording(state="silent")
    if health.pid != announced.pid:  # another process has the port by now
        return Recording(state="off")
    journal = health.journal
    return Recording(
        state=journal.state,
        reason=journal.reason,
        since=announced.started_at,
        waiting_records=journal.waiting_records,
        lost_exchanges=journal.lost_exchanges,
        unmetered=health.unmetered,
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _owner(home: Home) -> str:
    """Return what a proxy that others reach says its details to, empty where the home has no secret yet."""
    try:
        return owner_token(home.secret_file.read_bytes())
    except OSError:
        return ""


def _ask(announced: Announced, owner: str) -> _Health:
    _, body = ask(announced.host, announced.port, "/health", secure=announced.secure, owner=owner)
    return msgspec.json.decode(body, type=_Health)


def ask(
    host: str,
    port: int,
    path: str,
    seconds: float = ANSWER_SECONDS,
    *,
    secure: bool = False,
    owner: str = "",
) -> tuple[int, bytes]:
    """Return status and body of what a process of ours says under `path`; `secure`: it speaks TLS.

    Raises:
        OSError: It does not listen, or says nothing in time.
        http.client.HTTPException: It speaks no HTTP.
    """
    connection = connect_to(host, port, secure=secure, seconds=seconds)
    try:
        connection.request("GET", path, headers={"x-farebox-token": owner} if owner else {})
        response = connection.getresponse()
        return response.status, response.read(_BODY_MAX)
    finally:
        connection.close()
