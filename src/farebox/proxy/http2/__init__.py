"""HTTP/2 for clients that speak nothing else: gRPC above all.

Loaded when the first such client comes. `server` is the client's side of a connection, `upstream`
the provider's, `stream` one exchange between the two, `heads` what headers are accepted and sent.
"""

from farebox.proxy.http2.server import PREFACE, ServerConnection, take_over

__all__ = ["PREFACE", "ServerConnection", "take_over"]
