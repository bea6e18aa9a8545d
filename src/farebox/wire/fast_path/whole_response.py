"""Read a whole response in one step: one small JSON document with usage of a known outline.

Whatever is out of the ordinary (an error, a tool that is charged, a usage object of another shape) is left
to `farebox.wire.meter`, which comes to the same result. Without this, an exchange takes 1.6 times the
processor time (docs/decisions/fast-path.md).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from farebox.catalog import Endpoint
from farebox.wire.facts import Extraction, Part, Quantity
from farebox.wire.fast_path.usage_template import DIGITS, Recipe
from farebox.wire.http.paths import Getter, first_key, getter
from farebox.wire.request import Headers, RequestFacts, plain_facts
from farebox.wire.usage.compiled_format import Counting, Plan, plan_for
from farebox.wire.usage.extract import without_prefix
from farebox.wire.usage.json_reader import SMALL_BYTES, decode_any
from farebox.wire.usage.quantities import INT64_MAX, Oddities

if TYPE_CHECKING:  # only where budgets exist
    from farebox.wire.request_limits import LimitKeys

_TEXT_MAX = 256
_KNOWN_MAX = 64
_ITEM_END = "_call"
_BY_TYPE = re.compile(r"\[type=([^,\]]+)")

_Option = tuple[int | None, Getter | None]
"""Where a fact may stand: in which decoded value (None: usage, -1: the path's values), and where in it."""


class _Unfit(Exception):
    """The format says things that only the general reading knows how to read."""


class _Outline:
    """What usage objects of one outline hold."""

    __slots__ = ("costs", "counts", "facts", "recipe")

    def __init__(
        self, recipe: Recipe, counts: tuple[tuple[str, Getter], ...], *, costs: bool, facts: bool
    ) -> None:
        self.facts = facts
        self.recipe = recipe
        self.counts = counts
        self.costs = costs


class ResponseReader:
    """One format's everyday responses."""

    def __init__(self, plan: Plan) -> None:
        form = plan.format
        place = form.usage[0] if form.usage else "."
        if form.each or form.protobuf or form.unmetered or form.headers:
            raise _Unfit
        if plan.usage_with_content or "." in place:
            raise _Unfit
        self._split = getter(form.split.at) if form.split is not None else None
        if form.split is not None and not _in_usage(form.split.at):
            raise _Unfit
        self._plan = plan
        self._keys: list[str] = [place, "error"]
        self._ids = tuple(self._top(path) for path in form.id)
        self._models = tuple(self._top(path) for path in form.model)
        idle = [rule for rule in form.not_billable if not rule.without_usage]  # there is usage here
        if any(not {"*", "null"}.isdisjoint(rule.values) for rule in idle):
            raise _Unfit
        self._idle = tuple((self._top(rule.at), frozenset(rule.values)) for rule in idle)
        self._facts = tuple(
            (name, tuple(option for option in map(self._option, paths) if option is not None))
            for name, paths in form.facts.items()
        )
        self._facts = tuple((name, options) for name, options in self._facts if options)
        self._by_path = any(index == -1 for _, options in self._facts for index, _ in options)
        self._constants = form.constants
        self._counts: list[tuple[str, Getter]] = []
        self._charged: list[tuple[int, Getter]] = []
        """Numbers beside the usage that say that something else is charged."""
        self._fees: tuple[Counting, ...] = tuple(each for each in plan.counts if each.rule.fixed is not None)
        self._several = len(form.usage) > 1
        self._marks = self._marks_of_items()
        costs = form.cost
        self._costs = tuple(getter(path) for path in costs.at) if costs is not None else ()
        if costs is not None:
            places = (*costs.at, *(path for extra in costs.add for path in (extra.at, extra.when)))
            if any(first_key(path) != "usage" for path in places):
                raise _Unfit
        raw = {*form.unwrap, *plan.reader.usage_raw}
        self._others = tuple(self._place(key) for key in raw if key != place)
        names = {f"f{index}": key for index, key in enumerate(self._keys)}
        fields = [(name, msgspec.Raw if key in raw else Any, None) for name, key in names.items()]
        struct = msgspec.defstruct("Answer", fields, rename=names, gc=False)
        self._decode = msgspec.json.Decoder(struct, float_hook=Decimal).decode
        self._known: dict[bytes, _Outline] = {}
        self._recent: _Outline | None = None
        """The last that tells by itself whether it fits."""

    def _place(self, key: str) -> int:
        if key not in self._keys:
            self._keys.append(key)
        return self._keys.index(key)

    def _top(self, path: str) -> int:
        if first_key(path) != path or path.startswith("@") or " " in path:
            raise _Unfit
        return self._place(path)

    def _option(self, path: str) -> _Option | None:
        key, _, rest = path.partition(".")
        if key == "@path":
            return -1, getter(rest)
        if "[" in path or "+" in path or path.startswith("@"):
            raise _Unfit
        if key == "usage":
            return (None, getter(rest)) if rest else None
        if key in self._plan.reader.usage_raw or key in self._plan.format.unwrap:
            return None
        return self._place(key), getter(rest) if rest else None

    def _marks_of_items(self) -> tuple[bytes, ...]:
        """Return texts without which no charged item is in an answer; note the counts in usage."""
        marks: dict[str, None] = {}
        for counting in self._plan.counts:
            rule = counting.rule
            if rule.without_usage:
                continue
            for path in rule.also:
                key, _, rest = path.partition(".")
                match = _BY_TYPE.search(path)
                if match is None:
                    self._charged.append((self._place(key), getter(rest)))
                else:
                    marks |= dict.fromkeys(f'"{name}"' for name in match.group(1).split("|"))
            if rule.fixed is not None and not rule.models:
                raise _Unfit
            for path in rule.at:
                if counting.deep:
                    match = _BY_TYPE.search(path)
                    last = re.split(r"[.\[]", re.sub(r"\[[^\]]*\]", "", path))[-1]
                    marks |= dict.fromkeys(match.group(1).split("|") if match else [f'"{last}"'])
                elif rule.length or rule.models or rule.unless or not _in_usage(path):
                    raise _Unfit
                else:
                    self._counts.append((counting.leaf, getter(path.removeprefix("usage."))))
        # `web_search_call`, `file_search_call` …: one look for what they share is enough.
        if len(marks) > 1 and all(mark.rstrip('"').endswith(_ITEM_END) for mark in marks):
            marks = {_ITEM_END + '"': None}
        return tuple(mark.encode() for mark in marks)

    def read(
        self,
        text: bytes,
        provider: str,
        request_model: str | None,
        prefixes: tuple[str, ...],
        path_values: Mapping[str, str],
    ) -> Extraction | None:
        """Return the result of a complete response, None where it is not an everyday one."""
        try:
            values: tuple[Any, ...] = astuple(self._decode(text))
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return None
        if values[0] is None or values[1]:
            return None
        if self._by_path:
            values += (path_values,)
        for index in self._others:
            if values[index] is not None:
                return None
        for mark in self._marks:
            if mark in text:
                return None
        for index, charged in self._charged:
            if charged(values[index]):
                return None
        for index, idle in self._idle:
            if str(values[index]) in idle:
                return None
        raw: msgspec.Raw = values[0]
        usage_text = bytes(raw)
        known = self._recent
        leaves = known.recipe.follow(usage_text) if known is not None else None
        if known is None or leaves is None:
            outline = usage_text.translate(None, DIGITS)
            known = self._known.get(outline) or self._learn(outline, usage_text)
            if known is None:
                return None
            leaves = known.recipe.follow(usage_text)
            if known.recipe.typed:
                self._recent = known
        usage: dict[str, Any] = {}
        if known.facts or known.costs or known.counts:
            usage = decode_any(usage_text)
        response_id = values[self._ids[0]] if self._ids else None
        if type(response_id) is not str or not 0 < len(response_id) <= _TEXT_MAX:
            response_id = _first(values, self._ids)
        if not leaves or response_id is None or (self._several and not any(leaves.values())):
            return None
        cost = None
        if known.costs or known.counts:
            oddities = Oddities()
            if known.costs and self._plan.cost is not None:
                cost = self._plan.cost.read({"usage": usage}, oddities)
            if oddities.flags or not _count(known.counts, usage, leaves):
                return None
        response_model = values[self._models[0]] if self._models else None
        if type(response_model) is not str or not 0 < len(response_model) <= _TEXT_MAX:
            response_model = _first(values, self._models)
        if prefixes:
            request_model = without_prefix(request_model, prefixes)
            response_model = without_prefix(response_model, prefixes)
        for fee in self._fees:
            if fee.applies(response_model or request_model):
                return None
        part = Part(
            provider=provider,
            request_model=request_model,
            response_model=response_model,
            quantities=leaves,
            facts=self._read_facts(values, usage),
            provider_cost_usd=cost,
        )
        return Extraction(
            parts=(part,),
            completeness="final",
            response_id=response_id,
            request_model=request_model,
            response_model=response_model,
            raw_usage=usage_text.decode("utf-8", "replace"),
        )

    def _learn(self, outline: bytes, text: bytes) -> _Outline | None:
        recipe = self._plan.measure.recipe(outline)
        if recipe is None:
            return None
        usage = decode_any(text)
        if self._split is not None and self._split({"usage": usage}) is not None:
            return None
        counts = [(leaf, read) for leaf, read in self._counts if read(usage) is not None]
        if len({leaf for leaf, _ in counts}) < len(counts):
            return None
        costs = any(read({"usage": usage}) is not None for read in self._costs)
        facts = any(
            read is not None and read(usage) is not None
            for _, options in self._facts
            for index, read in options
            if index is None
        )
        known = _Outline(recipe, tuple(counts), costs=costs, facts=facts)
        if len(self._known) < _KNOWN_MAX:
            self._known[outline] = known
        return known

    def _read_facts(self, values: tuple[Any, ...], usage: Mapping[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, options in self._facts:
            index, read = options[0]
            if read is None and index is not None:
                value = values[index]
                if value is None and len(options) == 1:
                    continue
                if type(value) is str and value:
                    found[name] = value[:_TEXT_MAX]
                    continue
            for index, read in options:
                value = usage if index is None else values[index]
                if read is not None:
                    value = read(value)
                if type(value) is not str:
                    if value is None or isinstance(value, dict | list):
                        continue
                    value = ("true" if value else "false") if isinstance(value, bool) else str(value)
                if value:
                    found[name] = value[:_TEXT_MAX]
                    break
        if self._constants:
            found |= self._constants
        return found


def _in_usage(path: str) -> bool:
    return path.startswith("usage.") and "[" not in path and "+" not in path


def _first(values: tuple[Any, ...], places: tuple[int, ...]) -> str | None:
    """Return the first text that is not empty."""
    for index in places:
        value = values[index]
        if type(value) is str and value:
            return value[:_TEXT_MAX]
    return None


def _count(
    counts: tuple[tuple[str, Getter], ...], usage: Mapping[str, Any], leaves: dict[str, Quantity]
) -> bool:
    """Add what is counted beside the tokens; return whether all of it was as plain as it should be."""
    for leaf, read in counts:
        number = read(usage)
        if type(number) is not int or not 0 <= number <= INT64_MAX or leaf in leaves:
            return False
        leaves[leaf] = number
    return True


class FastPath:
    """The everyday requests and responses of one path, each read in one step: no meter has to be made.

    Comes to the same as `farebox.wire.meter.Meter`, or to nothing where it could not.
    """

    __slots__ = ("_headers", "_path", "_path_values", "_prefixes", "_provider", "_reader")

    def __init__(
        self,
        reader: ResponseReader,
        endpoint: Endpoint,
        path: str,
        path_values: Mapping[str, str],
        headers: Headers,
    ) -> None:
        self._reader = reader
        self._path = path
        self._path_values = path_values
        self._headers = headers
        self._prefixes = endpoint.model_prefixes
        prices = endpoint.prices_id
        self._provider = prices.format_map(path_values) if "{" in prices else prices

    def request(self, body: bytes, limits: LimitKeys | None = None) -> RequestFacts | None:
        """Return what a whole request says, None where it has to be read properly."""
        return plain_facts(body, self._headers, self._path, self._path_values.get("model"), limits)

    def response(self, text: bytes, said: RequestFacts) -> Extraction | None:
        """Return what a whole JSON response with a status of success says, None where the meter has to."""
        if text[:1] != b"{" or len(text) > SMALL_BYTES:
            return None
        return self._reader.read(text, self._provider, said.request_model, self._prefixes, self._path_values)


def fast_path_for(endpoint: Endpoint, path: str, query: str, headers: Headers) -> FastPath | None:
    """Return how what is everyday at a path is read, None where nothing is."""
    form = endpoint.format
    if form is None or form.request or endpoint.free is not None or endpoint.by_model or "model=" in query:
        return None
    plan = plan_for(form)
    reader = None if plan.unusual else reader_for(plan)
    if reader is None:
        return None
    path = path.partition("?")[0]
    values = endpoint.path_values(path) if endpoint.has_values else {}
    return FastPath(reader, endpoint, path, values, headers)


@functools.lru_cache(maxsize=512)
def reader_for(plan: Plan) -> ResponseReader | None:
    """Return how a format's everyday responses are read, None for one that has none."""
    try:
        return ResponseReader(plan)
    except _Unfit:
        return None
