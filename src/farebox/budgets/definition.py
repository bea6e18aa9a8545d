"""Read and check what people say of a budget: in `farebox.yaml`, on the command line, to the API.

One reader for all of them: each makes nodes of what it was given (`yamltext.Node`), so that a mistake is
told with its place, and everything that is wrong at once. Amounts are read from their text, never from a
float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from farebox.budgets.budget import AtLimit, Budget, Measure, Mode, Reserve, Unpriced
from farebox.budgets.matching import DIMENSIONS, TAG
from farebox.budgets.written_values import (
    PERIOD_FORMS,
    period_text,
    read_amount,
    read_dimension,
    read_period,
    read_wait,
    read_zone,
    wait_text,
)
from farebox.config.settings import did_you_mean
from farebox.money import usd_text
from farebox.wire.keys import without_keys

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
BUDGETS_MAX = 1_000
VALUES_MAX = 1_000
"""For one dimension of one budget."""
VALUE_MAX = 256
"""As long as a value of a call's attribution can be."""

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
    if node.kind == "nothing":
        return ()
    if node.kind not in ("list", "mapping"):
        findings.append(node.finding('a list, as in `[{name: acme-daily, limit: "25.00", period: day}]`'))
        return ()
    named: list[tuple[str | None, Node]] = (
        list(node.items()) if node.kind == "mapping" else [(None, entry) for entry in node.value]
    )
    if len(named) > BUDGETS_MAX:
        findings.append(node.finding(f"at most {BUDGETS_MAX:,} budgets", f"{len(named):,}"))
        return ()
    found: list[Budget] = []
    places: dict[str, Node] = {}
    for name, entry in named:
        budget = read_budget(entry, findings, name=name, origin=origin)
        said = entry.get("name") or entry
        text = name if name is not None else said.value if said.kind == "text" else None
        if text is None:
            continue
        first = places.setdefault(text, said)
        if first is not said:
            findings.append(said.finding(f"another name: line {first.line} has this one", repr(text)))
        if budget is not None:
            found.append(budget)
    return tuple(found)


def named_twice(file: Path, configured: Sequence[Budget], commanded: Collection[str]) -> list[Finding]:
    """Return the findings that budgets of a file have names that commands have set, too."""
    from farebox.errors import Finding

    return [
        Finding(
            str(file),
            int(each.origin.rpartition(":")[2]),
            f"budgets.{each.name}",
            "a name that `farebox budget set` has set, too",
            f"it in one place: remove it here, or type `farebox budget remove {each.name}`",
        )
        for each in configured
        if each.name in commanded
    ]


def read_budget(
    node: Node, findings: list[Finding], *, name: str | None = None, origin: str | None = None
) -> Budget | None:
    """Return one budget, None where something is wrong with it; `name` where it stands before it."""
    before = len(findings)
    if node.kind != "mapping":
        findings.append(node.finding(f"a mapping with {', '.join(_KEYS)}"))
        return None
    given: dict[str, Any] = {} if name is None else {"name": _name(node, name, findings)}
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
    where = f"{Path(node.file).name}:{node.line}" if origin is None else origin
    return Budget(**given, origin=where)


def read_values(node: Node, findings: list[Finding]) -> tuple[str, ...]:
    """Return one value, or a list of them; `*` in one stands for any text, the empty one for none."""
    entries: list[Node] = node.value if node.kind == "list" else [node]
    found: list[str] = []
    for entry in entries:
        if entry.kind != "text":
            findings.append(entry.finding('a value, a list of values, or "" for calls without one'))
        elif without_keys(entry.value) != entry.value:
            findings.append(
                entry.finding("a key's fingerprint or label (`farebox keys`)", "what looks like an API key")
            )
        elif len(entry.value) > VALUE_MAX:
            findings.append(entry.finding(f"at most {VALUE_MAX} characters", f"{len(entry.value):,}"))
        elif entry.value not in found:
            found.append(entry.value)
    if node.kind == "list" and not entries:
        findings.append(node.finding("at least one value", "an empty list"))
    if len(entries) > VALUES_MAX:
        findings.append(node.finding(f"at most {VALUES_MAX:,} values", f"{len(entries):,}"))
    return tuple(found)


Reader = Callable[["Node", "list[Finding]"], dict[str, Any]]


def _text(field: str, read: Callable[[str], Any]) -> Reader:
    """Return a reader of one text; what it raises becomes a finding."""

    def reader(node: Node, findings: list[Finding]) -> dict[str, Any]:
        try:
            return {field: read(node.value if node.kind == "text" else "")}
        except ValueError as error:
            findings.append(node.finding(str(error)))
            return {}

    return reader


def _word(words: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            raise ValueError(f"{' or '.join(words)}{did_you_mean(word, list(words))}")
        return word

    return read


def _read_name(node: Node, findings: list[Finding]) -> dict[str, Any]:
    if node.kind != "text":
        findings.append(node.finding("a name of a-z, 0-9, `-`, `_` and `.`"))
        return {}
    return {"name": _name(node, node.value, findings)}


def _name(node: Node, text: str, findings: list[Finding]) -> str:
    if not NAME.fullmatch(text):
        proposed = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64]
        hint = f'; did you mean "{proposed}"?' if NAME.fullmatch(proposed) else ""
        findings.append(
            node.finding(f"a name of 1 to 64 characters a-z, 0-9, `-`, `_` and `.`{hint}", repr(text[:80]))
        )
    return text


def _read_where(node: Node, findings: list[Finding]) -> dict[str, Any]:
    if node.kind != "mapping":
        findings.append(node.finding("a mapping, as in `{customer: acme, tag.feature: [summary, search]}`"))
        return {}
    where: dict[str, tuple[str, ...]] = {}
    for key, entry in node.items():
        try:
            name = read_dimension(key)
        except ValueError as error:
            findings.append(entry.finding(str(error), "an unknown dimension"))
            continue
        if name in where:
            findings.append(entry.finding("each dimension once", f"{name} a second time"))
        where[name] = read_values(entry, findings)
    return {"where": where}


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
        return _text("limit_pico", read_amount)(node, findings)
    measures = get_args(Measure)
    entries = list(node.items())
    if len(entries) != 1 or entries[0][0] not in measures:
        found = ", ".join(key for key, _ in entries) or "an empty mapping"
        findings.append(
            node.finding('"25.00" for what calls cost, or {price: "25.00"} for what customers pay', found)
        )
        return {}
    measure, entry = entries[0]
    return {"measure": measure} | _text("limit_pico", read_amount)(entry, findings)


def _read_period(node: Node, findings: list[Finding]) -> dict[str, Any]:
    if node.kind == "mapping":
        rolling = node.get("rolling")
        if rolling is None or len(node.value) != 1 or rolling.kind != "text":
            findings.append(node.finding(PERIOD_FORMS))
            return {}
        return _text("period", lambda text: read_period(f"rolling {text}"))(rolling, findings)
    return _text("period", read_period)(node, findings)


_READERS: dict[str, Reader] = {
    "name": _read_name,
    "where": _read_where,
    "each": _text("each", read_dimension),
    "exempt": _read_exempt,
    "limit": _read_limit,
    "period": _read_period,
    "timezone": _text("timezone", read_zone),
    "mode": _text("mode", _word(get_args(Mode))),
    "stream": _text("stream", _word(get_args(AtLimit))),
    "unpriced": _text("unpriced", _word(get_args(Unpriced))),
    "ceiling": _text("ceiling_pico", read_amount),
    "wait": _text("wait_s", read_wait),
    "reserve": _text("reserve", _word(get_args(Reserve))),
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
