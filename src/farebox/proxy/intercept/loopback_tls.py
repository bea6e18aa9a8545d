"""TLS on the proxy's own port, for clients that make `wss://` of the `http://` base URL they are given.

Realtime clients of SDKs do (openai-node, openai-python): they take a base URL's host and port and
always speak TLS to it. The certificate is for the loopback address alone and comes from the authority
that `farebox run` gives its command to trust; where there is none, such a client is refused as before.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from farebox.proxy.http1.client_connection import SecuredConnection
from farebox.proxy.intercept.tunnel import ClientSide, Side
from farebox.proxy.sockets.tls_buffer import TlsBuffer, settle_memory

if TYPE_CHECKING:
    from farebox.proxy.http1.client_connection import ClientConnection, Shared
    from farebox.proxy.intercept.leaf_contexts import LeafContexts


def secure(client: ClientConnection, hello: bytes, leaves: LeafContexts | None) -> bool:
    """Terminate the TLS that a client begins with `hello`; return whether there is a certificate for it."""
    state = client.service
    host = client.transport.get_extra_info("sockname")[0]
    authority = leaves.authority() if leaves is not None else None
    if leaves is None or authority is None or not authority.covers(host):
        return False
    side = ClientSide(state, hello)
    state.clients.discard(client)
    client.hand_over()
    client.transport.set_protocol(side)
    side.connection_made(client.transport)
    side.opening = state.loop.create_task(_serve(side, client.shared, leaves, host))
    return True


async def _serve(side: ClientSide, shared: Shared, leaves: LeafContexts, host: str) -> None:
    """Serve a client behind a pair of sockets: its first bytes have been read, and TLS needs them again."""
    loop = shared.state.loop
    context = await leaves.context(host)
    if context is None:
        side.transport.abort()
        return
    settle_memory()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    try:
        _, other = await loop.create_unix_connection(lambda: Side(shared.state), sock=ours)
        side.joined(other)
        connection = SecuredConnection(shared)
        if shared.processes is not None:
            # Who is at the other end is known of the client's own connection only.
            shared.processes.look_up(side.transport, connection.caller.found)
        await loop.connect_accepted_socket(
            lambda: TlsBuffer(connection),
            theirs,
            ssl=context,
            ssl_handshake_timeout=shared.state.limits.client_head_s,
        )
    except (OSError, EOFError, TimeoutError, ssl.SSLError):
        side.transport.close()
    finally:
        side.opening = None
