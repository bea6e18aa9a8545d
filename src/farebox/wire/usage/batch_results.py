"""Gather answers that are charged one by one: the lines of a batch's results, the turns of a session.

Each becomes a part of its own, once per id. A file may hold a hundred thousand lines: past
`PARTS_MAX` the parts of one model are added up and the result says so.
"""

from __future__ import annotations

from typing import Any

import msgspec

from farebox.wire.facts import Completeness, Extraction, Part, Quantity
from farebox.wire.usage.compiled_format import Plan
from farebox.wire.usage.extract import RAW_USAGE_MAX, Context, Gathering, extraction
from farebox.wire.usage.json_reader import Document

PARTS_MAX = 2000
_SUMS_MAX = 256
_IDS_MAX = 200_000
_FLAGS_MAX = 16


class Parts:
    """Parts of one exchange that were measured separately."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._sums: dict[tuple[Any, ...], dict[str, Quantity]] = {}
        self._models: dict[tuple[Any, ...], Part] = {}
        self._seen: set[int] = set()
        self._raw: list[str] = []
        self._raw_size = 0
        self._flags: dict[str, None] = {}
        self._unusable: str | None = None
        self.left_out = 0
        """Answers beyond every bound: nothing is known of them."""

    def __len__(self) -> int:
        return len(self._parts) + len(self._sums)

    def flag(self, flag: str) -> None:
        if len(self._flags) < _FLAGS_MAX:
            self._flags[flag] = None

    def add(self, measured: Extraction, kind: str, identity: str | None) -> None:
        """Add one answer's parts, unless an answer of the same id is here already."""
        if not measured.billable or not any(part.quantities for part in measured.parts):
            return
        if identity is not None:
            # A hash of eight bytes, not the id: a large file has many.
            mark = hash((kind, identity))
            if mark in self._seen:
                self.flag("repeated_id")
                return
            if len(self._seen) < _IDS_MAX:
                self._seen.add(mark)
        for flag in measured.flags:
            self.flag(flag)
        if measured.completeness != "final" and self._unusable is None:
            self._unusable = measured.reason
        if measured.raw_usage is not None:
            self._raw_size += len(measured.raw_usage) + 1
            if self._raw_size < RAW_USAGE_MAX:
                self._raw.append(measured.raw_usage)
        for part in measured.parts:
            named = msgspec.structs.replace(part, kind=kind if part.kind == "main" else part.kind)
            if len(self._parts) < PARTS_MAX:
                self._parts.append(named)
            else:
                self._sum(named)

    def _sum(self, part: Part) -> None:
        key = (part.kind, part.request_model, part.response_model, *sorted(part.facts.items()))
        sums = self._sums.get(key)
        if sums is None:
            if len(self._sums) >= _SUMS_MAX:
                self.left_out += 1
                return
            sums = self._sums[key] = {}
            self._models[key] = part
        self.flag("parts_added_up")
        for leaf, quantity in part.quantities.items():
            sums[leaf] = sums.get(leaf, 0) + quantity
        if part.provider_cost_usd is not None:
            earlier = self._models[key]
            if earlier is not part and earlier.provider_cost_usd is not None:
                total = earlier.provider_cost_usd + part.provider_cost_usd
                self._models[key] = msgspec.structs.replace(earlier, provider_cost_usd=total)

    def result(
        self,
        *,
        completeness: Completeness,
        reason: str | None,
        streamed: bool,
        request_model: str | None,
        response_model: str | None,
        response_id: str | None,
        error_code: str | None = None,
    ) -> Extraction:
        """Return everything that was added as one exchange."""
        parts = list(self._parts)
        parts += [
            msgspec.structs.replace(self._models[key], quantities=dict(sums))
            for key, sums in self._sums.items()
        ]
        if not parts:
            completeness, reason = "none", reason or "no_usage_in_response"
        elif self.left_out:
            completeness, reason = "partial", "too_many_parts"
        elif completeness == "final" and self._unusable is not None:
            completeness, reason = "partial", self._unusable
        raw = None
        if self._raw and self._raw_size < RAW_USAGE_MAX:
            raw = "[" + ",".join(self._raw) + "]"
        return Extraction(
            parts=tuple(parts),
            completeness=completeness,
            reason=reason if completeness != "final" else None,
            response_id=response_id,
            request_model=request_model,
            response_model=response_model,
            streamed=streamed,
            raw_usage=raw,
            error_code=error_code,
            flags=tuple(self._flags),
        )


class Answers(Gathering):
    """A `Gathering` of which every document with usage is an answer of its own."""

    def __init__(self, plan: Plan, context: Context) -> None:
        super().__init__(plan)
        self._context = context
        self._model: str | None = None
        self.parts = Parts()

    def is_identified(self) -> bool:
        """Only documents with usage tell anything, so none is read for its id alone."""
        return True

    identified = True

    def add(self, document: Document) -> None:
        self.documents += 1
        one = Gathering(self.plan)
        one.add(document)
        if one.usage is None:
            # Agents name the model of an invocation before they tell what it used.
            self._model = one.response_model or self._model
            return
        if one.response_model is None:
            one.response_model = self._model
        self.usage = one.usage
        measured = extraction(one, self._context, completeness="final", reason=None, streamed=False)
        self.parts.add(measured, self.plan.format.each or "main", one.response_id)
        self.response_model = measured.response_model or self.response_model

    def concluded(self, completeness: Completeness, reason: str | None, *, streamed: bool) -> Extraction:
        """Return the exchange; its id is that of the request, the lines have theirs."""
        path = self._context.path
        return self.parts.result(
            completeness=completeness,
            reason=reason,
            streamed=streamed,
            request_model=self._context.request_model,
            response_model=self.response_model,
            response_id=path.get("id") or self._context.request_id,
            error_code=self.error_code,
        )


def gathering_for(plan: Plan, context: Context) -> Gathering:
    """Return what gathers the answers of a format."""
    return Answers(plan, context) if plan.format.each is not None else Gathering(plan)
