"""Meter one exchange: bytes of the request and of the response in, an `Extraction` out.

Sees copies only, never raises into its caller, and holds a bounded amount whatever comes: what it
cannot read ends as `completeness: none` or `partial` with the reason, and traffic is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from farebox.catalog import Endpoint
from farebox.wire.decoding import DecodeError, Decoder, supported
from farebox.wire.extract import Context, Gathering, Plan, extraction, plan_for
from farebox.wire.facts import Completeness, Extraction, Part
from farebox.wire.framing.events import EventScanner
from farebox.wire.framing.largejson import JsonPruner, prune
from farebox.wire.reading import Document
from farebox.wire.request import RequestFacts, RequestReader, facts

SMALL_BYTES = 64 * 1024
_SNIFF_BYTES = 512
_HEADER_MAX = 256
_LINE_TYPES = (b"ndjson", b"jsonl", b"stream+json", b"json-seq", b"json-lines")
_NOT_TEXT = (b"audio/", b"image/", b"video/", b"application/octet-stream")

Headers = Sequence[tuple[bytes, bytes]]


class Meter:
    """One exchange. Call its methods in the order the bytes arrive; `finish` once, at the end."""

    def __init__(self, endpoint: Endpoint, path: str, query: str, request_headers: Headers) -> None:
        self._endpoint = endpoint
        self._path = path.partition("?")[0]
        self._query = query
        self._headers = request_headers
        form = endpoint.format
        self._request: RequestReader | None = RequestReader(request_headers, form.request if form else ())
        self._request_body: dict[str, Any] = {}
        self._path_values: dict[str, str] = {}
        self._facts = RequestFacts()
        self._status = 0
        self._response_headers: Headers = ()
        self._content_type = b""
        self._decoder: Decoder | None = None
        self._gathering: Gathering | None = None
        self._body: _Body | None = None
        self._feed: Callable[[bytes], Any] | None = None
        self._problem: str | None = None
        self._started = False

    # The request.

    def request_body(self, data: bytes) -> None:
        """Take in a piece of the request's body."""
        if self._request is not None:
            try:
                self._request.feed(data)
            except Exception:
                self._request = None

    def request_end(self) -> RequestFacts:
        """Return what the request said; call it once, when its body is complete."""
        reader, self._request = self._request, None
        try:
            self._request_body = reader.body() if reader is not None else {}
            values = self._path_values = self._endpoint.path_values(self._path)
            self._facts = facts(self._request_body, self._headers, self._query, values, self._path)
        except Exception:
            self._facts = RequestFacts()
        return self._facts

    # The response.

    def response_head(self, status: int, headers: Headers) -> None:
        """Take in status and headers (names in lower case) of the final response."""
        self._status = status
        self._response_headers = headers
        encoding = b""
        for name, value in headers:
            if name == b"content-type":
                self._content_type = value.lower()
            elif name == b"content-encoding":
                encoding = value.strip().lower()
        if encoding and encoding != b"identity":
            text = encoding.decode("latin-1")
            if supported(text):
                self._decoder = Decoder(text)
            else:
                self._problem = f"content_encoding:{text[:32]}"

    def response_body(self, data: bytes) -> None:
        """Take in a piece of the response's body as it passes, still encoded."""
        feed = self._feed
        if feed is not None:
            try:
                feed(data)
            except Exception as error:
                self._feed = None
                self._problem = f"meter_failed:{type(error).__name__}"
            return
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
                self._problem = "decoded_body_too_large"
        except DecodeError:
            self._problem = "content_encoding_broken"
        except Exception as error:
            self._problem = f"meter_failed:{type(error).__name__}"

    def snapshot(self) -> Extraction:
        """Return what is known so far, for a PARTIAL record."""
        return self._result("snapshot")

    def finish(self, outcome: str) -> Extraction:
        """Return the result of the exchange; `outcome` as in `journal.records.Outcome`."""
        return self._result(outcome)

    def _take(self, data: bytes) -> None:
        body = self._body
        if body is None:
            if not self._started:
                self._started = True
                form = self._form()
                if form is None or form.unmetered:
                    self._body = _Ignored()
                    return
                self._gathering = Gathering(plan_for(form))
            body = self._body = _Unknown(self._gathering, self._content_type)
        chosen = body.feed(data)
        if chosen is not None:
            self._body = chosen
            if self._decoder is None:
                # From here on pieces go straight to where they are gathered.
                self._feed = chosen.direct

    def _form(self) -> Any:
        """Return the format for this exchange: some providers differ by model family."""
        endpoint = self._endpoint
        model = self._facts.request_model
        if endpoint.by_model and model:
            for pattern, form in endpoint.by_model:
                if pattern.match(model):
                    return form
        return endpoint.format

    def _result(self, outcome: str) -> Extraction:
        try:
            return self._conclude(outcome)
        except Exception as error:
            return self._empty(f"meter_failed:{type(error).__name__}")

    def _conclude(self, outcome: str) -> Extraction:
        endpoint = self._endpoint
        final = outcome != "snapshot"
        body = self._body
        if body is not None:
            body.finish() if final else body.flush()
        if endpoint.free is not None:
            return self._empty(endpoint.free, billable=False)
        if outcome == "refused":
            return self._empty("refused", billable=False)
        if self._status >= 400:
            return self._empty("error_response", billable=False)
        form = self._form()
        if form is None:
            return self._empty("endpoint_not_metered")
        gathering = self._gathering
        if gathering is None:
            gathering = self._gathering = Gathering(plan_for(form))
        gathering = self._reconsidered(gathering)
        completeness, reason = self._completeness(outcome, gathering, form)
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
        if form.unmetered:
            return "final", None
        if body is None:
            return ("final", None) if form.headers else ("none", "empty_response")
        if body.problem is not None:
            return ("partial" if seen else "none"), body.problem
        if gathering.error_code is not None and not seen:
            return "none", "error_in_stream"
        if body.streamed and not body.ended(gathering.plan):
            return ("partial" if seen else "none"), "stream_ended_early"
        if body.streamed and gathering.error_code is not None:
            return "partial", "error_in_stream"
        return "final", None

    def _context(self, form: Any) -> Context:
        values = self._path_values
        prices = self._endpoint.prices_id
        if "{" in prices:
            prices = prices.format_map(values)
        return Context(
            provider=prices,
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


class _Body:
    """One way of reading a body. `feed` returns the body to go on with when that changes."""

    streamed = False
    problem: str | None = None

    @property
    def direct(self) -> Callable[[bytes], Any] | None:
        """What takes in the pieces from now on, if this way of reading is settled."""
        return None

    def feed(self, data: bytes) -> _Body | None:
        raise NotImplementedError

    def flush(self) -> None:
        """Look at what has arrived, there may be more."""

    def finish(self) -> None:
        """Look at what has arrived, there is no more."""

    def ended(self, plan: Plan) -> bool:
        """Return whether the answer said itself that it is complete."""
        return False


class _Ignored(_Body):
    """Nothing in it is of interest: audio, an endpoint without a format."""

    def feed(self, data: bytes) -> _Body | None:
        return None

    def ended(self, plan: Plan) -> bool:
        return True


class _Unknown(_Body):
    """The first bytes, until they tell what the body is."""

    def __init__(self, gathering: Gathering | None, content_type: bytes) -> None:
        self._gathering = gathering
        self._content_type = content_type
        self._start = b""

    def feed(self, data: bytes) -> _Body | None:
        gathering = self._gathering
        if gathering is None:
            return _Ignored()
        start = self._start + data
        text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
        if not text[:8].strip() or (len(text) < 6 and text[:1] not in (b"{", b"[")):
            if len(start) > _SNIFF_BYTES:
                return _Ignored()
            self._start = start
            return None
        body = self._choose(gathering, text)
        return body.feed(start) or body

    def _choose(self, gathering: Gathering, text: bytes) -> _Body:
        kind = self._content_type
        if text[:1] in (b"{", b"["):
            if any(name in kind for name in _LINE_TYPES):
                return _Events(gathering, b"\n")
            return _Json(gathering)
        if b"event-stream" in kind or text.startswith((b"data:", b"event:", b":", b"id:", b"retry:")):
            return _Events(gathering, b"\n\n")
        return _Ignored()

    def finish(self) -> None:
        if self._start.strip():
            self.problem = "body_not_json"


class _Json(_Body):
    """A JSON document: kept whole while small, cut down while it passes when large."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._pieces: list[bytes] = []
        self._size = 0
        self._pruner: JsonPruner | None = None
        self._done = False

    def feed(self, data: bytes) -> _Body | None:
        pruner = self._pruner
        if pruner is not None:
            pruner.feed(data)
            return None
        self._pieces.append(data)
        self._size += len(data)
        if self._size <= SMALL_BYTES:
            return None
        text = b"".join(self._pieces)
        self._pieces.clear()
        if self._is_lines(text):
            lines = _Events(self._gathering, b"\n")
            lines.feed(text)
            return lines
        self._pruner = JsonPruner(frozenset(self._gathering.plan.reader.keys))
        self._pruner.feed(text)
        return None

    def _is_lines(self, text: bytes) -> bool:
        """Return whether this is one document a line, though the content type does not say so."""
        first, ended, more = text.partition(b"\n")
        if not ended or not more.strip():
            return False
        try:
            self._gathering.plan.reader.read(first)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return False
        return True

    def finish(self) -> None:
        if self._done:
            return
        self._done = True
        pruner = self._pruner
        if pruner is not None:
            self.problem = pruner.problem
            text = pruner.result()
            if pruner.problem is None and not pruner.closed:
                self.problem = "body_incomplete"
        else:
            text = b"".join(self._pieces)
            self._pieces.clear()
        if self.problem is None or (text.startswith(b"[") and self.problem == "body_incomplete"):
            self._read(text)

    def _read(self, text: bytes) -> None:
        reader = self._gathering.plan.reader
        try:
            if text.lstrip()[:1] == b"[":
                self.streamed = True
                for body in reader.decode_list(_closed_list(text)):
                    self._gathering.add(reader.document(body))
            else:
                self._gathering.add(reader.read(text))
        except RecursionError:
            self.problem = "nested_too_deep"
        except (msgspec.MsgspecError, ValueError):
            self._read_lines(text)

    def _read_lines(self, text: bytes) -> None:
        """Read one document a line, for line streams whose content type does not say so."""
        reader = self._gathering.plan.reader
        documents: list[Document] = []
        try:
            documents += [reader.read(line) for line in text.strip().split(b"\n") if line.strip()]
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self.problem = "body_not_json"
        if len(documents) > 1:
            self.streamed = True
            for document in documents:
                self._gathering.add(document)

    def ended(self, plan: Plan) -> bool:
        return self._done and self.problem is None


def _closed_list(text: bytes) -> bytes:
    """Return a JSON list that broke off with its complete entries only."""
    stripped = text.rstrip()
    if stripped.endswith(b"]"):
        return text
    cut = max(stripped.rfind(b"}\n,"), stripped.rfind(b"},"), stripped.rfind(b"}\r\n,"))
    return stripped[: cut + 1] + b"]" if cut > 0 else text


class _Events(_Body):
    """A stream of events: server-sent, or one JSON document a line."""

    streamed = True

    def __init__(self, gathering: Gathering, separator: bytes) -> None:
        self._gathering = gathering
        plan = gathering.plan
        self._terminal = False
        self._scanner = EventScanner(
            separator=separator,
            watch=plan.watch,
            watch_values=plan.watch_values,
            decode=self._decode,
            identified=lambda: gathering.identified,
        )

    @property
    def direct(self) -> Callable[[bytes], Any] | None:
        return self._scanner.feed

    def feed(self, data: bytes) -> _Body | None:
        self._scanner.feed(data)
        return None

    def flush(self) -> None:
        self._scanner.flush()

    def finish(self) -> None:
        scanner = self._scanner
        scanner.finish()
        if self._gathering.error_code is None:
            scanner.errors()
        self.problem = scanner.too_large

    def _decode(self, payload: bytes) -> None:
        reader = self._gathering.plan.reader
        if len(payload) > SMALL_BYTES:
            payload = prune(payload, frozenset(reader.keys))
        try:
            self._gathering.add(reader.read(payload))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return  # an event that is not JSON tells nothing; the terminal check still counts
        terminal = self._gathering.plan.terminal
        if terminal is not None and not self._terminal and terminal.search(payload):
            self._terminal = True

    def ended(self, plan: Plan) -> bool:
        terminal = plan.terminal
        return terminal is None or self._terminal or terminal.search(self._scanner.tail) is not None
