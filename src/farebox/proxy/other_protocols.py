"""What a client's connection can turn out to be: a tunnel, HTTP/2, a WebSocket, TLS.

Loaded when the first one comes: most proxies see HTTP/1.1 alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.proxy.admission.routed_request import RoutedRequest
    from farebox.proxy.http1.client_connection import ClientConnection
    from farebox.proxy.intercept.forward_proxy import ForwardProxy
    from farebox.proxy.upstream.tls import UpstreamTls


class OtherProtocols:
    """One proxy's."""

    def __init__(self, forward_proxy: ForwardProxy, tls: UpstreamTls) -> None:
        self._forward_proxy = forward_proxy
        self._tls = tls

    def forward(self, client: ClientConnection, data: bytes, end: int) -> bool:
        """Look at a head that ends at `end`; return whether it is for another host and taken care of."""
        return self._forward_proxy.takes(client, data, end)

    def http2(self, client: ClientConnection, data: bytes) -> None:
        """Serve a connection as HTTP/2 from its first bytes on."""
        from farebox.proxy.http2.server import take_over

        take_over(client, data, self._tls)

    def websocket(self, client: ClientConnection, routed: RoutedRequest, early: bytes) -> None:
        """Begin a WebSocket; `early` came behind its head."""
        from farebox.proxy.websocket.connection import open_socket

        open_socket(client, routed, early)

    def tls(self, client: ClientConnection, hello: bytes) -> bool:
        """Terminate TLS that begins with `hello`; return whether there is a certificate for it."""
        from farebox.proxy.intercept.loopback_tls import secure

        return secure(client, hello, self._forward_proxy.interception.leaves)
