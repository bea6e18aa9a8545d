"""Read and check what people say of a budget: in `farebox.yaml`, on the command line, to the API.

One reader for all of them: each makes nodes of what it was given (`yamltext.Node`), so that a mistake is
told with its place, and everything that is wrong at once. Amounts are read from their text, never from a
float.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from farebox.budgets.budget import AtLimit, Budget, Measure, Mode, Reserve, Unpriced
from farebox.budgets.matching import DIMENSIONS, TAG
from farebox.budgets.node_readers import (
    Reader,
    list_of,
    name_node,
    name_text,
    origin_of,
    period_node,
    read_values,
    text_of,
    where_node,
    word_of,
)
from farebox.budgets.written_values import (
    period_text,
    read_amount,
    read_dimension,
    read_wait,
    read_zone,
    wait_text,
)
from farebox.money import usd_text
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

BUDGETS_MAX = 1_000

_KEYS = [
    *("name", "where", "each", "exempt", "limit", "period", "timezone"),
    *("mode", "stream", "unpriced", "ceiling", "wait", "reserve"),
]
_MAY_BE_EMPTY = ("where", "each", "exempt", "ceiling")
_MEANT = {
    "amount": "limit",
    "max": "limit",
    "usd": "limit",
    "per": "each",
    "by": "each",
    "group_by": "each",
    "tz": "timezone",
    "zone": "timezone",
    "window": "period",
    "every": "period",
    "interval": "period",
    "filter": "where",
    "match": "where",
    "id": "name",
    "type": "mode",
    "timeout": "wait",
    "except": "exempt",
}
"""Words of other products, and what they are called here."""


def read_budgets(node: Node, findings: list[Finding], origin: str | None = None) -> tuple[Budget, ...]:
    """Return the budgets of a list, or of a mapping by name; adds a finding for everything that is wrong.

    `origin` is where they come from, in words; without it, each says its file and line.
    """
    example = '[{name: acme-daily, limit: "25.00", period: day}]'
    return list_of(
        node,
        findings,
        lambda entry, name: read_budget(entry, findings, name=name, origin=origin),
        kind="budgets",
        example=example,
        most=BUDGETS_MAX,
    )


def read_budget(
    node: Node, findings: list[Finding], *, name: str | None = None, origin: str | None = None
) -> Budget | None:
    """Return one budget, None where something is wrong with it; `name` where it stands before it."""
    before = len(findings)
    if node.kind != "mapping":
        findings.append(node.finding(f"a mapping with {', '.join(_KEYS)}"))
        return None
    given: dict[str, Any] = {} if name is None else {"name": name_text(node, name, findings)}
    for key, entry in node.items():
        reader = _READERS.get(key)
        if reader is None or (key == "name" and name is not None):
            findings.append(_unknown(key, entry, name))
        elif entry.kind == "nothing" and key in _MAY_BE_EMPTY:
            continue  # left out
        else:
            given |= reader(entry, findings)
    findings.extend(_missing(node, name))
    findings.extend(_contradictions(node, given))
    if len(findings) > before:
        return None
    if given["period"].kind == "session":
        given["each"] = "session"
    return Budget(**given, origin=origin_of(node) if origin is None else origin)


def _read_exempt(node: Node, findings: list[Finding]) -> dict[str, Any]:
    """Read the keys that pass: only what the owner named can be one, so no pattern and no other dimension."""
    if node.kind == "mapping":
        findings.append(node.finding("labels or fingerprints of API keys, as in `exempt: [nightly-jobs]`"))
        return {}
    if node.value == []:
        return {}
    keys = read_values(node, findings)
    findings.extend(
        node.finding("each key by its label or fingerprint", repr(key))
        for key in keys
        if not key or "*" in key
    )
    return {"exempt": keys}


def _read_limit(node: Node, findings: list[Finding]) -> dict[str, Any]:
    if node.kind != "mapping":
        return text_of("limit_pico", read_amount)(node, findings)
    measures = get_args(Measure)
    entries = list(node.items())
    if len(entries) != 1 or entries[0][0] not in measures:
        found = ", ".join(key for key, _ in entries) or "an empty mapping"
        findings.append(
            node.finding('"25.00" for what calls cost, or {price: "25.00"} for what customers pay', found)
        )
        return {}
    measure, entry = entries[0]
    return {"measure": measure} | text_of("limit_pico", read_amount)(entry, findings)


_READERS: dict[str, Reader] = {
    "name": name_node,
    "where": where_node,
    "each": text_of("each", read_dimension),
    "exempt": _read_exempt,
    "limit": _read_limit,
    "period": period_node,
    "timezone": text_of("timezone", read_zone),
    "mode": text_of("mode", word_of(get_args(Mode))),
    "stream": text_of("stream", word_of(get_args(AtLimit))),
    "unpriced": text_of("unpriced", word_of(get_args(Unpriced))),
    "ceiling": text_of("ceiling_pico", read_amount),
    "wait": text_of("wait_s", read_wait),
    "reserve": text_of("reserve", word_of(get_args(Reserve))),
}


def _missing(node: Node, name: str | None) -> list[Finding]:
    """Return what a budget cannot do without and is not there."""
    needed = ["limit", "period"] if name is not None else ["name", "limit", "period"]
    left_out = [key for key in needed if node.get(key) is None]
    if not left_out:
        return []
    return [node.finding(" and ".join(f"`{key}`" for key in left_out), "a budget without")]


def _contradictions(node: Node, given: dict[str, Any]) -> list[Finding]:
    """Return what does not fit together, each at its place."""
    findings: list[Finding] = []
    period, each = given.get("period"), given.get("each")
    if period is not None and period.kind == "session" and each not in (None, "session"):
        place = node.get("each") or node
        findings.append(
            place.finding("`each: session`, or another period: it counts each session", repr(each))
        )
    if given.get("ceiling_pico") is not None and given.get("unpriced", "ceiling") != "ceiling":
        place = node.get("ceiling") or node
        findings.append(place.finding(f"`unpriced: ceiling` beside it, not {given['unpriced']}", "a ceiling"))
    return findings


def _unknown(key: str, entry: Node, name: str | None) -> Finding:
    if key == "name":
        return entry.finding(f"the name once: it is {name}", "`name` in an entry that has one")
    if key.lower() in DIMENSIONS or key.lower().startswith(TAG):
        return entry.finding(f"it in `where`, as in `where: {{{key}: …}}`", "a dimension beside `where`")
    meant = _MEANT.get(key.lower())
    hint = f'; did you mean "{meant}"?' if meant else did_you_mean(key, _KEYS)
    return entry.finding(f"one of {', '.join(_KEYS)}{hint}", "an unknown key")


def plain(budget: Budget) -> dict[str, Any]:
    """Return a budget as it would be written, every setting with its value: for JSON and for `show`."""
    amount = usd_text(budget.limit_pico)
    said: dict[str, Any] = {
        "name": budget.name,
        "where": {name: list(values) for name, values in budget.where.items()},
        "each": budget.each,
        "exempt": list(budget.exempt),
        "limit": {"price": amount} if budget.measure == "price" else amount,
        "period": period_text(budget.period),
        "timezone": budget.timezone,
        "mode": budget.mode,
        "stream": budget.stream,
        "unpriced": budget.unpriced,
        "ceiling": None if budget.ceiling_pico is None else usd_text(budget.ceiling_pico),
        "wait": wait_text(budget.wait_s),
        "reserve": budget.reserve,
    }
    return said
