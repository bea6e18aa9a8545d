"""The words a `provider.yaml` is written in.

Everything a provider does differently is a value here, never a branch on its name. Paths into
JSON are text (`usage.prompt_tokens`, `output[type=web_search_call]`, `a + b`); `farebox.wire`
compiles them on first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec


class Take(msgspec.Struct, frozen=True, omit_defaults=True):
    """One count: the first path of `at` that is there, minus what `less` says overlaps it."""

    at: tuple[str, ...]
    less: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True, omit_defaults=True):
    """A total the provider states and the leaves that lie *inside* it.

    What no inside leaf claims is `rest`. A count *beside* a total is a group of its own: that is
    how overlap is written down, per provider and format, because the JSON cannot tell.
    """

    total: tuple[str, ...]
    rest: str
    inside: dict[str, Take] = {}


class Count(msgspec.Struct, frozen=True, omit_defaults=True):
    """A leaf that is counted from items of the response, or read beside the token totals."""

    leaf: str
    at: tuple[str, ...] = ()
    items: bool = False
    """Count what `at` selects instead of reading the number there."""
    unique: bool = False
    """Count different, non-empty values, over the whole stream."""
    once: bool = False
    """However many there are, it is one (a fee per grounded prompt)."""
    models: tuple[str, ...] = ()
    """Only for served models that match one of these globs."""
    unless: tuple[str, ...] = ()
    """Not for served models that match one of these globs."""
    fixed: int | None = None
    """This many for every response that carries usage (a fee per request)."""
    length: bool = False
    """Count the characters of the text at `at` (a speech request's input)."""
    also: tuple[str, ...] = ()
    """Where a stream shows the items of `at` one by one, or says by a number that there was one: the
    larger count is right."""
    without_usage: bool = False
    """Only for responses without a usage object: where there is one, that is what is charged."""


class CostAddition(msgspec.Struct, frozen=True):
    """Money to add to a stated cost when the flag at `when` is true."""

    at: str
    when: str


class StatedCost(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the provider states the money itself, and in which unit."""

    at: tuple[str, ...]
    exponent: int = 0
    """The figure times 10^exponent is US dollars: -10 for xAI's ticks."""
    add: tuple[CostAddition, ...] = ()


class Split(msgspec.Struct, frozen=True, omit_defaults=True):
    """A list inside the response whose entries are priced one by one, each with its own model."""

    at: str
    """Path to the list, from the body's root (`usage.iterations`)."""
    kind: str | None = None
    model: str | None = None
    usage: str | None = None
    """Path to an entry's usage object; the entry itself when absent."""
    when_kinds: tuple[str, ...] = ()
    """Split only if an entry of one of these kinds is there; any entry when empty."""
    drop: dict[str, str] = {}
    """Kind of entry to leave out, when an entry of the other kind is there as well."""


class NotBillable(msgspec.Struct, frozen=True, omit_defaults=True):
    """A state of the response that costs nothing here: `status` in `values`."""

    at: str
    values: tuple[str, ...]
    """Texts; `*` for anything but null, `null` for nothing."""
    because: str
    without_usage: bool = False
    """Only where the response states no usage."""


class ProtoField(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of a protobuf message, under the name that paths use."""

    name: str
    kind: Literal["number", "text", "texts", "enum", "enums", "message", "messages"] = "number"
    """`enums` is a repeated enumeration: a list of `{value: name}`, unknown numbers as `other`.
    `texts` and `messages` are lists, too."""
    fields: dict[int, ProtoField] = {}
    values: dict[int, str] = {}


class Protobuf(msgspec.Struct, frozen=True, omit_defaults=True):
    """The few fields of a gRPC call's messages that matter, by number."""

    request: dict[int, ProtoField] = {}
    response: dict[int, ProtoField] = {}


class UsageFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one surface's responses are read: where usage, model, id, money and items are."""

    unwrap: tuple[str, ...] = ()
    """Keys of a stream event that hold the body proper (`message`, `response`)."""
    usage: tuple[str, ...] = ("usage",)
    """Paths to the usage object, best first; `.` when its fields lie in the body itself."""
    watch: tuple[str, ...] = ()
    """Keys whose objects make a stream event worth decoding; the usage keys when empty."""
    watch_values: tuple[str, ...] = ()
    """`key=value` texts that make a stream event worth decoding."""
    mixed: bool = False
    """The usage place holds content, too: only its numbers are kept as raw usage."""
    id: tuple[str, ...] = ("id",)
    id_headers: tuple[str, ...] = (
        "x-request-id",
        "request-id",
        "x-amzn-requestid",
        "apim-request-id",
        "x-generation-id",
        "mistral-correlation-id",
        "x-ds-trace-id",
    )
    """Where the call's id stands when the body has none."""
    model: tuple[str, ...] = ("model",)
    error_code: tuple[str, ...] = ("error.code", "error.type")
    terminal: tuple[str, ...] = ()
    """What a complete stream ends with, any of: `[DONE]`, `key=value`, `key=*` (not null).
    Empty: having seen usage is enough."""
    tokens: tuple[Group, ...] = ()
    remainder: str | None = None
    """Leaf for tokens that only `sum` contains (hidden thinking)."""
    sum: tuple[str, ...] = ()
    """The provider's own grand total: used to raise an alarm, never to choose a meaning."""
    counts: tuple[Count, ...] = ()
    facts: dict[str, tuple[str, ...]] = {}
    """Fact name to paths from the body's root, `@path.<name>` or `@header.<name>`."""
    constants: dict[str, str] = {}
    cost: StatedCost | None = None
    split: Split | None = None
    not_billable: tuple[NotBillable, ...] = ()
    need: tuple[str, ...] = ()
    """Usage fields whose absence means unknown, not zero (Ollama's warm prompt)."""
    estimates: tuple[Literal["input", "output", "nothing"], ...] = ()
    """Sides worth an estimate where nothing states them; those of `tokens` when empty. `nothing` for
    pictures and sound: their bytes say nothing about tokens."""
    output_optional: bool = False
    """Usage without an output count is whole: there is none (embeddings), or zeros are left out.
    Otherwise it is partial, unless the provider's total says that nothing is missing."""
    ignore: tuple[str, ...] = ()
    """Usage fields known to carry no money; others that are numbers are flagged."""
    headers: tuple[str, ...] = ()
    """Response headers readable as `@header.<name>`."""
    request: tuple[str, ...] = ()
    """Request body keys readable as `@request.<name>`."""
    unmetered: bool = False
    """The response never carries usage (audio bytes, AI Studio embeddings)."""
    each: str | None = None
    """Every document with usage is a response charged by itself (a line of a batch's results, one
    model invocation of an agent): this is the kind of its part."""
    results: bool = False
    """What is found here is charged although the endpoint is otherwise free: a batch's results."""
    turns: tuple[Turn, ...] = ()
    """The messages of a socket that are charged, the first that matches."""
    quiet: tuple[str, ...] = ()
    """What a client sends on a socket that begins nothing charged: `type=session.update`."""
    begins: tuple[str, ...] = ()
    """What a provider sends on a socket once it makes a response; anything it sends when empty."""
    empty: str | None = None
    """What it means when usage is there and empty (`session_seconds_unknown`)."""
    protobuf: Protobuf | None = None
    """The messages of a gRPC call, where they are not JSON."""
    cumulative: bool = False
    """Every event repeats running usage, so an early end leaves a lower bound."""


class Turn(msgspec.Struct, frozen=True, omit_defaults=True):
    """One kind of message that is charged, and how it is read."""

    when: str
    """`key=value`, as in `watch_values`."""
    format: UsageFormat
    kind: str = "turn"
    model: tuple[str, ...] = ()
    """Paths into the session's settings to the model that is charged; the session's own when empty."""
    expects_usage: bool = True
    """Whether such a message without usage means that something is charged and not known."""
    ends: bool = True
    """Whether the turn is over with it; what a transcription used belongs to the turn under way."""


class EndpointData(msgspec.Struct, frozen=True, omit_defaults=True):
    """One route of a provider."""

    path: str
    """`/v1/models/{model}:generateContent`; `/**` matches any number of segments."""
    surface: str
    method: str = "POST"
    """One method, or `*` for all. A route that is only `free` is so for all, unless it says one."""
    format: str | None = None
    by_model: dict[str, str] = {}
    """Model glob to another format, where the overlap depends on the model family."""
    free: str | None = None
    """Why calls here cost nothing: `token_count`, `poll`, `batch_status`, `management` …"""
    shared: bool = False
    """Whether a free route is free at every provider that `speaks` this one's format. Without this a
    free route is this provider's own: elsewhere the same path may be charged."""
    prices: str = ""
    """Whose price rows apply, with `{name}`s of the path; the provider's when empty."""
    include_usage: bool = False
    """Streams carry usage only on `stream_options.include_usage`."""


class Login(msgspec.Struct, frozen=True, omit_defaults=True):
    """How calls look that are made with a login instead of an API key: a subscription pays for them."""

    keys: tuple[str, ...]
    """What such a token begins with."""
    constants: dict[str, str] = {}
    headers: tuple[str, ...] = ()
    facts: dict[str, tuple[str, ...]] = {}
    """All three as in a `UsageFormat`, added to it for such calls."""


class ProviderData(msgspec.Struct, frozen=True, omit_defaults=True):
    """One folder of the catalog, with `speaks` and `extends` already resolved."""

    id: str
    name: str
    upstream: str = ""
    hosts: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    """Templates of hosts that say where a call is served: `{region}-aiplatform.googleapis.com`. Their
    values are those of a path: `@path.region`."""
    regions: tuple[str, ...] = ()
    """What a `*` inside a host can be: a certificate is constrained to names, not to patterns."""
    keeps_host: bool = False
    """Its calls only work under the host they are made for, because they are signed for it or it
    says the region: `farebox run` leaves its base URL alone and intercepts."""
    key_headers: tuple[str, ...] = ("authorization",)
    key_query: tuple[str, ...] = ()
    login: Login | None = None
    error_shape: str = "openai"
    grpc_packages: tuple[str, ...] = ()
    """Packages of the gRPC services that only this provider has: their clients cannot name a route."""
    base_url_env: dict[str, str] = {}
    path_aliases: dict[str, str] = {}
    """Paths of libraries that expect more in a base-URL variable than others do (`/v1`), and the
    provider's own for them. Only behind a route of ours: a provider's own name is left alone."""
    headers_env: tuple[str, ...] = ()
    prices: str = ""
    """Whose price rows apply; the provider's own id when empty."""
    unpriced_because: str = ""
    """Why no list has a price for this provider's calls; only where that is so."""
    model_prefixes: tuple[str, ...] = ()
    """Prefixes that a model id carries on the wire only (`models/`)."""
    accepts_include_usage: bool = True


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one header or field of another product says."""

    attribution: str = ""
    """`user`, `tag.*` …; nothing for the kinds that carry their own names."""
    kind: Literal["text", "tags", "json", "traceparent", "baggage", "hashed"] = "text"
    fields: dict[str, str] = {}
    """For `json`: key to attribution."""


class Vendor(msgspec.Struct, frozen=True, omit_defaults=True):
    """The names one product uses, and which of its headers go no further."""

    vendor: str
    headers: dict[str, Said] = {}
    body: dict[str, Said] = {}
    baggage: dict[str, str] = {}
    remove: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


class UsageShape(msgspec.Struct, frozen=True):
    """A usage object told by its fields: with one of `fields` in it, it is read as `format` says."""

    fields: tuple[str, ...]
    format: str


class Unlisted(msgspec.Struct, frozen=True):
    """How responses of routes are read that no provider's list has: by the shape of their usage."""

    format: str
    """What is looked at until a usage object tells its shape."""
    shapes: tuple[UsageShape, ...]
    """In the order in which they are tried."""


class AskedFact(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a request says a fact that moves the price."""

    asked: tuple[str, ...] = ()
    """Paths in the body, the first that is there."""
    open: tuple[str, ...] = ()
    """Values that leave it to the provider."""
    unless_asked: Literal["none", "any"] = "none"
    """Which rates can apply where it is not said: none of those it selects, or any."""
    providers: tuple[str, ...] = ()
    """Where `unless_asked` holds; everywhere when empty."""


class WideWindow(msgspec.Struct, frozen=True):
    """What widens the context window of models that have a smaller one otherwise."""

    header: str
    body: str
    """A key of the body that says the same."""
    mark: str
    tokens: int


class LengthNames(msgspec.Struct, frozen=True):
    """By which names a route understands how long a response may be."""

    surfaces: tuple[str, ...]
    names: tuple[str, ...]


class RequestLimitsData(msgspec.Struct, frozen=True):
    """`request_limits.yaml`, as it is written: what in a request decides how much it can cost."""

    input_elsewhere: tuple[str, ...]
    other_work: tuple[str, ...]
    media_types: tuple[str, ...]
    media_keys: tuple[str, ...]
    media_objects: tuple[str, ...]
    client_tools: tuple[str, ...]
    client_tool_keys: tuple[str, ...]
    server_tool_keys: tuple[str, ...]
    lengths: tuple[LengthNames, ...]
    choices: tuple[str, ...]
    cache_marks: tuple[str, ...]
    cache_hour: str
    writes_when_asked: tuple[str, ...]
    facts: dict[str, AskedFact]
    searching_models: tuple[str, ...]
    text_added: int
    text_added_with_tools: int
    thinks_beside: tuple[str, ...]
    wide_window: WideWindow
    many_inputs: tuple[str, ...]
    reading_models: tuple[str, ...]
    works_later: tuple[str, ...]
    begins_nothing: tuple[str, ...]
    grants: tuple[str, ...]
    changing_methods: tuple[str, ...]
    sockets: tuple[str, ...]
    calls: dict[str, tuple[str, ...]]
    most: dict[str, int]


class CatalogData(msgspec.Struct, frozen=True):
    """The whole compiled catalog. Loaded, it decodes endpoints and formats when they are first asked for: a
    program talks to one provider or two."""

    providers: dict[str, ProviderData]
    endpoints: Mapping[str, tuple[EndpointData, ...]]
    """By provider."""
    formats: Mapping[str, UsageFormat]
    """By absolute name (`openai/chat`): providers share them."""
    vendors: tuple[Vendor, ...] = ()
    """Whose names for attribution are understood."""
    unlisted: Unlisted | None = None
    request_limits: RequestLimitsData | None = None
