"""What the kernel is asked about connections, also about those that are closed."""

from __future__ import annotations

from typing import Any

from farebox.proxy.sockets import socket_poll


class Closed:
    """A transport of TLS after its end."""

    def get_extra_info(self, _: str) -> Any:
        return None

    def get_write_buffer_size(self) -> int:
        return 0


def test_a_closed_connection_of_tls_has_ended_and_ends_no_sweep() -> None:
    assert socket_poll.happened(Closed(), socket_poll.LEFT)
    assert socket_poll.unsent(Closed()) == 0
