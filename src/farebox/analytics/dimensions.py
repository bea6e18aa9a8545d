"""Every dimension calls can be filtered and grouped by, and every measure of them, declared once.

The replica's table, the questions' SQL, the command line's flags, the API's parameters and the
dashboard's types are made from these two tables. Adding a dimension is one line here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from farebox.errors import UsageError
from farebox.ledger.class_states import UNPRICED as UNPRICED
from farebox.ledger.class_states import is_error as is_error

TAG = "tag."
"""How the name of a tag's dimension begins: `tag.feature`."""

PLAN_MODEL = "plan_model"
"""What plans and budgets call a call's model."""

VERIFIED = "verified"
"""Whether the customer is proven, of every attribution; the others are what one says."""

RETRY = "retry"
"""Whether a call repeats one that had failed."""

Kind = Literal["text", "number", "flag"]


class Dimension(NamedTuple):
    """A property of a call that questions can filter and group by."""

    name: str
    title: str
    help: str
    """What a flag or a parameter of this name says: "Only this …"."""
    origin: Literal["source", "class", "attribution", "row", "detail"]
    """Which part of the record it comes from (`farebox.ledger.feed`)."""
    field: str = ""
    """What that part calls it, where it has another name."""
    kind: Kind = "text"
    values: tuple[str, ...] = ()
    """All values there are, where they are known beforehand."""
    expression: str = ""
    """Made of other dimensions: the SQL of it. Such a one has no column of its own."""

    @property
    def column(self) -> str:
        """The SQL of it: mostly the column of the replica."""
        return self.expression or f'"{self.name}"'


OUTCOMES = ("completed", "client_disconnected", "upstream_failed", "timed_out", "refused", "unknown")
COST_STATES = ("priced", "free", "included", "unpriced", "estimated", "unknown", "provider_reported")
COMPLETENESS = ("final", "partial", "estimated", "none")
TRUTH = ("false", "true")

DIMENSIONS: dict[str, Dimension] = {
    each.name: each
    for each in (
        Dimension("provider", "Provider", "Only this provider.", "class"),
        Dimension("model", "Model", "Only this model and its dated versions.", "class"),
        Dimension("request_model", "Requested model", "Only requests for this model.", "class"),
        Dimension(
            PLAN_MODEL, "Model in plans",
            "Only this model as plans and budgets know it: the requested one, else the response's.",
            "class", expression='coalesce("request_model", "model")',
        ),
        Dimension("surface", "Endpoint", "Only this surface, as openai.chat.", "class"),
        Dimension("host", "Host", "Only this provider's host.", "class"),
        Dimension("key", "API key", "Only this API key's fingerprint.", "class", "key_fingerprint"),
        Dimension("app", "App", "Only this app.", "attribution"),
        Dimension("user", "User", "Only this user.", "attribution"),
        Dimension("customer", "Customer", "Only this customer.", "attribution"),
        Dimension("agent", "Agent", "Only this agent.", "attribution"),
        Dimension("parent_agent", "Parent agent", "Only calls of this agent's own agents.", "attribution"),
        Dimension("session", "Session", "Only this session.", "attribution"),
        Dimension("task", "Task", "Only this task.", "attribution"),
        Dimension("project", "Project", "Only this project.", "attribution"),
        Dimension("branch", "Branch", "Only this branch of a repository.", "attribution"),
        Dimension("step", "Step", "Only this step of an agent.", "row"),
        Dimension(
            "status", "Status", "Only this HTTP status, or a class of them: 4xx.", "class", kind="number"
        ),
        Dimension("error_class", "Error", "Only this class of errors, as rate_limited.", "class"),
        Dimension(
            "outcome", "Outcome", "Only this outcome, as client_disconnected.", "class", values=OUTCOMES
        ),
        Dimension("cost_state", "Price state", "Only this state, as unpriced.", "class", values=COST_STATES),
        Dimension(
            "completeness", "Completeness", "Only usage of this completeness, as estimated.", "class",
            values=COMPLETENESS,
        ),
        Dimension(
            "streamed", "Streamed", "Only streams (true), or only others (false).", "class",
            kind="flag", values=TRUTH,
        ),
        Dimension(
            VERIFIED, "Customer verified",
            "Only calls whose customer a bound key or a client token proves (true), or only others (false).",
            "attribution", kind="flag", values=TRUTH,
        ),
        Dimension(
            RETRY, "Retry",
            "Only calls that repeat one that had failed (true), or only first tries (false).",
            "detail", kind="flag", values=TRUTH,
        ),
        Dimension("source", "Source", "Only calls that this writer saw.", "source"),
    )
}  # fmt: skip


class Measure(NamedTuple):
    """A number about some calls."""

    name: str
    title: str
    kind: Literal["sum", "distinct", "percentile", "least", "most", "ratio"]
    column: str = ""
    """What is added up, counted, ranked or compared; of a ratio the sum that is divided."""
    condition: str = ""
    """Which calls count, as SQL; all without one."""
    fraction: float = 0.0
    """Of a percentile: the share of calls at or below it."""
    is_standard: bool = True
    """Of a sum: every question asks for it that does not say otherwise."""
    divisor: str = ""
    """Of a ratio: the sum it is divided by, rounded down; there is none where that is zero."""
    factor: int = 1
    """Of a ratio: what the sum that is divided is multiplied by, for its unit."""


_FAILED = """("status" >= 400 OR ("status" = 0 AND "outcome" <> 'completed'))"""
_COMPLETED = "\"outcome\" = 'completed'"
_UNPRICED = f'"cost_state" IN ({", ".join(repr(state) for state in UNPRICED)})'


def _part(name: str, title: str, column: str = "", condition: str = "") -> Measure:
    """Return a sum that is only there where it is asked for."""
    return Measure(name, title, "sum", column or name, condition, is_standard=False)


MEASURES: dict[str, Measure] = {
    each.name: each
    for each in (
        Measure("calls", "Calls", "sum", "sign"),
        Measure("errors", "Errors", "sum", "sign", _FAILED),
        Measure("unpriced_calls", "Calls without a cost", "sum", "sign", _UNPRICED),
        Measure("estimated_calls", "Estimated calls", "sum", "sign", "\"cost_state\" = 'estimated'"),
        Measure("cost_pico", "Cost", "sum", "cost_pico"),
        Measure("charge_pico", "Customers' price", "sum", "charge_pico"),
        Measure("input_tokens", "Input tokens", "sum", "input_tokens"),
        Measure("cache_read_input_tokens", "Cached input tokens", "sum", "cache_read_input_tokens"),
        Measure("cache_creation_input_tokens", "Input tokens cached", "sum", "cache_creation_input_tokens"),
        Measure("output_tokens", "Output tokens", "sum", "output_tokens"),
        Measure("reasoning_output_tokens", "Reasoning tokens", "sum", "reasoning_output_tokens"),
        _part("input_cost_pico", "Cost of uncached input"),
        _part("cache_read_cost_pico", "Cost of cached input"),
        _part("cache_creation_cost_pico", "Cost of caching input"),
        _part("output_cost_pico", "Cost of output"),
        _part("other_cost_pico", "Cost of all else"),
        _part("reasoning_cost_pico", "Cost of reasoning"),
        _part("included_value_pico", "List value of what subscriptions paid for"),
        _part("cache_saved_pico", "Saved by caching, at list prices"),
        _part("cache_unknown_calls", "Calls whose savings by caching are not known"),
        _part("unknown_calls", "Calls without usage", "sign", "\"cost_state\" = 'unknown'"),
        _part("retries", "Retries", "sign", f'"{RETRY}"'),
        _part("failed_retries", "Retries that failed", "sign", f'"{RETRY}" AND {_FAILED}'),
        _part("total_us", "Time of all calls", 'sign * "total_us"'),
        _part("completed_output_tokens", "Output tokens of completed calls", "output_tokens", _COMPLETED),
        _part("completed_us", "Time of completed calls", 'sign * "total_us"', _COMPLETED),
        Measure("cost_per_call_pico", "Cost a call", "ratio", "cost_pico", divisor="calls"),
        Measure(
            "error_permille", "Errors, of a thousand calls", "ratio", "errors", divisor="calls", factor=1000
        ),
        Measure(
            "retry_permille", "Retries, of a thousand calls", "ratio", "retries", divisor="calls", factor=1000
        ),
        Measure(
            "cache_read_permille", "Cached input, of a thousand tokens", "ratio", "cache_read_input_tokens",
            divisor="input_tokens", factor=1000,
        ),
        Measure(
            "output_tokens_per_minute", "Output tokens a minute", "ratio",
            "completed_output_tokens", divisor="completed_us", factor=60_000_000,
        ),
        Measure("first_at_ns", "First call", "least", '"occurred_at"'),
        Measure("last_end_ns", "End of the last call", "most", '"occurred_at" + "total_us" * 1000'),
        Measure("input_tokens_max", "Most input tokens of one call", "most", '"input_tokens"'),
        Measure("users", "Users", "distinct", "user"),
        Measure("sessions", "Sessions", "distinct", "session"),
        Measure("tasks", "Tasks", "distinct", "task"),
        Measure("agents", "Agents", "distinct", "agent"),
        *(
            Measure(
                f"{name}_p{percent}_us", f"{title}, p{percent}", "percentile", f"{name}_us",
                fraction=percent / 100,
            )
            for name, title in (("total", "Total time"), ("first_byte", "Time to first byte"))
            for percent in (50, 95, 99)
        ),
    )
}  # fmt: skip
"""What is counted, ranked or compared is each call's newest state; sums, and so ratios, are over all its
signed rows."""

CALL_ORDERS: dict[str, str] = {
    "time": "occurred_at",
    "cost": "coalesce(cost_pico, -1)",
    "total": "total_us",
    "first_byte": "first_byte_us",
    "tokens": "input_tokens + output_tokens",
}
"""What calls can be sorted by, and its SQL: a whole number of each call. One without a cost is below zero."""

SUMS = tuple(name for name, measure in MEASURES.items() if measure.kind == "sum" and measure.is_standard)
"""The measures of `farebox.analytics.query.Measures`, in its order."""


def dimension(name: str) -> Dimension:
    """Return the dimension called `name`; any `tag.NAME` is one.

    Raises:
        UsageError: There is none.
    """
    known = DIMENSIONS.get(name)
    if known is not None:
        return known
    if is_tag(name):
        label = name[len(TAG) :]
        return Dimension(name, f"Tag {label}", f"Only this {label}.", "attribution")
    from farebox.nearest import did_you_mean

    hint = did_you_mean(name, list(DIMENSIONS))
    raise UsageError(f"there is no dimension {name!r}; there are {', '.join(DIMENSIONS)} and tag.NAME{hint}")


def unit_of(measure: str) -> str:
    """Return what a measure is counted in, which its name ends with."""
    for unit in ("pico", "us", "ns", "permille", "per_minute"):
        if measure.endswith(f"_{unit}"):
            return unit
    return "count"


def is_tag(name: str) -> bool:
    """Return whether `name` is the dimension of a tag."""
    return name.startswith(TAG) and len(name) > len(TAG)


def check_measures(names: Iterable[str]) -> None:
    """Raise `UsageError` for a measure that does not exist."""
    for name in names:
        if name not in MEASURES:
            from farebox.nearest import did_you_mean

            hint = did_you_mean(name, list(MEASURES))
            raise UsageError(f"there is no measure {name!r}; there are {', '.join(MEASURES)}{hint}")
