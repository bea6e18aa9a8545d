"""Gather the documents of one answer and turn them into an `Extraction`.

A body is one document, a stream is many: fields keep their last value that is not null, usage
objects are merged field by field the same way. That covers running totals (Gemini, vLLM), a start
and a delta that know different things (Anthropic), and a single last chunk (OpenAI).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

import msgspec

from farebox.catalog import UsageShapes
from farebox.wire.facts import Completeness, Extraction, Part, Quantity
from farebox.wire.http.paths import Getter, getter
from farebox.wire.usage.compiled_format import INPUTS, OUTPUTS, Counting, Plan, plan_for
from farebox.wire.usage.error_codes import shown_code
from farebox.wire.usage.json_reader import Document, counts_anything, encode_any
from farebox.wire.usage.quantities import Oddities, count

RAW_USAGE_MAX = 64 * 1024
_PARTS_MAX = 256
_DEPTH_MAX = 128
_TEXT_MAX = 256
_RUNNING = 2


class Gathering:
    """What has been learnt so far from the documents of one answer."""

    usage: dict[str, Any] | None = None
    usage_text: bytes | None = None
    """The usage object verbatim, while a single one has been seen."""
    response_id: str | None = None
    response_model: str | None = None
    error_code: str | None = None
    documents = 0
    usages = 0
    """How many of them stated usage."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.fields: dict[str, Any] = {}
        self.uniques: dict[int, dict[str, None]] = {}
        """Different values seen so far, by the place of their rule among the format's counts."""

    def add(self, document: Document) -> None:
        """Merge one document in."""
        plan = self.plan
        fields = document.fields
        self.documents += 1
        usage = document.usage
        if usage is not None:
            self.usages += 1
            if self.usage is None:
                self.usage, self.usage_text = usage, document.usage_text
            else:
                _merge(self.usage, usage, 0)
                self.usage_text = None
        for place, counting in plan.gathered:
            counting.gather(fields, self.uniques.setdefault(place, {}))
        for read in plan.id:
            found = _text(read(fields))
            if found:
                self.response_id = found
                break
        for read in plan.model:
            found = _text(read(fields))
            if found:
                self.response_model = found
                break
        if self.error_code is None and fields.get("error"):
            self.error_code = self._error(fields)
        if self.documents == 1:
            self.fields = fields
        else:
            # An empty list that follows a full one would undo what was counted.
            for key, value in fields.items():
                if value is not None and (value != [] or self.fields.get(key) is None):
                    self.fields[key] = value

    def _error(self, fields: dict[str, Any]) -> str:
        for read in self.plan.error_code:
            value = read(fields)
            if isinstance(value, str) and value:
                return shown_code(value)
            if isinstance(value, int) and not isinstance(value, bool):
                return str(value)
        return "error"

    @property
    def is_running(self) -> bool:
        """Whether what was stated is what a stream began with, and no more."""
        return self.plan.format.cumulative and self.usages < _RUNNING

    def is_identified(self) -> bool:
        """Return whether id and model are known: the first events have told what they had to tell."""
        return self.response_id is not None and self.response_model is not None


class ShapedGathering(Gathering):
    """What is learnt of a route that no list has: its first usage object tells how it is read."""

    is_shaped = False

    def __init__(self, plan: Plan, shapes: UsageShapes) -> None:
        super().__init__(plan)
        self._shapes = shapes

    def add(self, document: Document) -> None:
        """Merge one document in, by the format of the first usage object."""
        if document.usage is not None and not self.is_shaped:
            form = self._shapes.format_of(document.usage)
            if form is None:
                document.usage = None
            else:
                self.plan, self.is_shaped = plan_for(form), True
        super().add(document)


def _merge(into: dict[str, Any], new: dict[str, Any], depth: int) -> None:
    """Merge later usage in: running counts do not fall, so a later zero is no news of one that was stated."""
    for key, value in new.items():
        if value is None:
            continue
        old = into.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and depth < _DEPTH_MAX:
            _merge(old, value, depth + 1)  # pyright: ignore[reportUnknownArgumentType]
        elif old is None or counts_anything(value) or not counts_anything(old):
            into[key] = value


def _text(value: Any) -> str | None:
    return value[:_TEXT_MAX] if isinstance(value, str) and value else None


class Context(msgspec.Struct):
    """What the request and the head of the response contribute."""

    provider: str
    request_model: str | None = None
    path: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    request: Mapping[str, Any] = {}
    model_prefixes: tuple[str, ...] = ()
    request_id: str | None = None
    """The call's id from a response header, for bodies that have none."""


def extraction(
    gathering: Gathering,
    context: Context,
    *,
    completeness: Completeness,
    reason: str | None,
    streamed: bool,
) -> Extraction:
    """Return the result of one exchange whose answer is worth metering."""
    plan = gathering.plan
    form = plan.format
    oddities = Oddities()
    view = _view(gathering, context)
    request_model = without_prefix(context.request_model, context.model_prefixes)
    response_model = without_prefix(gathering.response_model, context.model_prefixes)
    served = response_model or request_model
    facts = _facts(plan, view) if plan.facts else {}
    if form.constants:
        facts |= form.constants
    usage, text = gathering.usage, gathering.usage_text
    if text is None and usage is not None and not plan.usage_with_content:
        # Several were merged: the result is what gets stored, so its text is needed anyhow.
        text = gathering.usage_text = encode_any(usage)
    leaves: dict[str, Quantity] = {}
    if form.headers and context.headers:
        usage, text = {**(usage or {}), "@header": context.headers}, None
    if usage is not None:
        leaves = plan.measure.read(usage, oddities, text)
    counted = _charged_items(plan, gathering, view, served, oddities) if plan.counts else None
    provider_cost = plan.cost.read(view, oddities) if plan.cost is not None else None
    parts = _parts(gathering, view, context.provider, request_model, response_model, leaves, facts, oddities)
    if counted or provider_cost is not None:
        first = parts[0]
        parts[0] = msgspec.structs.replace(
            first, quantities={**first.quantities, **(counted or {})}, provider_cost_usd=provider_cost
        )
    whole = completeness == "final" or (reason == "error_in_stream" and not gathering.is_running)
    if completeness != "none" and not any(part.quantities for part in parts) and provider_cost is None:
        completeness, reason = "none", reason or "no_usage_in_response"
    elif completeness == "final" and oddities.invalid is not None:
        completeness, reason = "partial", f"unusable_quantity:{oddities.invalid}"
    lacks = (
        _lacks(plan, parts, said=usage is not None, streamed=streamed, whole=whole)
        if completeness != "final"
        else ()
    )
    billable, because = True, None
    # A stream that says "in progress" and breaks off has been served all the same.
    for read, values, why, needs_none in () if streamed else plan.not_billable:
        if _stands(read(view), values) and not (needs_none and usage is not None):
            billable, because = False, why
            if completeness == "none":
                reason = why
            break
    return Extraction(
        parts=tuple(parts),
        completeness=completeness,
        reason=reason if completeness != "final" else None,
        billable=billable,
        not_billable_because=because,
        response_id=gathering.response_id or context.request_id,
        request_model=request_model,
        response_model=response_model,
        streamed=streamed,
        raw_usage=_raw_usage(gathering),
        error_code=gathering.error_code,
        flags=tuple(oddities.flags),
        lacks=lacks if billable else (),
    )


def _stands(value: Any, values: frozenset[str]) -> bool:
    """Return whether a state is one of `values`: `*` is any, `null` none at all."""
    if value is None:
        return "null" in values
    return "*" in values or str(value) in values


def _lacks(plan: Plan, parts: list[Part], *, said: bool, streamed: bool, whole: bool) -> tuple[str, ...]:
    """Return the sides of a response without its whole usage whose tokens nobody stated.

    What is stated in a response that reached its end is `whole`; in one that broke off it may be a part.
    Where zeros are left out, usage that was `said` and holds no count means zero.
    """
    if said and plan.format.output_optional and not streamed:
        return ()
    stated: set[str] = set()
    for part in parts:
        stated.update(part.quantities)
    lacks: list[str] = []
    if "input" in plan.estimates and INPUTS.isdisjoint(stated):
        lacks.append("input")
    if "output" in plan.estimates:
        if not OUTPUTS.isdisjoint(stated):
            if streamed and not whole:
                lacks.append("more_output")
        elif streamed or not plan.format.output_optional:
            lacks.append("output")
    return tuple(lacks)


def _view(gathering: Gathering, context: Context) -> dict[str, Any]:
    """Return the fields as formats address them: `usage` is the merged usage object."""
    view = gathering.fields
    if gathering.usage is not None:
        view["usage"] = gathering.usage
    view["@path"] = context.path
    view["@header"] = context.headers
    view["@request"] = context.request
    return view


def without_prefix(model: str | None, prefixes: tuple[str, ...]) -> str | None:
    """Return a model id without what only the wire puts before it."""
    if model is not None:
        for prefix in prefixes:
            if model.startswith(prefix) and len(model) > len(prefix):
                return model[len(prefix) :]
    return model


def _facts(plan: Plan, view: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, options in plan.facts:
        for read in options:
            value = read(view)
            if value is None or isinstance(value, dict | list):
                continue
            text = ("true" if value else "false") if isinstance(value, bool) else str(value)
            if text:
                found[name] = text[:_TEXT_MAX]
                break
    return found


def _charged_items(
    plan: Plan, gathering: Gathering, view: dict[str, Any], model: str | None, oddities: Oddities
) -> dict[str, Quantity]:
    leaves: dict[str, Quantity] = {}
    for place, counting in enumerate(plan.counts):
        rule = counting.rule
        if not counting.applies(model):
            continue
        if rule.without_usage and gathering.usage is not None:
            continue
        number: Quantity | None = None
        seen = gathering.uniques.get(place)
        if rule.fixed is not None:
            number = rule.fixed if gathering.usage is not None else None
        elif rule.unique:
            number = len(seen) if seen else None
        elif rule.once:
            number = 1 if seen or any(counting.items(view) or ()) else None
        elif rule.items:
            found = counting.items(view)
            if found is not None or seen:
                number = max(len(found or ()), len(seen or ()))
        else:
            number = _stated(counting, view, oddities)
        if number is not None:
            leaves[counting.leaf] = leaves.get(counting.leaf, 0) + number
    return leaves


def _stated(counting: Counting, view: dict[str, Any], oddities: Oddities) -> Quantity | None:
    for path, read in zip(counting.rule.at, counting.selectors, strict=True):
        value = read(view)
        if value is None or isinstance(value, dict | list):
            continue
        if counting.rule.length:
            return len(value) if isinstance(value, str) else None
        return count(value, path, oddities, fraction=counting.leaf.endswith("_seconds"))
    return None


def _parts(
    gathering: Gathering,
    view: dict[str, Any],
    provider: str,
    request_model: str | None,
    response_model: str | None,
    leaves: dict[str, Quantity],
    facts: dict[str, str],
    oddities: Oddities,
) -> list[Part]:
    split = gathering.plan.format.split
    if split is not None:
        entries: Any = getter(split.at)(view)
        if isinstance(entries, list) and entries:
            kinds = [_entry_kind(entry, split.kind) for entry in entries]  # pyright: ignore[reportUnknownVariableType]
            if not split.when_kinds or any(kind in split.when_kinds for kind in kinds):
                parts: list[Part] = []
                read_model: Getter | None = getter(split.model) if split.model else None
                for entry, kind in list(zip(entries, kinds, strict=True))[:_PARTS_MAX]:  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
                    partner = split.drop.get(kind)
                    if partner is not None and partner in kinds:
                        oddities.add(f"left_out:{kind}")
                        continue
                    usage = cast("Any", getter(split.usage)(entry) if split.usage else entry)
                    if not isinstance(usage, dict):
                        continue
                    parts.append(
                        Part(
                            provider=provider,
                            request_model=request_model,
                            response_model=_text(read_model(entry)) if read_model else None,
                            kind=kind,
                            quantities=gathering.plan.measure.read(usage, oddities),  # pyright: ignore[reportUnknownArgumentType]
                            facts=facts,
                        )
                    )
                    if parts[-1].response_model is None:
                        parts[-1] = msgspec.structs.replace(parts[-1], response_model=response_model)
                if parts:
                    # The answer itself leads, whatever order the passes are listed in.
                    parts.sort(key=lambda part: part.kind != "message")
                    return parts
    return [
        Part(
            provider=provider,
            request_model=request_model,
            response_model=response_model,
            quantities=leaves,
            facts=facts,
        )
    ]


def _entry_kind(entry: Any, path: str | None) -> str:
    value = getter(path)(entry) if path else None
    return value[:64] if isinstance(value, str) else "main"


def _storable(gathering: Gathering) -> dict[str, Any]:
    """Return the usage object without content, which must never be stored."""
    usage = gathering.usage or {}
    if gathering.plan.usage_with_content:
        return {key: value for key, value in usage.items() if isinstance(value, int | Decimal)}
    return usage


def _raw_usage(gathering: Gathering) -> str | None:
    text = gathering.usage_text
    if text is None or gathering.plan.format.mixed:
        if gathering.usage is None:
            return None
        text = encode_any(_storable(gathering))
    if len(text) > RAW_USAGE_MAX:
        return None
    return text.decode("utf-8", "replace")
