"""Meter one exchange: bytes of the request and of the response in, an `Extraction` out.

Sees copies only, never raises into its caller, and holds a bounded amount whatever comes: what it
cannot read ends as `completeness: none` or `partial` with the reason, and traffic is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from farebox.catalog import Endpoint
from farebox.catalog.shape import UsageFormat
from farebox.wire.facts import ENCODED, Completeness, Extraction, Part
from farebox.wire.http.decoding import DecodeError, Decoder, encoding_of, supported
from farebox.wire.request import RequestFacts, RequestReader, facts, plain_facts
from farebox.wire.usage.batch_results import Answers, gathering_for
from farebox.wire.usage.bodies import Body, Events, Ignored, Json, Unknown
from farebox.wire.usage.compiled_format import Plan, plan_for
from farebox.wire.usage.estimate_sample import Sample, Side, Unmeasured, beginning
from farebox.wire.usage.extract import Context, Gathering, ShapedGathering, extraction
from farebox.wire.usage.protobuf_usage import EventStreamBody, GrpcBody, GrpcRequest

if TYPE_CHECKING:  # only where budgets exist
    from farebox.wire.request_limits import LimitKeys

_HEADER_MAX = 256
_PAGES = (b"text/html", b"text/css", b"text/javascript", b"application/javascript", b"application/xhtml")
"""Content types of pages, which are for browsers."""
_PIECES_MAX = 4096
_TOO_LARGE = "decoded_body_too_large"
_UNDECODED = ("content_encoding", _TOO_LARGE)

Headers = Sequence[tuple[bytes, bytes]]


class Meter:
    """One exchange. Call its methods in the order the bytes arrive; `finish` once, at the end."""

    # What most exchanges never need has its first value here: starting costs four assignments.
    _first: bytes | None = None
    """The request's body while it is a single piece."""
    _reader: RequestReader | GrpcRequest | None = None
    _asked = False
    _request_body: Mapping[str, Any] = {}
    _path_values: Mapping[str, str] = {}
    _facts = RequestFacts()
    _limits: LimitKeys | None = None
    """By what a request is read for what it allows its call to use; None where nobody asks."""
    _status = 0
    _response_headers: Headers = ()
    _content_type = b""
    _decoder: Decoder | None = None
    _gathering: Gathering | None = None
    _body: Body | None = None
    _pieces: list[bytes] | None = None
    """What has arrived since the body was last looked at, once it is known what it is."""
    _size = 0
    _due = 0
    _problem: str | None = None
    _asked_side: Side | None = None
    """How a request in several pieces, or a compressed one once it is decoded, begins and how long it is."""
    _asked_encoded = False
    _asked_with: bytes | None = None
    """The request's first piece, for an estimate: see sample.py."""
    _sample: Sample | None = None

    def __init__(self, endpoint: Endpoint, path: str, query: str, request_headers: Headers) -> None:
        self._endpoint = endpoint
        self._path = path
        self._query = query
        self._headers = request_headers

    # The request.

    def read_limits(self, keys: LimitKeys) -> None:
        """Have `request_end` say what the request allows its call to use, as well; before its body comes."""
        self._limits = keys

    def request_body(self, data: bytes) -> None:
        """Take in a piece of the request's body."""
        if self._first is None:
            self._first = data
        elif not self._asked:
            try:
                reader = self._reader
                if reader is None:
                    reader = self._reader = self._request_reader()
                    reader.feed(self._first)
                reader.feed(data)
            except Exception:
                self._asked = True

    def _request_reader(self) -> RequestReader | GrpcRequest:
        form = self._endpoint.format
        if form is not None and form.protobuf is not None:
            return GrpcRequest(form.protobuf.request)
        return RequestReader(self._headers, form.request if form is not None else (), self._limits)

    def request_end(self) -> RequestFacts:
        """Return what the request said; call it once, when its body is complete."""
        first, endpoint, broken = self._first, self._endpoint, self._asked
        self._first, self._asked, self._asked_with = b"", True, beginning(first)
        path = self._path
        if "?" in path:
            path = path.partition("?")[0]
        try:
            form = endpoint.format
            if endpoint.has_values:
                self._path_values = endpoint.path_values(path)
            if first and self._reader is None and not (form is not None and form.request):
                said = plain_facts(first, self._headers, path, limits=self._limits)
                if said is not None:
                    self._facts = said
                    return said
            reader, self._reader = self._reader, None
            if reader is None:
                reader = self._request_reader()
                reader.feed(first or b"")
            if isinstance(reader, RequestReader):
                self._asked_side, self._asked_encoded = reader.side(), reader.is_encoded
            body = self._request_body = {} if broken else reader.body()
            allowed = None
            if self._limits is not None:
                plain = isinstance(reader, RequestReader)
                allowed = reader.limits(body) if plain else self._limits.not_read(reader.body_bytes)
            self._facts = facts(
                body, self._headers, self._query, self._path_values, path, endpoint.vendors, allowed
            )
        except Exception:
            self._facts = RequestFacts()
        return self._facts

    def request_read(self, body: bytes, said: RequestFacts) -> None:
        """Take in a whole request that has been read already: what `request_end` would return is `said`."""
        if self._endpoint.has_values:
            self._path_values = self._endpoint.path_values(self._path.partition("?")[0])
        self._asked, self._asked_with, self._facts = True, beginning(body), said

    # The response.

    def response_head(self, status: int, headers: Headers) -> None:
        """Take in status and headers (names in lower case) of the final response."""
        self._status = status
        self._response_headers = headers
        encoded = False
        for name, value in headers:
            if name == b"content-type":
                self._content_type = value
            elif name == b"content-encoding":
                encoded = True
        if encoded:
            encoding = encoding_of(headers)
            if supported(encoding):
                self._decoder = Decoder(encoding)
            elif encoding:
                self._problem = f"content_encoding:{encoding[:32]}"

    def response_body(self, data: bytes) -> None:
        """Take in a piece of the response's body as it passes, still encoded."""
        pieces = self._pieces
        if pieces is None or self._decoder is not None:
            if not self._begin_json(data):
                self._take_encoded(data)
            return
        pieces.append(data)
        self._size = size = self._size + len(data)
        if size >= self._due or len(pieces) > _PIECES_MAX:
            self._look_safely()

    def _begin_json(self, data: bytes) -> bool:
        """Begin what most bodies are, a small JSON document, without asking what else it could be."""
        form = self._endpoint.format
        if (
            data[:1] != b"{"
            or self._content_type != b"application/json"
            or self._body is not None
            or self._decoder is not None
            or self._problem is not None
            or form is None
            or self._endpoint.by_model
            or len(data) >= Json.due
        ):
            return False
        try:
            plan = plan_for(form)
            if plan.unusual:
                return False
            gathering = self._gathering = Gathering(plan)
        except Exception as error:
            self._fail(error)
            return True
        self._body = Json(gathering)
        self._pieces, self._size, self._due = [data], len(data), Json.due
        return True

    def _take_encoded(self, data: bytes) -> None:
        if self._problem is not None or not data:
            return
        try:
            decoder = self._decoder
            if decoder is None:
                self._take(data)
                return
            for piece in decoder.feed(data):
                self._take(piece)
            if decoder.overflowed:
                self._problem = _TOO_LARGE
        except DecodeError:
            self._problem = "content_encoding_broken"
        except Exception as error:
            self._fail(error)

    def _take(self, data: bytes) -> None:
        """Take in bytes of the body proper: gather them, or find out what they are."""
        pieces = self._pieces
        if pieces is not None:
            pieces.append(data)
            self._size += len(data)
            if self._size >= self._due or len(pieces) > _PIECES_MAX:
                self._look()
            return
        body = self._body
        if body is None:
            body = self._body = self._begin(data)
        self._keep(data)
        chosen = body.feed(data)
        if chosen is not None:
            self._body = body = chosen
        if type(body) is not Unknown:
            self._pieces, self._size, self._due = [], 0, body.due

    def _begin(self, data: bytes) -> Body:
        form = self._form()
        if form is None or (form.unmetered and b"event-stream" not in self._content_type.lower()):
            return Ignored()
        if form.each is not None or form.protobuf is not None:
            return self._begin_unusual(plan_for(form))
        if self._endpoint.unlisted is not None:
            self._gathering = ShapedGathering(plan_for(form), self._endpoint.unlisted)
            return Unknown(self._gathering, self._content_type)
        gathering = self._gathering = Gathering(plan_for(form))
        return Unknown(gathering, self._content_type)

    def _begin_unusual(self, plan: Plan) -> Body:
        gathering = self._gathering = gathering_for(plan, self._context(plan.format))
        if plan.format.protobuf is not None:
            return GrpcBody(gathering)
        return Unknown(gathering, self._content_type)

    def _look_safely(self) -> None:
        try:
            self._look()
        except Exception as error:
            self._fail(error)

    def _look(self) -> None:
        """Hand what has been gathered to the body."""
        pieces, body = self._pieces, self._body
        if pieces and body is not None:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            self._size = 0
            self._keep(data)
            chosen = body.feed(data)
            if chosen is not None:
                self._body = body = chosen
            self._due = body.due

    def _keep(self, data: bytes) -> None:
        """Keep the beginning of the response, for an estimate."""
        sample = self._sample
        if sample is None:
            sample = self._sample = Sample()
        sample.add(data)

    def unmeasured(
        self, extraction: Extraction, event_id: bytes, source: str, request_bytes: int
    ) -> Unmeasured:
        """Return what an estimate of a finished exchange is made of."""
        return Unmeasured(
            event_id=event_id,
            source=source,
            model=extraction.response_model or extraction.request_model,
            lacks=extraction.lacks,
            request=self._asked_side or Side(self._asked_with or b"", request_bytes),
            response=None if self._is_undecoded() else self._sample.side() if self._sample else Side(),
        )

    def _fail(self, error: Exception) -> None:
        self._pieces = None
        self._problem = f"meter_failed:{type(error).__name__}"

    def snapshot(self) -> Extraction:
        """Return what is known so far, for a PARTIAL record."""
        return self._result("snapshot")

    def said_all(self) -> bool:
        """Return whether a stream has sent its last event: only its framing can be unfinished."""
        try:
            self._look()
            body, gathering = self._body, self._gathering
            if body is None or gathering is None or not body.streamed or self._status >= 400:
                return False
            body.flush()
            if type(body) is Events:
                return body.said_all(gathering.plan)
            return type(body) is EventStreamBody and body.ended(gathering.plan)
        except Exception as error:
            self._fail(error)
            return False

    def finish(self, outcome: str) -> Extraction:
        """Return the result of the exchange; `outcome` as in `journal.records.Outcome`."""
        return self._result(outcome)

    def _form(self) -> Any:
        """Return the format for this exchange: some providers differ by model family."""
        endpoint = self._endpoint
        model = self._facts.request_model
        if endpoint.by_model and model:
            for pattern, form in endpoint.by_model:
                if pattern.match(model):
                    return form
        return endpoint.format if endpoint.unlisted is None else endpoint.unlisted.any

    def _result(self, outcome: str) -> Extraction:
        try:
            return self._conclude(outcome)
        except Exception as error:
            return self._empty(f"meter_failed:{type(error).__name__}")

    def _prices_id(self) -> str:
        prices = self._endpoint.prices_id
        return prices.format_map(self._path_values) if "{" in prices else prices

    def _conclude(self, outcome: str) -> Extraction:
        endpoint = self._endpoint
        final = outcome != "snapshot"
        body = self._body
        if body is not None:
            if final:
                self._look()
                body = self._body or body
                body.finish()
            else:
                if body.streamed:
                    self._look()
                body.flush()
        if outcome == "refused":
            return self._empty("refused", billable=False)
        if self._status >= 400:
            return self._empty("error_response", billable=False)
        if 300 <= self._status < 400:
            return self._empty("redirect", billable=False)  # the call is the one that follows it
        form = self._form()
        if endpoint.free is not None and (form is None or self._gathering is None):
            return self._empty(endpoint.free, billable=False)
        if form is None:
            return self._empty("endpoint_not_metered")
        if endpoint.unlisted is not None:
            return self._unlisted(outcome, form, body)
        measured = self._with_encodings(self._measured(outcome, form, body))
        return measured if endpoint.free is None else _free(measured, endpoint.free, form)

    def _unlisted(self, outcome: str, form: UsageFormat, body: Body | None) -> Extraction:
        """Return what a route that no list has came to, by its response.

        What a `GET` fetches has been ordered by another call, so it is charged only where it states
        usage and an id: by the id it is charged once, however often it is fetched.
        """
        gathering = self._gathering
        if type(gathering) is ShapedGathering and gathering.is_shaped:
            fetched = self._endpoint.reads and gathering.response_id is None
            measured = self._measured(outcome, gathering.plan.format, body)
            if not fetched and any(part.quantities for part in measured.parts):
                return measured
        elif not self._may_be_a_models():
            return self._empty("management", billable=False)
        return self._empty("endpoint_not_metered")

    def _may_be_a_models(self) -> bool:
        """Return whether a response without usage can be what a model made."""
        if self._body is not None and self._body.streamed:
            return True
        if self._endpoint.reads or self._status in (204, 205):
            return False
        if self._body is None and self._status == 200:
            return False  # nothing came back; with 202 a job may have begun
        return not self._content_type.lower().startswith(_PAGES)

    def _is_undecoded(self) -> bool:
        """Return whether some of the response could not be decoded: what was seen bounds nothing."""
        return self._problem is not None and self._problem.startswith(_UNDECODED)

    def _with_encodings(self, measured: Extraction) -> Extraction:
        """Flag a side that has to be estimated and whose bytes on the wire are no text."""
        if not measured.lacks:
            return measured
        flags = [f"input_{ENCODED}"] if self._asked_encoded else []
        if self._decoder is not None or self._is_undecoded():
            flags.append(f"output_{ENCODED}")
        return msgspec.structs.replace(measured, flags=(*measured.flags, *flags)) if flags else measured

    def _measured(self, outcome: str, form: UsageFormat, body: Body | None) -> Extraction:
        gathering = self._gathering
        if gathering is None:
            gathering = self._gathering = Gathering(plan_for(form))
        gathering = self._reconsidered(gathering)
        completeness, reason = self._completeness(outcome, gathering, form)
        if type(gathering) is Answers:
            streamed = body is not None and body.streamed
            return gathering.concluded(completeness, reason, streamed=streamed)
        return extraction(
            gathering,
            self._context(form),
            completeness=completeness,
            reason=reason,
            streamed=body is not None and body.streamed,
        )

    def _reconsidered(self, gathering: Gathering) -> Gathering:
        """Read the counts by the served model's family when the request named none of it."""
        endpoint = self._endpoint
        if endpoint.by_model and gathering.response_model:
            for pattern, form in endpoint.by_model:
                if pattern.match(gathering.response_model):
                    if form is not gathering.plan.format:
                        gathering.plan = plan_for(form)
                    break
        return gathering

    def _completeness(self, outcome: str, gathering: Gathering, form: Any) -> tuple[Completeness, str | None]:
        body = self._body
        seen = gathering.usage is not None
        if self._problem is not None:
            return ("partial" if seen else "none"), self._problem
        if outcome != "completed":
            reason = "in_progress" if outcome == "snapshot" else outcome
            if seen and body is not None and body.ended(gathering.plan):
                return "final", None  # everything had arrived before it broke off
            return ("partial" if seen else "none"), reason
        if form.unmetered and type(body) is not Events:
            return "final", None
        if body is None:
            return ("final", None) if form.headers else ("none", "empty_response")
        if body.problem is not None:
            return ("partial" if seen else "none"), body.problem
        if gathering.error_code is not None and not seen:
            return "none", "error_in_stream"
        if body.streamed and gathering.error_code is not None:
            return "partial", "error_in_stream"
        if body.streamed and not body.ended(gathering.plan):
            return ("partial" if seen else "none"), "stream_ended_early"
        return "final", None

    def _context(self, form: Any) -> Context:
        values = self._path_values
        return Context(
            provider=self._prices_id(),
            request_model=self._facts.request_model,
            path=values,
            headers=self._header_values(form.headers) if form.headers else {},
            request=self._request_body,
            model_prefixes=self._endpoint.model_prefixes,
            request_id=self._request_id(form),
        )

    def _header_values(self, names: Sequence[str]) -> dict[str, str]:
        wanted = {name.encode() for name in names}
        return {
            name.decode("latin-1"): value.decode("latin-1").strip()[:_HEADER_MAX]
            for name, value in self._response_headers
            if name in wanted
        }

    def _request_id(self, form: Any) -> str | None:
        """Return the id a response header gives the call, when its body gave none."""
        if self._gathering is not None and self._gathering.response_id is not None:
            return None
        values = self._header_values(form.id_headers)
        return next((values[name] for name in form.id_headers if values.get(name)), None)

    def _empty(self, reason: str, *, billable: bool = True) -> Extraction:
        """Return a result without usage; what identifies the exchange is kept."""
        gathering = self._gathering
        model = self._facts.request_model
        served = gathering.response_model if gathering is not None else None
        parts: tuple[Part, ...] = ()
        if billable and (model or served):
            parts = (Part(provider=self._endpoint.prices_id, request_model=model, response_model=served),)
        return Extraction(
            parts=parts,
            completeness="none",
            reason=reason,
            billable=billable,
            not_billable_because=None if billable else reason,
            response_id=gathering.response_id if gathering is not None else None,
            request_model=model,
            response_model=served,
            streamed=self._body is not None and self._body.streamed,
            error_code=gathering.error_code if gathering is not None else None,
        )


def _free(measured: Extraction, because: str, form: UsageFormat) -> Extraction:
    """Return what an endpoint that costs nothing told: the results of a batch are charged here."""
    if form.results and any(part.quantities for part in measured.parts):
        return measured
    reason = because if measured.completeness == "none" else measured.reason
    return msgspec.structs.replace(measured, billable=False, not_billable_because=because, reason=reason)
