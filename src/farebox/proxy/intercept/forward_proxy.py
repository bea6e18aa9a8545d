"""The forward proxy on the same port: `CONNECT host:port`, and requests with a whole URL.

Hosts that the catalog or the configuration knows are metered: `interception` ends their TLS.
Every other host is tunnelled untouched. Strangers may go to public addresses on port 443 (80 in
the clear) and nowhere else; a program that `farebox run` started says so with a password and may go
where it could go without us, but never to Farebox's own ports.
"""

from __future__ import annotations

import base64
import hmac
import re
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import httptools

from farebox.proxy.admission import own_response
from farebox.proxy.admission.client_tokens import NotAdmitted
from farebox.proxy.intercept.interception import InterceptedConnection
from farebox.proxy.intercept.tunnel import ClientSide, TunnelError, reach
from farebox.wire.http.request_policy import Headers, Refusal, head_limit, imitates, malformed

if TYPE_CHECKING:
    from farebox.proxy.admission.routes import Route
    from farebox.proxy.http1.client_connection import ClientConnection
    from farebox.proxy.intercept.interception import Interception
    from farebox.proxy.service_state import ServiceState

_AUTHORITY = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")
_URL = re.compile(rb"(https?)://([^/?#]*)([/?#].*)?", re.IGNORECASE | re.DOTALL)
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_REFUSED_IN_CONNECT = frozenset((b"transfer-encoding", b"upgrade", b"expect"))
_BROWSER = frozenset((b"origin", b"sec-fetch-site"))


class ForwardProxy:
    """What one proxy does with requests for other hosts."""

    def __init__(
        self, state: ServiceState, interception: Interception, *, password: str, ports: tuple[int, ...]
    ) -> None:
        self.state = state
        self.interception = interception
        self._password = base64.b64encode(f"farebox:{password}".encode()) if password else b""
        self._ports = frozenset((443, *ports))
        self._plain_ports = frozenset((80, *ports))

    def takes(self, client: ClientConnection, data: bytes, end: int) -> bool:
        """Look at a head that ends at `end`; return whether it is for somebody else and taken care of."""
        method, _, rest = data[: data.find(b"\r\n")].partition(b" ")
        if method == b"CONNECT":
            self._connect(client, data[:end], data[end:])
            return True
        if rest[:1] == b"/" or b"://" not in rest:
            return False
        target, _, version = rest.rpartition(b" ")
        url = _URL.fullmatch(target)
        if url is None:
            return False  # the policy has a word for it
        scheme, authority, path = url[1].lower(), url[2].lower(), url[3] or b"/"
        if scheme == b"http" and authority in client.hosts:
            return False
        self._whole_url(client, data, end, (method, version), (scheme, authority, path))
        return True

    # CONNECT

    def _connect(self, client: ClientConnection, head: bytes, rest: bytes) -> None:
        judged = _judge_connect(head)
        if isinstance(judged, Refusal):
            self._refuse(client, judged)
            return
        host, port, fields = judged
        trusted = self._knows(fields)
        if not trusted:
            admitted = client.shared.admission.clients.admit_tunnel(fields, client.peer)
            if isinstance(admitted, NotAdmitted):
                self._turn_away(client, admitted)
                return
            client.caller.token = admitted.digest
        agent = _agent(fields)
        interception = self.interception
        route = None
        if interception.wants(host, port):
            route = interception.route(host, port, secure=True, trusted=trusted)
        if route is not None:
            if rest:
                self._refuse(client, malformed("it goes on before it was told to"))
                return
            side = _hand_over(client, ClientSide(self.state))
            side.transport.pause_reading()
            side.opening = self.state.loop.create_task(self._intercept(side, route, agent, client, trusted))
        elif port not in self._ports and not trusted:
            self._refuse(client, Refusal(403, "port", "Tunnels go to port 443 only."))
        else:
            reason = interception.passes_over(host, port)
            if reason is not None:
                interception.unseen(host, agent, reason, client.caller)
            side = _hand_over(client, ClientSide(self.state, rest))
            if client.caller.token:
                side.may_stay = partial(client.shared.admission.clients.holds, client.caller.token)
            side.opening = self.state.loop.create_task(self._tunnel(side, host, port, trusted))

    async def _intercept(
        self, side: ClientSide, route: Route, agent: str, client: ClientConnection, trusted: bool
    ) -> None:
        interception = self.interception
        leaves = interception.leaves
        host = route.origin.host
        pin = await interception.pinned(host, agent, client.caller)
        context = await leaves.context(host) if leaves is not None and pin is None else None
        if context is None:  # seen by nobody is better than broken
            if client.caller.token:
                side.may_stay = partial(client.shared.admission.clients.holds, client.caller.token)
            reason = f"pinned:{pin.reason}" if pin is not None else "no_certificate"
            interception.unseen(host, agent, reason, client.caller, pin)
            await self._tunnel(side, host, route.origin.port, trusted)
            return
        side.transport.write(_ESTABLISHED)
        await interception.terminate(side, route, agent, client, context)

    async def _tunnel(self, side: ClientSide, host: str, port: int, trusted: bool) -> None:
        place = self.interception.place(host)
        try:
            if place is None:
                other = await reach(self.state, host, port, private_allowed=trusted)
            else:
                other = await reach(self.state, place.host, place.port, private_allowed=True)
        except TunnelError as error:
            side.opening = None
            side.transport.write(
                own_response.error("farebox", error.status, error.slug, str(error), close=True)
            )
            side.transport.close()
            return
        side.opening = None
        if side.transport.is_closing():
            other.transport.abort()
            return
        side.transport.write(_ESTABLISHED)
        side.joined(other)

    # A whole URL

    def _whole_url(
        self,
        client: ClientConnection,
        data: bytes,
        end: int,
        start: tuple[bytes, bytes],
        url: tuple[bytes, bytes, bytes],
    ) -> None:
        """Serve `POST http://host/path` and, as some clients ask for it, `POST https://host/path`."""
        (method, version), (scheme, authority, path) = start, url
        secure = scheme == b"https"
        port_text = (
            authority if _AUTHORITY.fullmatch(authority) else authority + (b":443" if secure else b":80")
        )
        parts = _AUTHORITY.fullmatch(port_text)
        if parts is None or int(parts[2]) > 65535 or path[:1] != b"/":
            self._refuse(client, malformed("its address is not one"))
            return
        host, port = parts[1].decode("ascii"), int(parts[2])
        line_end = data.find(b"\r\n")
        origin_form = b"%s %s %s%s" % (method, path, version, data[line_end:end])
        hosts = frozenset((authority, port_text, parts[1]) if port in (80, 443) else (authority,))
        host = host.strip("[]")
        fields = _fields(data[:end])
        trusted = self._knows(fields)
        if not trusted and not client.shared.admission.clients.may_ask(fields):
            admitted = client.shared.admission.clients.admit_tunnel(fields, client.peer)
            if isinstance(admitted, NotAdmitted):
                self._turn_away(client, admitted)
                return
        route = self.interception.route(host, port, secure=secure, trusted=trusted)
        if route is None:
            if port not in (self._ports if secure else self._plain_ports) and not trusted:
                self._refuse(client, Refusal(403, "port", "Requests with a whole URL go to port 80 only."))
                return
            route = self.interception.unmetered_route(host, port, secure=secure, trusted=trusted)
            if route is None:
                self._refuse(client, Refusal(503, "too_many_hosts", "Too many hosts are in use."))
                return
        # The next request on this connection may be for another host: each is routed on its own, and
        # behind the response of a host that nobody meters the connection is closed.
        routed = _hand_over(client, InterceptedConnection(client.shared, route, hosts, forwards=True))
        routed.data_received(origin_form + data[end:])

    # Details

    def _knows(self, fields: dict[bytes, bytes]) -> bool:
        """Return whether a request carries the password of this run."""
        scheme, _, said = fields.get(b"proxy-authorization", b"").partition(b" ")
        return (
            bool(self._password)
            and scheme.lower() == b"basic"
            and hmac.compare_digest(said.strip(), self._password)
        )

    def _turn_away(self, client: ClientConnection, why: NotAdmitted) -> None:
        self.state.refused += 1
        response = own_response.error(
            "farebox", why.status, why.slug, why.message, close=True, headers=why.headers
        )
        client.finish(response, keep=False, unread=True)

    def _refuse(self, client: ClientConnection, refusal: Refusal) -> None:
        self.state.refused += 1
        client.finish(
            own_response.refused(refusal),
            keep=False,
            unread=True,
        )


_Successor = TypeVar("_Successor", ClientSide, InterceptedConnection)


def _hand_over(client: ClientConnection, successor: _Successor) -> _Successor:
    """Let `successor` have the client's connection."""
    client.service.clients.discard(client)
    client.hand_over()
    client.transport.set_protocol(successor)
    successor.connection_made(client.transport)
    return successor


def _judge_connect(head: bytes) -> tuple[str, int, dict[bytes, bytes]] | Refusal:
    """Return host, port and headers of an acceptable `CONNECT`."""
    too_large = head_limit(head)
    if too_large is not None:
        return too_large
    headers = _split(head)
    if isinstance(headers, Refusal):
        return headers
    start = head[: head.find(b"\r\n")].split(b" ")
    if len(start) != 3 or start[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        return malformed("the request line is not `CONNECT host:port HTTP/1.1`")
    authority = _AUTHORITY.fullmatch(start[1])
    if authority is None or not 0 < int(authority[2]) < 65536:
        return malformed("its target is not `host:port`")
    names = [name for name, _ in headers]
    fields = dict(headers)
    if names.count(b"host") > 1:
        return Refusal(400, "host_repeated", "The request has two Host headers.")
    said = fields.get(b"host", start[1]).lower()
    if said not in (start[1].lower(), authority[1].lower()):
        return Refusal(400, "authority", "The target's authority differs from the Host header.")
    if _BROWSER & fields.keys():
        return Refusal(403, "browser", "Requests from web pages are refused.")
    if _REFUSED_IN_CONNECT & fields.keys() or fields.get(b"content-length", b"0") != b"0":
        return malformed("a CONNECT has no body")
    if names.count(b"content-length") > 1 or any(map(imitates, names)):
        return malformed("its headers can be read in two ways")
    return authority[1].decode("ascii").lower().strip("[]").rstrip("."), int(authority[2]), fields


class _Lines:
    """Collects what llhttp finds in one head."""

    def __init__(self) -> None:
        self.headers: Headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def _split(head: bytes) -> Headers | Refusal:
    lines = _Lines()
    try:
        httptools.HttpRequestParser(lines).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # what a CONNECT always is
    except httptools.HttpParserError as error:
        return malformed(str(error)[:120])
    if head.count(b"\r\n") != len(lines.headers) + 2:
        return malformed("its lines do not match its headers")
    return lines.headers


def _fields(head: bytes) -> dict[bytes, bytes]:
    """Return the headers of a head that is judged later."""
    found = _split(head)
    return {} if isinstance(found, Refusal) else dict(found)


def _agent(fields: dict[bytes, bytes]) -> str:
    """Return the program's name out of its `User-Agent`, empty where it says none."""
    product = fields.get(b"user-agent", b"").partition(b"/")[0].partition(b" ")[0]
    return product[:64].decode("ascii", "replace").lower()
