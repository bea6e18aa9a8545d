"""A provider with its real name on loopback, a proxy that intercepts it, and clients that go through."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from proxy_harness import (
    Answer,
    Client,
    MemoryJournal,
    MockUpstream,
    ProxyThread,
    Reply,
    Request,
    certificate,
    server_tls,
)

from farebox import catalog
from farebox.certificates import authority
from farebox.certificates.names import constraints
from farebox.config import Config, InterceptionConfig, ProviderConfig

HOST = "api.openai.com"
NAMES = constraints({HOST: (), "api.anthropic.com": (), "*.openai.azure.com": ()})


class Setting:
    """Everything of one test: the mock, the proxy, what clients have to trust."""

    def __init__(self, server: MockUpstream, proxy: InterceptingThread, root: Path, home: Path) -> None:
        self.server = server
        self.proxy = proxy
        self.root = root
        """What a client is told to trust."""
        self.home = home

    @property
    def journal(self) -> MemoryJournal:
        return self.proxy.journal

    def trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.root))
        context.set_alpn_protocols(["http/1.1"])
        return context

    def connect(self, target: str = f"{HOST}:443", *headers: str) -> Client:
        """Return a client that has asked for `target`; its answer is yet to be read."""
        client = self.proxy.connect()
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", *headers, "", ""]
        client.send("\r\n".join(lines).encode())
        return client

    def secured(self, host: str = HOST, *headers: str, context: ssl.SSLContext | None = None) -> SecureClient:
        """Return a client that is connected to `host` through the proxy, TLS and all."""
        client = self.connect(f"{host}:443", *headers)
        said = client.until(b"\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 200 "), said
        return SecureClient(client, host, context or self.trusting())


class SecureClient(Client):
    """A raw HTTP client inside a tunnel."""

    def __init__(self, below: Client, host: str, context: ssl.SSLContext) -> None:
        self.port = below.port
        self.host = host
        self.socket = context.wrap_socket(below.socket, server_hostname=host)

    def head(self, method: str, path: str, *headers: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", *headers, "", ""]
        return "\r\n".join(lines).encode("latin-1")


class InterceptingThread(ProxyThread):
    """A proxy in a thread, with a configuration of its own."""

    def __init__(self, config: Config, **seams: Any) -> None:
        super().__init__({}, **seams)
        from farebox.proxy.service import Proxy

        self.proxy = Proxy(
            config,
            catalog=catalog.load(config.providers),
            journal=self.journal,
            secret=b"s" * 32,
            **seams,
        )


@contextlib.contextmanager
def intercepting(
    respond: Callable[[Request], Reply],
    folder: Path,
    *,
    names: tuple[str, ...] = (HOST,),
    providers: dict[str, ProviderConfig] | None = None,
    never: tuple[str, ...] = (),
    addresses: dict[str, str] | None = None,
    keeps: tuple[str, ...] = (),
    trusts: str | None = None,
    upstream: dict[str, Any] | None = None,
    trusts_mock: bool = True,
    **seams: Any,
) -> Iterator[Setting]:
    """Run a mock of `names` over TLS and a proxy that terminates TLS of the catalog's hosts."""
    mock_folder = folder / "mock"
    mock_folder.mkdir()
    ca_file, cert, key = certificate(mock_folder, *names)
    made = authority.make(folder / "ca" / "test", constraints(dict.fromkeys((*NAMES, *keeps), ())))
    with MockUpstream(respond, **{"tls": server_tls(cert, key), **(upstream or {})}) as server:
        config = Config(
            providers=providers or {},
            interception=InterceptionConfig(
                addresses={**dict.fromkeys(names, f"127.0.0.1:{server.port}"), **(addresses or {})},
                ca_file=str(ca_file) if trusts_mock else trusts,
                never=never,
            ),
        )
        pins = folder / "pinned"
        with InterceptingThread(config, authority=made.folder, pins=pins, **seams) as proxy:
            yield Setting(server, proxy, made.root, folder)


@contextlib.contextmanager
def echoing() -> Iterator[tuple[int, list[bytes]]]:
    """Run a server that sends back what it gets; yield its port and what came on each connection."""
    import threading

    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection: socket.socket) -> None:
        number = len(seen)
        seen.append(b"")
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                seen[number] += data
                connection.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], seen
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


__all__ = ["HOST", "Answer", "Setting", "echoing", "intercepting"]
