"""Read the request side: which model, streamed or not, usage asked for, who is asking.

Small JSON bodies are decoded once, for the keys of interest; large ones pass through the pruner;
multipart forms are searched for their few text fields; compressed ones are decoded on the way. Never
holds more than a bounded piece.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs

import msgspec

from farebox.catalog.shape import Vendor
from farebox.wire.attribution import Found, names_of
from farebox.wire.framing.largejson import KEPT_STRING_MAX, JsonPruner, prune, repaired, wanted
from farebox.wire.http.decoding import DecodeError, Decoder, encoding_of, supported
from farebox.wire.request_keys import BASE_KEYS, LENGTHS, BaseBody
from farebox.wire.usage.estimate_sample import Sample, Side

if TYPE_CHECKING:  # only where budgets exist
    from farebox.wire.request_limits import LimitKeys, RequestLimits

SMALL_BYTES = 64 * 1024
_FIELD_MAX = 256
_TOKENS_MAX = 2**63 - 1
_COUNTED_STRING_MAX = 512 * 1024
"""Of a request whose text is charged by the character, strings are kept up to here."""
_FORM_CARRY = 4096
_FORM_FIELDS = rb"model|stream|user|response_format|language|n|size|quality|duration|seconds"
Headers = Sequence[tuple[bytes, bytes]]


class RequestFacts(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """What the request said, for routing the answer, attribution and injection."""

    request_model: str | None = None
    stream: bool = False
    wants_usage: bool = False
    """The client itself asked for `stream_options.include_usage`."""
    max_tokens: int | None = None
    """How many output tokens the response may have."""
    attribution: dict[str, str] = {}
    attribution_from: dict[str, str] = {}
    """For each attribution key, what said so: `header:x-farebox-user`, `body:user`."""
    limits: RequestLimits | None = None
    """What it allows its call to use; only where somebody asked for that."""


class RequestReader:
    """Feed it the body in any pieces; ask for `body` at the end."""

    __slots__ = (
        "_decoder",
        "_form",
        "_ignored",
        "_is_read",
        "_limits",
        "_marks",
        "_pieces",
        "_pruner",
        "_sample",
        "_size",
        "_wanted",
    )

    def __init__(self, headers: Headers, keys: tuple[str, ...] = (), limits: LimitKeys | None = None) -> None:
        """`keys`: of the body, beside those that are always of interest; `limits`: what a call can cost is
        asked for, too."""
        self._wanted = _wanted(keys, limits)
        self._limits = limits
        self._marks = None if limits is None else limits.marks(headers)
        self._pieces: list[bytes] = []
        self._size = 0
        self._pruner: JsonPruner | None = None
        self._form: _FormReader | None = None
        self._ignored = False
        self._decoder: Decoder | None = None
        self._sample = Sample()
        self._is_read = False
        encoded = False
        for name, value in headers:
            if name == b"content-type":
                if value[:1] in b"mM":
                    self._form = _form_reader(value)
            elif name == b"content-encoding":
                encoded = True
        encoding = encoding_of(headers) if encoded else ""
        if supported(encoding):
            self._decoder = Decoder(encoding)
        elif encoding:
            self._ignored = True

    def feed(self, data: bytes) -> None:
        decoder = self._decoder
        if decoder is None:
            self._take(data)
            return
        try:
            for piece in decoder.feed(data):
                self._take(piece)
        except DecodeError:
            self._ignored = True

    @property
    def is_encoded(self) -> bool:
        """Whether its bytes on the wire are not those of its text."""
        return self._ignored or self._decoder is not None

    def side(self) -> Side:
        """Return how its text begins and how long it was; nothing of one that cannot be decoded."""
        return Side() if self._ignored else self._sample.side()

    def _take(self, data: bytes) -> None:
        if self._ignored:
            return
        self._sample.add(data)
        if self._marks is not None:
            self._marks.feed(data)
        if self._form is not None:
            self._form.feed(data)
            return
        if self._pruner is not None:
            self._pruner.feed(data)
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > SMALL_BYTES:
            self._pruner = JsonPruner(self._wanted.keep, self._wanted.string_max)
            for piece in self._pieces:
                self._pruner.feed(piece)
            self._pieces.clear()

    def body(self) -> dict[str, Any]:
        """Return the fields of interest, nothing for a body that is not understood."""
        if self._ignored:
            return {}
        if self._form is not None:
            self._is_read = True
            return dict(self._form.fields)
        if self._pruner is not None:
            text = self._pruner.so_far() if self._pruner.problem is None else b""
        else:
            text = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
        if not text:
            return {}
        try:
            found = self._wanted.read(text)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return {}
        self._is_read = self._pruner is None or (self._pruner.closed and not self._pruner.left_out)
        return found

    def limits(self, body: Mapping[str, Any]) -> RequestLimits | None:
        """Return what the request allows its call to use, by its `body`; None where nobody asked."""
        if self._limits is None or self._marks is None:
            return None
        if self._is_read:
            if self._form is not None:
                self._marks.media = True  # files: pictures and sound
            said = BaseBody(**{key: body[key] for key in LENGTHS if key in body})
            return self._limits.limits(body, self._marks, _lengths(said))
        return self._limits.not_read(self._marks.body_bytes)


class Wanted:
    """The keys of a request body that matter, compiled."""

    __slots__ = ("_names", "decode", "keep", "string_max")

    def __init__(self, extra: tuple[str, ...], limits: LimitKeys | None = None) -> None:
        more = frozenset(extra) if limits is None else frozenset((*extra, *limits.keys))
        self._names = (*BASE_KEYS, *sorted(more.difference(BASE_KEYS)))
        self.keep = wanted(self._names)
        self.string_max = _COUNTED_STRING_MAX if extra else KEPT_STRING_MAX
        spelled = {f"f{index}": key for index, key in enumerate(self._names[len(BASE_KEYS) :])}
        struct = msgspec.defstruct(
            "Request", [(name, Any, None) for name in spelled], bases=(BaseBody,), rename=spelled
        )
        self.decode = msgspec.json.Decoder(struct).decode

    def read(self, text: bytes) -> dict[str, Any]:
        """Return the keys that are there; raise as `msgspec` does on bad JSON."""
        try:
            found = self.decode(text)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            found = self.decode(repaired(prune(text, self.keep)))
        values = msgspec.structs.astuple(found)
        return {key: value for key, value in zip(self._names, values, strict=True) if value is not None}


_decode_base = msgspec.json.Decoder(BaseBody).decode
_all_wanted: dict[tuple[tuple[str, ...], LimitKeys | None], Wanted] = {}


def _wanted(keys: tuple[str, ...], limits: LimitKeys | None = None) -> Wanted:
    wanted = _all_wanted.get((keys, limits))
    if wanted is None:
        wanted = _all_wanted[keys, limits] = Wanted(keys, limits)
    return wanted


_PLAIN_MAX = 256
_plain: dict[str, RequestFacts] = {}
"""What requests say that name a model and nothing else, by that model."""


def plain_facts(
    text: bytes,
    headers: Headers,
    path: str,
    path_model: str | None = None,
    limits: LimitKeys | None = None,
) -> RequestFacts | None:
    """Return what an ordinary small JSON request says, None for one that needs a closer look.

    Most requests name a model and nobody who is asking: for them nothing else has to be built. `limits`:
    what the call can cost is asked for, too.
    """
    if text[:1] != b"{" or len(text) > SMALL_BYTES:
        return None
    for name, _ in headers:
        if name != b"content-type" and (name[:10] == b"x-farebox-" or name == b"content-encoding"):
            return None
    limited = None if limits is None or limits.plain(text, headers) else limits.body
    try:
        body = _decode_base(text) if limited is None else limited.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    model = path_model if path_model and _verb_of_google(path) else body.model
    if type(model) is not str or not model:
        model = path_model
        if not model:
            return None
    if body.user is not None or body.metadata is not None or body.safety_identifier is not None:
        return None
    if body.litellm_metadata is not None or body.litellm_session_id is not None:
        return None
    if body.requestMetadata is not None:
        return None
    stream, options = body.stream, body.stream_options
    most = _max_tokens(
        body.max_tokens,
        body.max_completion_tokens,
        body.max_output_tokens,
        body.generationConfig,
        body.inferenceConfig,
    )
    allowed: RequestLimits | None = None
    if limits is not None:
        lengths = "" if most is None else _lengths(body)
        if limited is None:
            allowed = limits.of_plain(len(text), lengths)
        else:
            allowed = limits.limits(limited.found(body), limits.marks(headers, text), lengths)
    ordinary = most is None and stream is not True and options is None and stream != "true"
    if ordinary and ":stream" not in path and allowed is None:
        plain = _plain.get(model)
        if plain is None:
            plain = RequestFacts(request_model=model[:_FIELD_MAX])
            if len(_plain) < _PLAIN_MAX and len(model) <= _FIELD_MAX:
                _plain[model] = plain
        return plain
    return RequestFacts(
        request_model=model[:_FIELD_MAX],
        stream=stream is True or stream == "true" or ":stream" in path,
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,  # pyright: ignore[reportUnknownMemberType]
        max_tokens=most,
        limits=allowed,
    )


def _max_tokens(tokens: Any, completion: Any, output: Any, generation: Any, inference: Any) -> int | None:
    """Return how many output tokens a request allows: the largest of what it says under any of its names.

    OpenAI says `max_completion_tokens`, before it `max_tokens`, in Responses `max_output_tokens`; Anthropic
    and most others `max_tokens`, Gemini `generationConfig.maxOutputTokens`, Bedrock
    `inferenceConfig.maxTokens`.
    """
    if tokens is completion is output is generation is inference is None:
        return None
    if isinstance(generation, dict):
        generation = cast("dict[str, Any]", generation).get("maxOutputTokens")
    if isinstance(inference, dict):
        inference = cast("dict[str, Any]", inference).get("maxTokens")
    said = (tokens, completion, output, generation, inference)
    return max((each for each in said if type(each) is int and 0 <= each <= _TOKENS_MAX), default=None)


def _lengths(body: BaseBody) -> str:
    """Return by which names a request says how many output tokens it allows."""
    said = ""
    if type(body.max_tokens) is int and body.max_tokens >= 0:
        said = "max_tokens"
    if type(body.max_completion_tokens) is int and body.max_completion_tokens >= 0:
        said += " max_completion_tokens"
    if type(body.max_output_tokens) is int and body.max_output_tokens >= 0:
        said += " max_output_tokens"
    if body.generationConfig is not None and _max_tokens(None, None, None, body.generationConfig, None):
        said += " generationConfig"
    if body.inferenceConfig is not None and _max_tokens(None, None, None, None, body.inferenceConfig):
        said += " inferenceConfig"
    return said


def _verb_of_google(path: str) -> bool:
    """Return whether a path says by itself which model is asked for: Google takes no heed of the body's
    (https://google.aip.dev/127: a field bound by the path is not read from the body)."""
    return path.rfind(":") > path.rfind("/")


def facts(
    body: Mapping[str, Any],
    headers: Headers,
    query: str,
    path_values: Mapping[str, str],
    path: str,
    vendors: Sequence[Vendor] = (),
    limits: RequestLimits | None = None,
) -> RequestFacts:
    """Return what the request said. The body's model wins over the path's and the query's, but not over that
    of a path with a verb.

    `vendors` are those whose names for customer, user, session … are understood; `limits` are what the
    reader of the body found.
    """
    model = body.get("model") if not _verb_of_google(path) else None
    if not isinstance(model, str) or not model:
        model = path_values.get("model") or body.get("model")
    if not isinstance(model, str):
        model = None
    if not model and "model=" in query:
        model = parse_qs(query).get("model", [""])[0]
    stream = body.get("stream")
    options = body.get("stream_options")
    names, found = names_of(vendors), Found()
    names.of_headers(headers, found, _unhashed)
    names.of_body(body, found)
    return RequestFacts(
        request_model=model[:_FIELD_MAX] if model else None,
        stream=stream is True or stream == "true" or ":stream" in path,
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,  # pyright: ignore[reportUnknownMemberType]
        max_tokens=_max_tokens(
            body.get("max_tokens"),
            body.get("max_completion_tokens"),
            body.get("max_output_tokens"),
            body.get("generationConfig"),
            body.get("inferenceConfig"),
        ),
        attribution=found.attribution,
        attribution_from=found.sources,
        limits=limits,
    )


def _unhashed(_name: str, _secret: bytes) -> str:
    return ""  # without a key to hash it with, a secret says nothing


def _form_reader(content_type: bytes) -> _FormReader | None:
    lowered = content_type.lower()
    if not lowered.startswith(b"multipart/form-data"):
        return None
    match = re.search(rb'boundary=(?:"([^"]{1,200})"|([^;\s]{1,200}))', content_type, re.IGNORECASE)
    if match is None:
        return None
    return _FormReader(match.group(1) or match.group(2))


class _FormReader:
    """Find the short text fields of a multipart form, wherever large files stand between them."""

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, Any] = {}
        self._carry = b""
        self._pattern = re.compile(
            rb"--"
            + re.escape(boundary)
            + rb"\r\n(?:[^\r\n]{0,512}\r\n){0,4}?content-disposition:[^\r\n]{0,256}?;\s*name=\"?("
            + _FORM_FIELDS
            + rb")\"?[^\r\n]{0,256}\r\n(?:[^\r\n]{1,512}\r\n){0,4}?\r\n([^\r\n]{0,256})(?=\r\n--)",
            re.IGNORECASE,
        )

    def feed(self, data: bytes) -> None:
        text = self._carry + data if self._carry else data
        for match in self._pattern.finditer(text):
            name = match.group(1).decode("ascii").lower()
            self.fields.setdefault(name, match.group(2).decode("utf-8", "replace"))
        self._carry = text[-_FORM_CARRY:]
