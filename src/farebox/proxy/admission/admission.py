"""Accept a request or respond to it ourselves: routes, loops between Fareboxes, `/health` and below."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from farebox.proxy.admission import own_response
from farebox.proxy.admission.client_tokens import Admitted, ClientTokens
from farebox.proxy.admission.routed_request import HOP, RoutedRequest
from farebox.readiness import READY

if TYPE_CHECKING:
    from farebox.proxy.admission.routes import Route, Routes
    from farebox.recording.attribution_merge import Attribution
    from farebox.recording.callers import Callers
    from farebox.wire.http.request_policy import RequestHead

OwnPages = Mapping[bytes, Callable[[], tuple[int, Any]]]
"""What the proxy serves itself: path to status and body."""

DETAILED = (b"/", b"/health")
"""Pages that say more than whether all is well: to whoever may not see that, they say what `READY` says."""

HOPS_MAX = 8
"""Fareboxes one behind the other."""


class Admission:
    """One proxy's."""

    def __init__(
        self,
        routes: Routes,
        callers: Callers,
        *,
        source: str,
        given: Attribution,
        pages: OwnPages,
        clients: ClientTokens | None = None,
    ) -> None:
        """`source` is the journal's name, `given` the attribution of calls that say nothing else; without
        `clients` everybody may ask."""
        self.routes = routes
        self.callers = callers
        self.given = given
        self.clients = clients or ClientTokens()
        self.hosts: frozenset[bytes] = frozenset()
        """The exact `Host` values that mean this proxy."""
        self.instance = os.urandom(8).hex().encode()
        """What this process calls itself to other Fareboxes."""
        self._source = source
        self._pages = pages

    def route(
        self, request: RequestHead, route: Route, path: bytes, admitted: Admitted
    ) -> RoutedRequest | None:
        """Return a request on its way by `route`; None where it has come back to where it was."""
        hops = request.fields.get(HOP, b"")
        if self.instance in hops or hops.count(b",") >= HOPS_MAX:
            return None
        routed = RoutedRequest(request, route, path, self.callers, self._source, admitted)
        if routed.hands_on:
            routed.hand_on(self.given[0], hops + b"," + self.instance if hops else self.instance)
        return routed

    def is_page(self, path: bytes) -> bool:
        """Return whether the proxy serves a path itself: anybody may ask for that."""
        return path in self._pages

    def own_response(self, request: RequestHead, *, close: bool) -> bytes:
        """Return the response to a request that has no route."""
        to_head = request.method == b"HEAD"
        page = self._pages.get(request.path)
        if page is None:
            return own_response.unknown_route(self.routes.names, close=close, to_head=to_head)
        if request.method not in (b"GET", b"HEAD"):
            return own_response.error("farebox", 405, "method", "only GET is served here.", close=close)
        if request.path in DETAILED and not self.clients.sees_detail(request.fields):
            page = self._pages[READY.encode()]
        status, body = page()
        return own_response.json_response(status, body, close=close, to_head=to_head)
