"""How long and how much: every limit of the data plane in one place (RELIABILITY §3).

Sizes of heads are part of the HTTP policy, `farebox.wire.http.request_policy`. Bodies are streamed, and what
is kept of them is bounded here.
"""

from __future__ import annotations

import msgspec

BODY_EXPOSED = 512 << 20
"""Bytes of a request's body where others than this machine may send one: the largest file that OpenAI takes
(https://platform.openai.com/docs/api-reference/files/create)."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds and bytes. Tests pass smaller ones; users cannot loosen them."""

    client_head_s: float = 10.0
    """From a request's first byte (or the connection's start) to the end of its headers."""
    client_idle_s: float = 300.0
    """Between two requests on one kept connection."""
    forget_s: float = 15.0
    """After so long without a request a connection does not know its last head any more."""
    client_body_s: float = 60.0
    """Without a byte of a request body that is not complete."""
    write_stall_s: float = 60.0
    """A client or an upstream that takes nothing of what waits for it."""
    connect_s: float = 10.0
    """TCP and TLS handshake with an upstream, name look-up included."""
    first_byte_s: float = 600.0
    """From the request's end to the first byte of the response."""
    upstream_idle_s: float = 300.0
    """Between two bytes of a response."""
    socket_idle_s: float = 1800.0
    """Without a byte either way on a WebSocket: sessions pause longer than responses do."""
    pool_idle_s: float = 55.0
    """An unused upstream connection is closed: just under the minute after which many close it."""
    pool_size: int = 256
    """Unused connections kept per upstream."""
    resolve_s: float = 30.0
    """How long a resolved name is used before it is looked up again."""
    linger_s: float = 2.0
    """How long a client may go on sending what will not be read, so that it can read our response."""
    partial_s: float = 5.0
    """At most one PARTIAL record per so many seconds of a long stream."""
    drain_s: float = 30.0
    """How long a stop waits for exchanges in flight."""
    drain_idle_s: float = 1.0
    """How long a stop leaves unused client connections open for a request already on its way."""

    sweep_s: float = 1.0
    """How often the limits in time are looked at: no timer per request."""

    stream_buffer: int = 64 * 1024
    """Bytes waiting in one direction before the other side is no longer read; one read (at
    most 256 KB) may come on top."""
    held_body: int = 64 * 1024
    """A request body up to this size is sent in one piece with its headers."""
    injected_body: int = 16 * 1024 * 1024
    """Larger JSON requests are streamed and do not get `include_usage`."""
    held_total: int = 48 * 1024 * 1024
    """Of all request bodies that are held at a time; beyond it they stream, without `include_usage`."""
    replay_body: int = 1024 * 1024
    """Kept until the response starts, for a safe second try on a fresh connection."""
    pipelined: int = 64 * 1024
    """Bytes of a next request read while one is under way."""
    request_body: int = 0
    """Bytes of a request's body, 0 for any number: this machine's own programs may send what they like."""
