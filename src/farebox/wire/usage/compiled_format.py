"""What can be worked out once about a format: compiled paths, counts, stated money, patterns."""

from __future__ import annotations

import fnmatch
import re
from decimal import Decimal
from typing import Any

from farebox.catalog.shape import Count, StatedCost, UsageFormat
from farebox.wire.facts import INPUT_LEAVES, OUTPUT_LEAVES
from farebox.wire.http.paths import getter, selector
from farebox.wire.usage.json_reader import Reader, ends, key_pattern, marks_of, value_pattern
from farebox.wire.usage.quantities import Measure, Oddities

INPUTS, OUTPUTS = frozenset(INPUT_LEAVES), frozenset(OUTPUT_LEAVES)


class Plan:
    """Everything about a format that can be worked out once."""

    def __init__(self, form: UsageFormat) -> None:
        self.format = form
        self.unusual = form.unmetered or form.each is not None or form.protobuf is not None
        """Its answers are not one text with usage, as nearly all are."""
        self.reader = Reader(form)
        self.measure = Measure(form)
        self.watch = key_pattern(self.reader.watched) if self.reader.watched else None
        self.watch_values = value_pattern(form.watch_values)
        self.watching = tuple(pattern for pattern in (self.watch, self.watch_values) if pattern is not None)
        self.marks = marks_of(form)
        self.terminal = ends(form.terminal)
        lasts = tuple(text for text in form.terminal if not text.endswith("=*"))
        self.last_event = ends(tuple(text for text in lasts if not text.startswith("[")))
        """What the very last event says; a reason for the end (`finish_reason=*`) may come before it."""
        self.last_payloads = frozenset(text.encode() for text in lasts if text.startswith("["))
        """What the very last event is (`[DONE]`)."""
        self.usage_with_content = form.mixed or self.reader.usage_in_body
        """The usage object holds what must not be stored."""
        self.id = tuple(getter(path) for path in form.id)
        self.model = tuple(getter(path) for path in form.model)
        self.error_code = tuple(getter(path) for path in form.error_code)
        self.counts = tuple(Counting(rule) for rule in form.counts)
        self.gathered = tuple(
            (place, counting)
            for place, counting in enumerate(self.counts)
            if counting.rule.unique or counting.rule.once or counting.also
        )
        """The counts that are made while the documents pass."""
        self.facts = tuple((name, tuple(getter(path) for path in at)) for name, at in form.facts.items())
        self.not_billable = tuple(
            (getter(rule.at), frozenset(rule.values), rule.because, rule.without_usage)
            for rule in form.not_billable
        )
        self.cost = Stating(form.cost) if form.cost is not None else None
        self.estimates = _estimates(form)
        """The sides whose tokens are worth an estimate where nobody states them."""


_plans: dict[int, Plan] = {}


def plan_for(form: UsageFormat) -> Plan:
    """Return the compiled format; formats live as long as the catalog that holds them."""
    plan = _plans.get(id(form))
    if plan is None or plan.format is not form:
        plan = Plan(form)
        if len(_plans) > 512:
            _plans.clear()
        _plans[id(form)] = plan
    return plan


_SEEN_MAX = 10_000
_MODELS_MAX = 64


def _identity(item: Any) -> str:
    """Return what tells an item from others; a number stands for one item."""
    found: Any = item.get("id") if isinstance(item, dict) else type(item).__name__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return found[:512] if isinstance(found, str) else ""


class Counting:
    """One counted leaf, compiled."""

    __slots__ = ("_applies", "also", "deep", "leaf", "rule", "selectors")

    def __init__(self, rule: Count) -> None:
        self.rule = rule
        self.leaf = rule.leaf
        by_items = rule.items or rule.unique or rule.once
        self.deep = by_items
        self.selectors = tuple(selector(path) if by_items else getter(path) for path in rule.at)
        self.also = tuple(selector(path) for path in rule.also)
        self._applies: dict[str | None, bool] = {}

    def items(self, fields: Any) -> list[Any] | None:
        """Return what the paths select, None when nothing of the kind is there."""
        found: list[Any] = []
        for select in self.selectors:
            found += select(fields)
        return found or None

    def gather(self, fields: Any, seen: dict[str, None]) -> None:
        """Note what a document of several shows of the leaf."""
        rule = self.rule
        if rule.unique:
            for value in self.items(fields) or ():
                if isinstance(value, str) and value.strip() and len(seen) < _SEEN_MAX:
                    seen[value[:512]] = None
        elif rule.once:
            if any(self.items(fields) or ()):
                seen[""] = None
        else:
            for select in self.also:
                for item in select(fields):
                    if item and len(seen) < _SEEN_MAX:
                        seen[_identity(item) or f"#{len(seen)}"] = None

    def applies(self, model: str | None) -> bool:
        """Return whether calls of this model are counted so; a model's name is judged once."""
        known = self._applies.get(model)
        if known is None:
            rule = self.rule
            known = (not rule.models or _matches(model, rule.models)) and not _matches(model, rule.unless)
            if len(self._applies) < _MODELS_MAX:
                self._applies[model] = known
        return known


def _matches(model: str | None, globs: tuple[str, ...]) -> bool:
    return model is not None and any(fnmatch.fnmatchcase(model, glob) for glob in globs)


class Stating:
    """Where the provider states money, compiled."""

    def __init__(self, cost: StatedCost) -> None:
        self.at = tuple(getter(path) for path in cost.at)
        self.exponent = cost.exponent
        self.add = tuple((getter(extra.at), getter(extra.when)) for extra in cost.add)

    def read(self, fields: Any, oddities: Oddities) -> Decimal | None:
        for read in self.at:
            stated = _money(read(fields), oddities)
            if stated is not None:
                stated = stated.scaleb(self.exponent)
                for extra, when in self.add:
                    if when(fields) is True:
                        more = _money(extra(fields), oddities)
                        if more is not None:
                            stated += more
                # A plain decimal without trailing zeros reads as the provider wrote it.
                return Decimal(format(stated.normalize(), "f"))
        return None


def _money(value: Any, oddities: Oddities) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not re.fullmatch(r"\d{1,18}(\.\d{1,18})?", value):
            return None
        value = Decimal(value)
    if isinstance(value, int | Decimal):
        amount = Decimal(value)
        if (
            not amount.is_finite()
            or amount < 0
            or amount.adjusted() > 18
            or len(amount.as_tuple().digits) > 40
        ):
            oddities.add("provider_cost_unusable")
            return None
        return amount
    return None


def _estimates(form: UsageFormat) -> tuple[str, ...]:
    """Return the sides whose tokens a format charges."""
    rests = {group.rest for group in form.tokens}
    charged = [name for name, leaves in (("input", INPUTS), ("output", OUTPUTS)) if rests & leaves]
    return form.estimates or tuple(charged)
