"""What follows from a request's head alone: where it goes, who asks, what the upstream is sent.

A client sends nearly the same head with every call of a connection; only its length differs. So
this is worked out once and kept with the connection, where the next head is compared with it byte
for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from farebox.access.tokens import HEADER
from farebox.journal.records import Intent
from farebox.proxy.admission.client_tokens import Admitted
from farebox.proxy.admission.heads import read_response
from farebox.proxy.admission.routes import Route
from farebox.recording.adopted_ids import EVENT_ID, event_id_of
from farebox.recording.callers import Callers, find_key, retry_count
from farebox.recording.described_request import DescribedRequest
from farebox.wire.facts import Extraction
from farebox.wire.fast_path.whole_response import fast_path_for
from farebox.wire.http.request_id import request_id_names, request_id_of
from farebox.wire.http.request_policy import OWN_PREFIX, Headers, Refusal, RequestHead
from farebox.wire.http.response_policy import ResponseHead
from farebox.wire.keys import KEY_LENGTH_MIN, without_keys
from farebox.wire.request import RequestFacts

if TYPE_CHECKING:  # only where budgets exist
    from farebox.proxy.admission.alike_calls import Alike
    from farebox.wire.request_limits import LimitKeys

_REPLAYABLE = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))

HOP = b"x-farebox-hop"
"""Which instances a call has passed, the first one first: between Fareboxes only, against loops."""


def _in_a_header(text: str) -> bytes:
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text).encode()


def _is_ours(request: RequestHead, index: int) -> bool:
    name = request.headers[index - 1][0]
    return name.startswith(OWN_PREFIX) and name not in (HOP, HEADER)


class RoutedRequest(DescribedRequest):
    """One accepted head, routed."""

    __slots__ = (
        "_head",
        "_path_values",
        "added",
        "admitted",
        "alike",
        "error_shape",
        "event_id",
        "fast_path",
        "hands_on",
        "injectable",
        "meter_headers",
        "query",
        "replayable",
        "request",
        "request_id",
        "request_id_names",
        "response",
        "response_head",
        "route",
        "target",
        "whole_size",
    )

    def __init__(
        self,
        request: RequestHead,
        route: Route,
        path: bytes,
        callers: Callers,
        source: str,
        admitted: Admitted,
    ) -> None:
        self.request = request
        self.admitted = admitted
        self.route = route
        self.hands_on = route.metered and route.origin.leads_to_farebox()
        """The upstream is a Farebox of this user: that one meters, nearest to the provider, and is told whose
        call it is."""
        fields = request.fields
        key = find_key(fields, request.query, route.key_headers, route.key_query)
        self.target = target = route.target(request.method, path, key)
        text = key.decode("latin-1") if key else ""
        own_key = text if len(text) >= KEY_LENGTH_MIN else ""
        self.query = request.query.decode("latin-1") if request.query else ""
        self.meter_headers: Headers = callers.others(request.headers)
        """Headers that can say what the body is."""
        self.injectable = (
            route.metered
            and not self.hands_on
            and target.endpoint.inject_include_usage
            and fields.get(b"content-type", b"")[:16].lower() == b"application/json"
            and fields.get(b"content-encoding", b"identity").lower() == b"identity"
        )
        self.replayable = request.method in _REPLAYABLE
        """Whether a second copy does no harm (RFC 9110 §9.2.2). A POST could be billed twice, whatever
        its `Idempotency-Key` says: only the provider knows whether it honours one."""
        self.error_shape = route.provider.error_shape
        self.event_id = event_id_of(fields.get(EVENT_ID))
        """The id that the SDK in the client gave this call; empty where it gave none."""
        origin: dict[str, Any] = {
            "event_id": b"",
            "occurred_at_ns": 0,
            "source": source,
            "provider": route.provider.id,
            "surface": target.endpoint.surface,
            "method": target.method,
            "path": without_keys(target.shown_path, own_key),
            "host": route.host,
            "key_fingerprint": callers.of(route.name, key) if key else None,
            "attempt": retry_count(fields),
        }
        intent = Intent(**origin)
        said = callers.read(request.headers, intent.key_fingerprint, admitted.token)
        super().__init__(intent, own_key, said, metered=route.metered and not self.hands_on)
        if self.hands_on:
            request.drop = [index for index in request.drop if not _is_ours(request, index)]
        else:
            callers.strip(request, route.provider, route.origin.host)
        self.added: tuple[bytes, ...] = ()
        """Lines for another Farebox."""
        self._head: tuple[bytes, bytes] | None = None
        self.response_head = b""
        """The head of the response before, as it came: servers of one's own often repeat it."""
        self.response: ResponseHead | None = None
        self.request_id: str | None = None
        """The provider's id of the request, by that head."""
        self.request_id_names = request_id_names(target.endpoint)
        self.whole_size = 0
        """The size of a whole response under that head that is passed on unchanged, 0 where none is."""
        self.fast_path = fast_path_for(target.endpoint, target.path, self.query, self.meter_headers)
        self._path_values: Mapping[str, str] | None = None
        self.alike: Alike | None = None
        """What budgets say of the call before this one."""

    @property
    def path_values(self) -> Mapping[str, str]:
        """What path and host say: the model, the region."""
        if self._path_values is None:
            endpoint = self.target.endpoint
            path = self.target.path.partition("?")[0]
            self._path_values = endpoint.path_values(path) if endpoint.has_values else {}
        return self._path_values

    def asking(self, attribution: Mapping[str, str]) -> Mapping[str, str]:
        """Return what decides which contracts cover a call."""
        fingerprint = self.intent.key_fingerprint
        return attribution if fingerprint is None else {**attribution, "key": fingerprint}

    def everyday_facts(self, body: bytes, limits: LimitKeys | None = None) -> RequestFacts | None:
        """Return what a whole request says, None where only a meter can tell; with `limits` also what it
        allows its call to use."""
        if self.fast_path is None:
            return None
        try:
            facts = self.fast_path.request(body, limits)
        except Exception:
            return None  # the meter says what is the matter with it
        if facts is None or (facts.stream and self.injectable and not facts.wants_usage):
            return None
        return facts

    def everyday_extraction(self, content: bytes, facts: RequestFacts) -> Extraction | None:
        """Return what a whole response says, None where only a meter can tell."""
        if self.fast_path is None:
            return None
        try:
            return self.fast_path.response(content, facts)
        except Exception:
            return None  # the meter says what is the matter with it

    def hand_on(self, labels: Mapping[str, str], hops: bytes) -> None:
        """Tell the Farebox behind this one whose call it is, and through which ones it has come."""
        request = self.request
        values, sources = self.said
        # Behind this one nobody can tell what is verified from what the client says: only one goes there.
        verified = {
            name: value for name, value in values.items() if sources[name].startswith(("token:", "key:"))
        }
        taken = {OWN_PREFIX + name.encode() for name in verified}
        request.drop += [index for index, (name, _) in enumerate(request.headers, 1) if name in taken]
        said = request.fields.keys() - taken
        named = ((OWN_PREFIX + name.encode(), value) for name, value in ({**labels, **verified}).items())
        lines = [
            name + b": " + _in_a_header(value)
            for name, value in named
            if b"." not in name and name not in said
        ]
        self.added = (*lines, HOP + b": " + hops)

    def remember(self, head: bytes, response: ResponseHead) -> None:
        """Keep a response's head, in case the next one comes under the same."""
        self.response_head = head
        self.response = response
        self.whole_size = 0
        fields = dict(response.headers)
        self.request_id = request_id_of(fields, self.request_id_names)
        if response.status == 200 and response.content_length and response.keep_alive:
            unchanged = not (response.drop or response.old or self.request.close or self.request.version_1_0)
            plain = fields.get(b"content-type", b"")[:16] == b"application/json"
            if unchanged and plain and b"content-encoding" not in fields:
                self.whole_size = len(head) + response.content_length

    def is_whole(self, data: bytes) -> bool:
        """Return whether `data` is a whole response to be passed on unchanged, and keep its head."""
        end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            return False
        head = data[:end]
        response = read_response(head, to_head=self.request.method == b"HEAD")
        if isinstance(response, Refusal) or response.status < 200:
            return False
        self.remember(head, response)
        return len(data) == self.whole_size

    def upstream_head(self, length: int | None, *, reframed: bool) -> bytes:
        """Return the head to send: the client's own lines, without what is not for the upstream.

        `reframed`: the body is sent with `length`, or in chunks for None, however the client framed it.
        """
        request = self.request
        if length is None or not (reframed or request.length_line):
            return self._lines(None, chunked=reframed)
        known = self._head
        if known is None:
            mark = b"\0"  # no line of an accepted head has one
            before, _, after = self._lines(mark).partition(mark)
            known = self._head = before, after
        return b"%s%d%s" % (known[0], length, known[1])

    def _lines(self, length: bytes | None, *, chunked: bool = False) -> bytes:
        request, path = self.request, self.target.upstream_path
        target = path if request.query is None else path + b"?" + request.query
        lines = list(request.lines)
        lines[0] = b"%s %s HTTP/1.1" % (request.method, target)
        lines[request.host_line] = self.route.host_line
        if length is not None:
            at = request.length_line or request.coding_line
            name = lines[at].partition(b":")[0] if request.length_line else b"Content-Length"
            lines[at] = name + b": " + length
        if chunked and request.length_line:
            lines[request.length_line] = b"Transfer-Encoding: chunked"
        for index in sorted(set(request.drop), reverse=True):
            del lines[index]
        lines[-2:-2] = self.added
        if not self.route.metered:
            lines[-2:-2] = [b"Connection: close"]
        return b"\r\n".join(lines)
