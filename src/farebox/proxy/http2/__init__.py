"""HTTP/2 for clients that speak nothing else: gRPC above all.

Loaded when the first such client comes. `server` is the client's side of a connection, `upstream_session`
the provider's, `stream` one exchange between the two, `heads` what headers are accepted and sent.
"""
