"""Turn a provider's usage object into mutually exclusive leaf quantities.

The format says which counts lie inside a total and which beside it; nothing is inferred from the
numbers. An absent count stays absent, an explicit zero stays zero.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

from farebox.catalog.shape import Take, UsageFormat
from farebox.wire.facts import CACHE_READ_LEAVES, INPUT_LEAVES, LEAVES, OUTPUT_LEAVES, Quantity
from farebox.wire.fast_path.usage_template import DIGITS, INT64_MAX, Recipe, Step, Unfit, outlined
from farebox.wire.http.paths import Getter, getter

_TOKEN_LEAVES = frozenset(INPUT_LEAVES + OUTPUT_LEAVES)
_SPLITTABLE = frozenset(leaf for leaf in LEAVES if leaf.endswith("_seconds"))
_CACHES = frozenset(CACHE_READ_LEAVES)
_INPUTS, _OUTPUTS = frozenset(INPUT_LEAVES), frozenset(OUTPUT_LEAVES)
_FLAGS_MAX = 16


class Oddities:
    """The flags of one exchange, each once, at most a handful."""

    __slots__ = ("flags", "invalid")

    def __init__(self) -> None:
        self.flags: dict[str, None] = {}
        self.invalid: str | None = None
        """The first count that could not be used: what was measured is then incomplete."""

    def add(self, flag: str) -> None:
        if len(self.flags) < _FLAGS_MAX:
            self.flags[flag[:96]] = None

    def reject(self, kind: str, field: str) -> None:
        self.add(f"{kind}:{field}")
        if self.invalid is None:
            self.invalid = field


def count(value: Any, field: str, oddities: Oddities, *, fraction: bool = False) -> Quantity | None:
    """Return a number as a quantity; None, with a flag, for what cannot be one."""
    if type(value) is int:
        if 0 <= value <= INT64_MAX:
            return value
        oddities.reject("negative_quantity" if value < 0 else "quantity_too_large", field)
        return None
    if isinstance(value, Decimal):
        if not value.is_finite() or value.adjusted() > 18:
            oddities.reject("quantity_too_large", field)
            return None
        if value < 0:
            oddities.reject("negative_quantity", field)
            return None
        if value == value.to_integral_value():
            return count(int(value), field, oddities)
        if fraction:
            return value
        oddities.reject("not_an_integer", field)
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return count(int(value), field, oddities)
    if isinstance(value, str) and fraction:
        return _decimal_text(value, field, oddities)
    oddities.reject("not_a_number", field)
    return None


def _decimal_text(value: str, field: str, oddities: Oddities) -> Quantity | None:
    try:
        return count(Decimal(value[:40]), field, oddities, fraction=True)
    except ArithmeticError:
        oddities.reject("not_a_number", field)
        return None


_REMEMBERED_MAX = 64
_REMEMBERED_BYTES_MAX = 4096


class _Taking:
    __slots__ = ("at", "field", "fraction", "less", "paths")

    def __init__(self, take: Take, leaf: str) -> None:
        self.at: tuple[Getter, ...] = tuple(getter(path) for path in take.at)
        self.less: tuple[Getter, ...] = tuple(getter(path) for path in take.less)
        self.field = take.at[0]
        self.fraction = leaf in _SPLITTABLE

    def place(self, usage: dict[str, Any]) -> Getter | None:
        """Return where this count is; raise `Unfit` if that is no plain number."""
        for read in self.at:
            value = read(usage)
            if value is not None:
                if type(value) is not int or self.fraction:
                    raise Unfit(self.field)
                return read
        return None

    def overlaps(self, usage: dict[str, Any]) -> tuple[Getter, ...]:
        return tuple(read for read in self.less if type(read(usage)) is int)

    def read(self, usage: Any, oddities: Oddities) -> Quantity | None:
        for read in self.at:
            value = read(usage)
            if value is not None:
                quantity = count(value, self.field, oddities, fraction=self.fraction)
                if quantity is None or not self.less:
                    return quantity
                for overlap in self.less:
                    extra = overlap(usage)
                    if type(extra) is int and extra > 0:
                        quantity -= extra
                return max(quantity, 0)
        return None


class Measure:
    """A format's token groups, compiled."""

    def __init__(self, form: UsageFormat) -> None:
        self._groups = tuple(
            (
                _Taking(Take(group.total), group.rest),
                group.rest,
                tuple((leaf, _Taking(take, leaf)) for leaf, take in group.inside.items()),
            )
            for group in form.tokens
        )
        self._sum = tuple(getter(path) for path in form.sum)
        self._remainder = form.remainder
        self._need = form.need
        self._sides = () if form.output_optional else tuple(_side(form, side) for side in (_INPUTS, _OUTPUTS))
        """The field that states each side, and the side's leaves, of a surface that has both."""
        self._known = _known_fields(form)
        self._recipes: dict[bytes, Recipe | None] = {}

    def read(
        self, usage: dict[str, Any], oddities: Oddities, text: bytes | None = None
    ) -> dict[str, Quantity]:
        """Return the leaves of one usage object; `text` is its JSON, where that is at hand."""
        if text is None or len(text) > _REMEMBERED_BYTES_MAX:
            return self._read(usage, oddities)
        outline = text.translate(None, DIGITS)
        recipe = self._recipes.get(outline)
        if recipe is not None:
            leaves = recipe.follow(text)
            return leaves if leaves is not None else self._read(usage, oddities)
        if outline in self._recipes or len(self._recipes) >= _REMEMBERED_MAX:
            return self._read(usage, oddities)
        before = len(oddities.flags), oddities.invalid
        leaves = self._read(usage, oddities)
        if before == (len(oddities.flags), oddities.invalid):
            self._recipes[outline] = self._recipe(usage, text, leaves)
        return leaves

    def recipe(self, outline: bytes) -> Recipe | None:
        """Return how usage of an outline seen before is read, if it is ordinary."""
        return self._recipes.get(outline)

    def _recipe(self, usage: dict[str, Any], text: bytes, leaves: dict[str, Quantity]) -> Recipe | None:
        """Return how usage objects with this one's outline are read; None where it is not so simple."""
        oddities = Oddities()
        self._flag_unknown(usage, oddities, every=True)
        if oddities.flags or not outlined(text, usage):
            return None
        steps: list[Step] = []
        names: list[str] = []
        try:
            for total, rest, inside in self._groups:
                found = [(leaf, take.place(usage), take.overlaps(usage)) for leaf, take in inside]
                present = tuple((leaf, place, less) for leaf, place, less in found if place is not None)
                stated = total.place(usage)
                names += (leaf for leaf, _, _ in present)
                if stated is not None:
                    names.append(rest)
                steps.append((stated, rest, present))
        except Unfit:
            return None
        if len(set(names)) < len(names) or not _TOKEN_LEAVES.issuperset(names):
            return None
        everything = next((read for read in self._sum if type(read(usage)) is int), None)
        try:
            recipe = Recipe(tuple(steps), everything, self._remainder, usage, text)
        except Unfit:
            return None
        return recipe if recipe.follow(text) == leaves else None

    def _read(self, usage: dict[str, Any], oddities: Oddities) -> dict[str, Quantity]:
        """Return the leaves of any usage object, with flags for what is odd."""
        leaves: dict[str, Quantity] = {}
        overs: list[tuple[Quantity, Quantity, str, _Inside]] = []
        for total, rest, inside in self._groups:
            stated = total.read(usage, oddities)
            claimed: Quantity = 0
            for leaf, take in inside:
                quantity = take.read(usage, oddities)
                if quantity is not None:
                    leaves[leaf] = leaves.get(leaf, 0) + quantity
                    claimed += quantity
            if stated is None:
                if claimed:
                    oddities.reject("missing_field", total.field)
                continue
            left = stated - claimed
            if left < 0:
                over = _settle_overlap(leaves, inside, -left)
                if over:
                    overs.append((over, stated, rest, inside))
                    oddities.add("inside_exceeds_total")
                left = 0
            leaves[rest] = leaves.get(rest, 0) + left
        for field in self._need:
            if usage.get(field) is None:
                oddities.reject("missing_field", field)
        if overs:
            beside = self._everything(usage) == _all_tokens(leaves) + sum(each[1] for each in overs)
            for over, stated, rest, inside in overs:
                if beside:
                    leaves[rest] += stated  # the grand total says that none of it was inside
                else:
                    # The stated total stands: what was written to a cache lies inside what was read.
                    _cut(leaves, inside, over)
        if self._sum:
            self._check_sum(usage, leaves, oddities)
        for field, side in self._sides:
            if leaves and field and side.isdisjoint(leaves):
                self._check_side(field, usage, leaves, oddities)
        self._flag_unknown(usage, oddities)
        return leaves

    def _check_side(
        self, field: str, usage: dict[str, Any], leaves: dict[str, Quantity], oddities: Oddities
    ) -> None:
        """Note that a side is not stated, unless the provider's total says there was none."""
        if _TOKEN_LEAVES.isdisjoint(leaves):
            return
        if self._everything(usage) != _all_tokens(leaves):
            oddities.reject("missing_field", field)

    def _everything(self, usage: dict[str, Any]) -> int | None:
        """Return the provider's own grand total."""
        return next((total for total in (read(usage) for read in self._sum) if type(total) is int), None)

    def _add_hidden(self, leaf: str, hidden: int, leaves: dict[str, Quantity]) -> None:
        """Add tokens that only the grand total holds.

        Where their details name as many, they lie beside the count they were taken out of.
        """
        beside = min(leaves.get(leaf, 0), hidden)
        rest = next((rest for _, rest, inside in self._groups if leaf in dict(inside)), leaf)
        leaves[rest] = leaves.get(rest, 0) + beside
        leaves[leaf] = leaves.get(leaf, 0) + hidden - beside

    def _check_sum(self, usage: dict[str, Any], leaves: dict[str, Quantity], oddities: Oddities) -> None:
        for read in self._sum:
            stated = read(usage)
            if type(stated) is not int or not 0 <= stated <= INT64_MAX:
                continue
            ours = _all_tokens(leaves)
            if self._remainder is not None and stated > ours and ours:
                self._add_hidden(self._remainder, stated - ours, leaves)
            elif stated != ours and leaves:
                oddities.add("sum_mismatch")
            return

    def _flag_unknown(self, usage: dict[str, Any], oddities: Oddities, *, every: bool = False) -> None:
        """Flag numbers in fields nobody described; with `every`, zeros as well."""
        strange = _may_be_number if every else _is_number
        known = self._known
        for key, value in usage.items():
            if key in known:
                inner = known[key]
                if inner is not None and isinstance(value, dict):
                    for name, number in value.items():  # pyright: ignore[reportUnknownVariableType]
                        if name not in inner and strange(number):
                            oddities.add(f"unknown_field:{key}.{name}")
            elif strange(value) or _holds_number(value, strange):
                oddities.add(f"unknown_field:{key}")


def _side(form: UsageFormat, side: frozenset[str]) -> tuple[str, frozenset[str]]:
    groups = [group for group in form.tokens if group.rest in side]
    leaves = {leaf for group in groups for leaf in (group.rest, *group.inside) if leaf in side}
    return groups[0].total[0] if groups else "", frozenset(leaves)


def _may_be_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value != 0


def _holds_number(value: Any, strange: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and any(map(strange, cast("dict[str, Any]", value).values()))


_Inside = tuple[tuple[str, _Taking], ...]


def _settle_overlap(leaves: dict[str, Quantity], inside: _Inside, excess: Quantity) -> Quantity:
    """Take the excess from the modality leaves: those tokens were cached ones as well.

    Returns what is still too much: it contradicts the provider's own total.
    """
    for leaf, _ in inside:
        if leaf in _CACHES or leaf.startswith("cache_write") or leaf not in leaves:
            continue
        given = min(leaves[leaf], excess)
        leaves[leaf] -= given
        excess -= given
    return excess


def _cut(leaves: dict[str, Quantity], inside: _Inside, excess: Quantity) -> None:
    """Take the excess from what was read from a cache, then from what was written to one."""
    for leaf in sorted((leaf for leaf, _ in inside if leaf in leaves), key=lambda leaf: leaf not in _CACHES):
        given = min(leaves[leaf], excess)
        leaves[leaf] -= given
        excess -= given


def _all_tokens(leaves: dict[str, Quantity]) -> int:
    return sum(int(value) for leaf, value in leaves.items() if leaf in _TOKEN_LEAVES)


def _known_fields(form: UsageFormat) -> dict[str, frozenset[str] | None]:
    """Return the usage fields a format reads or ignores; None admits whatever is inside."""
    nested: dict[str, set[str] | None] = {}
    paths = [*form.ignore, *form.sum, *form.need]
    for group in form.tokens:
        paths += group.total
        for take in group.inside.values():
            paths += (*take.at, *take.less)
    for rule in form.counts:
        for path in rule.at:
            for place in form.usage:
                if path.startswith(place + "."):
                    paths.append(path[len(place) + 1 :])
    if form.cost is not None:
        for path in (*form.cost.at, *(part for extra in form.cost.add for part in (extra.at, extra.when))):
            paths.append(path.partition(".")[2] if "." in path else path)
    for path in paths:
        for term in path.split(" + "):
            head, _, rest = term.strip().partition(".")
            name = head.partition("[")[0]
            inner = rest.partition(".")[0].partition("[")[0]
            if not inner:
                nested[name] = nested.get(name) if nested.get(name) else None
            elif name not in nested:
                nested[name] = {inner}
            else:
                present = nested[name]
                if present is not None:
                    present.add(inner)
    return {name: frozenset(inner) if inner is not None else None for name, inner in nested.items()}
