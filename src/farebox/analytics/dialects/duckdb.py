"""DuckDB's SQL, plain enough for every version from 1.3 on."""

from __future__ import annotations

from collections.abc import Sequence


class DuckDB:
    """Implements `farebox.analytics.dialects.Dialect`."""

    def placeholder(self, number: int) -> str:
        return f"${number:d}"

    def tag(self, placeholder: str) -> str:
        # In brackets a missing key is NULL in every version; element_at returned a list before 1.3.
        return f"tags[{placeholder}]"

    def tag_entries(self, where: str) -> tuple[str, str, str]:
        source = f"(SELECT unnest(map_entries(tags)) AS entry FROM calls WHERE {where}) AS entries"  # noqa: S608
        return "entry.key", "entry.value", source

    def exact_sum(self, column: str, condition: str) -> str:
        # The sum of BIGINT is HUGEINT: 128 bits, no rounding.
        return f"coalesce(sum({column}){_filtered(condition)}, 0)"

    def distinct(self, column: str, condition: str) -> str:
        return f"count(DISTINCT {column}){_filtered(condition)}"

    def percentile(self, column: str, fractions: Sequence[float], which: int, condition: str) -> str:
        # DuckDB keeps every value of each aggregate, but once for two equal aggregates: the values of 5
        # million calls fit into memory once, not three times.
        listed = ", ".join(map(repr, fractions))
        return f"(quantile_disc({column}, [{listed}]){_filtered(condition)})[{which + 1:d}]"

    def floor_divided(self, expression: str, divisor: int) -> str:
        return f"(({expression}) // {divisor:d})"

    def ratio(self, divided: str, divisor: str) -> str:
        return f"(({divided}) // nullif({divisor}, 0))"

    def nulls_last(self, expression: str, *, descending: bool) -> str:
        return f"{expression} {'DESC' if descending else 'ASC'} NULLS LAST"

    def group_count(self) -> str:
        return "count(*) OVER ()"


def _filtered(condition: str) -> str:
    return f" FILTER (WHERE {condition})" if condition else ""
