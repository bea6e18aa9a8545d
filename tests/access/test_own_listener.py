"""Whom a command of the owner shows a token: a process of theirs, and nobody who took its port."""

from __future__ import annotations

import os
import socket
import sys
import threading

import pytest

from farebox.access import own_listener
from farebox.server.api.coverage.recording import Announced, recording_of


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say whose a port is")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_another_user_took_is_sent_no_token(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    received: list[bytes] = []
    with socket.create_server((host, 0), family=family) as listener:

        def take() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                received.append(connection.recv(4096))
                connection.close()

        threading.Thread(target=take, daemon=True).start()
        port = listener.getsockname()[1]
        announced = Announced(pid=os.getpid(), host=host, port=port, started_at="")
        assert recording_of(announced, "fbx_owner_x").state == "silent"
        assert b"fbx_owner_x" in received[0], "the control: ours is shown it"
        monkeypatch.setattr(own_listener.os, "getuid", lambda: os.geteuid() + 1)
        assert recording_of(announced, "fbx_owner_x").state == "off"
        assert len(received) == 1
        listener.shutdown(socket.SHUT_RDWR)
