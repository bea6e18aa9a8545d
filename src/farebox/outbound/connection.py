"""A connection to a destination: resolved once, its address checked, its certificate verified."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from typing import NamedTuple

from farebox.outbound.destination import Destination
from farebox.outbound.tls import client_context


class Limits(NamedTuple):
    """Seconds. Whoever sends a webhook is expected to wait 15 to 30 in all."""

    connect: float = 10.0
    """For the name, the connection and the TLS handshake."""
    silence: float = 15.0
    """Between two pieces of the response."""
    whole: float = 30.0


LIMITS = Limits()


class RequestFailedError(Exception):
    """There was no response. The text says why, for people."""

    may_have_arrived = False
    """Whether the request was on its way already: it may have been carried out all the same."""


async def connect(
    to: Destination, own_ports: frozenset[int], limits: Limits, *, secure: bool
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that is allowed and accepts; `secure`: with TLS from the first byte on.

    Raises:
        RequestFailedError: With the reason.
    """
    try:
        async with asyncio.timeout(limits.connect):
            found = [to.address] if to.address is not None else await _resolve(to.host, to.port)
            last = RequestFailedError(f"{to.host} has no address")
            for address in found:
                problem = to.refusal(address, own_ports)
                if problem is not None:
                    last = RequestFailedError(f"{to.host} is at a {problem}: nothing is sent there")
                    continue
                try:
                    return await asyncio.open_connection(
                        address,
                        to.port,
                        ssl=client_context() if secure else None,
                        server_hostname=to.host if secure else None,
                    )
                except ssl.SSLCertVerificationError as error:
                    last = RequestFailedError(f"its certificate is not valid: {error.verify_message}")
                except ssl.SSLError:
                    last = RequestFailedError("the TLS handshake failed")
                except (OSError, EOFError) as error:
                    last = RequestFailedError(f"it cannot be reached: {why(error)}")
            raise last
    except TimeoutError:
        raise RequestFailedError(f"no connection within {limits.connect:g} seconds") from None


async def _resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name, in a thread that keeps nobody from ending: a resolver may hang."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def resolve() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            entries = []
        names = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime
            loop.call_soon_threadsafe(lambda: found.done() or found.set_result(names))

    threading.Thread(target=resolve, name="resolver", daemon=True).start()
    return await found


def why(error: BaseException) -> str:
    """Return the reason of a failed connection, for people."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
