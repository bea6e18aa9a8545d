"""Connections that went past the proxy are named with their program; nobody is asked for an address."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from farebox.proxy.intercept import direct_connections
from farebox.proxy.intercept.direct_connections import DirectConnections, ProviderAddresses
from farebox.proxy.limits import Limits
from farebox.proxy.upstream.connection import Origin
from farebox.proxy.upstream.tls import client_tls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

CALL = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); sys.stdin.read()"
HOST = "api.openai.com"


@pytest.fixture
def provider() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@contextlib.contextmanager
def client(provider: socket.socket, folder: Path, *before: str) -> Iterator[None]:
    """A program, started without any variable, that has connected to `provider`."""
    script = folder / "direct.py"
    script.write_text(CALL)
    host, port = provider.getsockname()[:2]
    command = [*before, sys.executable, str(script), host, str(port)]
    with subprocess.Popen(command, env={}, stdin=subprocess.PIPE) as child:
        connection, _ = provider.accept()
        try:
            yield
        finally:
            connection.close()
            child.communicate(timeout=10)


def at(provider: socket.socket) -> ProviderAddresses:
    return ProviderAddresses(None, {HOST: f"127.0.0.1:{provider.getsockname()[1]}"}, list)


def looking(known: ProviderAddresses, parent: int | None) -> DirectConnections:
    loop = asyncio.new_event_loop()
    try:
        return DirectConnections(loop, known, lambda *_: None, parent=parent)
    finally:
        loop.close()


@pytest.mark.parametrize("parent", [None, os.getpid()], ids=["a proxy of everybody's", "a run's proxy"])
def test_a_program_that_goes_past_the_proxy_is_named_once(
    provider: socket.socket, tmp_path: Path, parent: int | None
) -> None:
    looked = looking(at(provider), parent)
    assert looked.look() == []
    with client(provider, tmp_path):
        assert looked.look() == [(HOST, f"{Path(sys.executable).name} direct.py", "direct")]
        assert looked.look() == []
    with client(provider, tmp_path):
        assert len(looked.look()) == 1, "another connection is another one"


METERED = """
import farebox, httpx, sys
farebox.instrument()
client = httpx.Client(trust_env=False)
try:
    client.post(f"http://{sys.argv[1]}:{sys.argv[2]}/v1/chat/completions", json={"model": "gpt-4o"})
except httpx.HTTPError:
    pass
"""


@pytest.mark.parametrize("is_same_home", [True, False])
def test_a_program_that_records_its_own_calls_has_bypassed_nothing(
    provider: socket.socket, tmp_path: Path, is_same_home: bool
) -> None:
    """Of another state directory it has: its calls are not in this record."""
    script, home = tmp_path / "metered.py", tmp_path / "home"
    script.write_text(METERED)
    host, port = provider.getsockname()[:2]
    (home / "farebox.yaml").parent.mkdir(mode=0o700)
    (home / "farebox.yaml").write_text(
        f'providers:\n  local: {{upstream: "http://{host}:{port}", speaks: openai}}\n'
    )
    looked_at = home if is_same_home else tmp_path / "other"
    loop = asyncio.new_event_loop()
    looked = DirectConnections(
        loop, at(provider), lambda *_: None, recorded_in=(looked_at / "journal", looked_at / "collectors")
    )
    loop.close()
    with subprocess.Popen(
        [sys.executable, str(script), host, str(port)], env={"FAREBOX_HOME": str(home)}
    ) as child:
        connection, _ = provider.accept()
        try:
            assert connection.recv(4), "the request has begun, and so has its record"
            found = looked.look()
        finally:
            connection.close()
            child.wait(timeout=20)
    assert bool(found) is not is_same_home
    assert list(home.glob("journal/sdk-*")), "negative control: it has recorded the call"


def test_a_process_below_several_others_belongs_to_the_run(provider: socket.socket, tmp_path: Path) -> None:
    with client(provider, tmp_path, "/bin/sh", "-c", '"$@"; true', "sh"):
        assert len(looking(at(provider), os.getpid()).look()) == 1


def test_a_process_of_nobodys_run_is_not_the_runs(provider: socket.socket, tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as other, client(provider, tmp_path):
        assert looking(at(provider), other.pid).look() == []
        other.communicate(timeout=10)


def test_the_proxys_own_connections_and_other_hosts_are_nobodys(
    provider: socket.socket, tmp_path: Path
) -> None:
    with socket.create_connection(provider.getsockname()):
        assert looking(at(provider), None).look() == []
    with client(provider, tmp_path):
        elsewhere = ProviderAddresses(None, {HOST: "127.0.0.1:1"}, list)
        assert looking(elsewhere, None).look() == []


def origin(host: str, *found: str) -> Origin:
    made = Origin(
        f"https://{host}", limits=Limits(), private_allowed=False, own_ports=frozenset, tls=client_tls
    )
    made._resolved = [(int(socket.AF_INET), address) for address in found]  # pyright: ignore[reportPrivateUsage]
    return made


def test_addresses_come_from_names_that_were_resolved_anyway_and_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    assert ProviderAddresses(file, {}, lambda: [origin(HOST)]).current() == {}
    found = {("104.18.6.192", 443): HOST}
    assert ProviderAddresses(file, {}, lambda: [origin(HOST, "104.18.6.192")]).current() == found
    assert ProviderAddresses(file, {}, list).current() == found, "known to a later proxy, too"
    old = {"104.18.6.192": (HOST, int(time.time()) - 8 * 86_400)}
    file.write_bytes(msgspec.json.encode(old))
    assert ProviderAddresses(file, {}, list).current() == {}
    file.write_text("garbage")
    assert ProviderAddresses(file, {}, list).current() == {}


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 C0061268:01BB 01 00000000:00000000 00:00000000 00000000  1000        0 11 1 0
   1: 0100007F:1F91 0101A8C0:01BB 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0
   2: 0100007F:1F92 C0061268:0050 01 00000000:00000000 00:00000000 00000000  1000        0 13 1 0
   3: 0100007F:1F93 C1061268:01BB 06 00000000:00000000 00:00000000 00000000  1000        0 14 1 0
"""
TABLE6 = """\
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000001000000:1F94 0000000000000000FFFF0000C0061268:01BB 01 0:0 00:0 0 1000 0 15 1 0
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the table is written in the machine's order")
def test_the_table_is_read_as_the_kernel_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tcp").write_text(TABLE)
    (tmp_path / "tcp6").write_text(TABLE6)
    monkeypatch.setattr(direct_connections, "_TABLES", (str(tmp_path / "tcp"), str(tmp_path / "tcp6")))
    monkeypatch.setattr(direct_connections, "holders_of", lambda inodes: dict.fromkeys(sorted(inodes), 1))  # pyright: ignore
    monkeypatch.setattr(DirectConnections, "_counts", lambda self, pid: True)  # pyright: ignore
    monkeypatch.setattr(direct_connections.process_info, "command_of", lambda pid: "app")  # pyright: ignore
    known = ProviderAddresses(None, {}, lambda: [origin(HOST, "104.18.6.192")])
    # The second is private, the third not HTTPS, the fourth over; the last one is IPv4 in an IPv6 socket.
    assert looking(known, None).look() == [(HOST, "app", "direct")] * 2
    unknown = ProviderAddresses(None, {}, list)
    assert looking(unknown, 1).look() == [("104.18.6.192", "app", "direct_unknown")] * 2
    assert looking(unknown, None).look() == [], "what is not known matters to a run only"


def test_what_was_seen_is_on_the_list_of_what_is_not_metered() -> None:
    from farebox.proxy.intercept.unmetered import UnmeteredHosts
    from farebox.server.api.coverage.recording import Unmetered

    listed = UnmeteredHosts()
    listed.add_direct(HOST, "python3 direct.py", "direct")
    listed.add_direct(HOST, "python3 direct.py", "direct")
    (found,) = msgspec.convert(msgspec.to_builtins(listed.listed()), list[Unmetered])
    assert found.words == (
        "not metered: 2 connections of python3 direct.py to api.openai.com: it bypassed the proxy"
    )
