"""Read and check what people say of an alert: in `farebox.yaml`, on the command line, to the API.

One reader for all of them, as for budgets: each makes nodes of what it was given (`yamltext.Node`), so that a
mistake is told with its place, and everything that is wrong at once. An entry has one key that says what kind
of alert it is (`kinds.FORMS`): its value is what is watched, its thresholds, or both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

from farebox.alerts.alert import EVERY_WALLET, Alert, Kind, Sensitivity, Severity
from farebox.alerts.kinds import FORMS, KindForm
from farebox.alerts.references import Reference, Sort
from farebox.alerts.watched import figures, watched
from farebox.alerts.written_values import SENSITIVITIES, read_calls_min, read_deviations, read_factor
from farebox.budgets.matching import DIMENSIONS, TAG
from farebox.budgets.node_readers import (
    Reader,
    list_of,
    name_node,
    name_text,
    origin_of,
    period_node,
    text_of,
    where_node,
    word_of,
)
from farebox.budgets.written_values import read_dimension, read_zone
from farebox.config.webhooks_section import RECEIVER_NAME
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

ALERTS_MAX = 2_000
CHANNELS_MAX = 20

_COMMON = ("name", "to", "severity")
_MAY_BE_EMPTY = ("where", "each", "to", "every", "at", "by", "below", "amount_min")
_MEANT = {
    "threshold": "at",
    "thresholds": "at",
    "above": "at",
    "channel": "to",
    "channels": "to",
    "notify": "to",
    "send": "to",
    "filter": "where",
    "match": "where",
    "group_by": "each",
    "per": "each",
    "step": "every",
    "window": "over",
    "within": "over",
    "for": "over",
    "interval": "period",
    "tz": "timezone",
    "zone": "timezone",
    "level": "severity",
    "priority": "severity",
    "min_calls": "calls_min",
    "least": "calls_min",
    "id": "name",
    "cost": "spend",
    "tokens": "usage",
    "error_rate": "errors",
    "p95": "latency",
    "increase": "rise",
    "balance": "wallet",
}
"""Words of other products, and what they are called here."""


def read_alerts(
    node: Node, findings: list[Finding], references: list[Reference], origin: str | None = None
) -> tuple[Alert, ...]:
    """Return the alerts of a list, or of a mapping by name; adds a finding for everything that is wrong.

    What they name is added to `references`, for `references.missing`.
    """
    return list_of(
        node,
        findings,
        lambda entry, name: read_alert(entry, findings, references, name=name, origin=origin),
        kind="alerts",
        example="[{name: jump, anomaly: cost, to: [ops]}]",
        most=ALERTS_MAX,
    )


def read_alert(
    node: Node,
    findings: list[Finding],
    references: list[Reference],
    *,
    name: str | None = None,
    origin: str | None = None,
) -> Alert | None:
    """Return one alert, None where something is wrong with it; `name` where it stands before it."""
    before = len(findings)
    if node.kind != "mapping":
        findings.append(node.finding("a mapping, as in `{name: jump, anomaly: cost, to: [ops]}`"))
        return None
    kind = _kind(node, findings)
    form = None if kind is None else FORMS[kind]
    given: dict[str, Any] = {} if name is None else {"name": name_text(node, name, findings)}
    if kind is not None and form is not None:
        entry = cast("Node", node.get(kind))
        given |= {"kind": kind} | watched(node, entry, kind, form, findings)
        given |= figures(node, form, given.get("subject", ""), findings)
    for key, entry in node.items():
        if key in FORMS or (entry.kind == "nothing" and key in _MAY_BE_EMPTY):
            continue
        reader = _READERS.get(key)
        if key == "name" and name is not None:
            findings.append(entry.finding(f"the name once: it is {name}", "`name` in an entry that has one"))
        elif not _goes_with(key, form):
            findings.append(_out_of_place(key, entry, kind, form))
        elif reader is not None:
            given |= reader(entry, findings)
    references.extend(_named(node, given))
    if kind is None or form is None:
        return None
    given = _completed(given, form)
    findings.extend(_contradictions(node, given))
    if len(findings) > before:
        return None
    return Alert(**given, origin=origin_of(node) if origin is None else origin)


def _kind(node: Node, findings: list[Finding]) -> Kind | None:
    """Return what kind of alert an entry is."""
    kinds = [key for key, entry in node.items() if key in FORMS and entry.kind != "nothing"]
    if len(kinds) == 1:
        return cast("Kind", kinds[0])
    if kinds:
        others = [cast("Node", node.get(key)) for key in kinds[1:]]
        findings.extend(
            each.finding("one thing to watch; another one is an alert of its own", " and ".join(kinds))
            for each in others
        )
        return None
    unknown = [key for key, _ in node.items() if not _goes_with(key, None)]
    hints = [hint for key in unknown if (hint := did_you_mean(key, list(FORMS)))]
    findings.append(
        node.finding(
            f"what is watched, one of {', '.join(FORMS)}{hints[0] if hints else ''}", "an alert without it"
        )
    )
    return None


def _goes_with(key: str, form: KindForm | None) -> bool:
    """Return whether a key goes with a kind; with some kind, where none is said."""
    if key in _COMMON:
        return True
    return any(
        key in each.keys
        or (each.threshold is not None and key in each.names)
        or (key == "over" and each.over is not None and each.open != "span")
        for each in ([form] if form is not None else FORMS.values())
    )


def _out_of_place(key: str, entry: Node, kind: Kind | None, form: KindForm | None) -> Finding:
    if _goes_with(key, None):
        of = [each for each, its in FORMS.items() if _goes_with(key, its)]
        return entry.finding(f"it with {', '.join(of)} only", f"`{key}` beside `{kind}`")
    if key.lower() in DIMENSIONS or key.lower().startswith(TAG):
        return entry.finding(f"it in `where`, as in `where: {{{key}: …}}`", "a dimension beside `where`")
    known = [*(each for each in _ALL_KEYS if _goes_with(each, form)), *(FORMS if form is None else ())]
    meant = _MEANT.get(key.lower())
    hint = f'; did you mean "{meant}"?' if meant in known else did_you_mean(key, known)
    return entry.finding(f"one of {', '.join(known)}{hint}", "an unknown key")


_ALL_KEYS = tuple(
    dict.fromkeys(
        (
            *_COMMON,
            *(name for form in FORMS.values() if form.threshold is not None for name in form.names),
            *(key for form in FORMS.values() for key in form.keys),
            "over",
        )
    )
)


def _to_node(node: Node, findings: list[Finding]) -> dict[str, Any]:
    entries: list[Node] = node.value if node.kind == "list" else [node]
    if len(entries) > CHANNELS_MAX:
        findings.append(node.finding(f"at most {CHANNELS_MAX} channels", f"{len(entries):,}"))
        return {}
    found: list[str] = []
    for entry in entries:
        if entry.kind != "text" or not RECEIVER_NAME.fullmatch(str(entry.value)):
            findings.append(entry.finding("a channel's name, as in `to: [ops]`"))
        elif entry.value not in found:
            found.append(entry.value)
    return {"to": tuple(found)}


def _sensitivity_node(node: Node, findings: list[Finding]) -> dict[str, Any]:
    words = f"{', '.join(SENSITIVITIES)} or {{deviations: 6, factor: 2}}"
    if node.kind == "mapping":
        given: dict[str, Any] = {}
        for key, entry in node.items():
            if key == "deviations":
                given |= text_of("deviations", read_deviations)(entry, findings)
            elif key == "factor":
                given |= text_of("factor_ppm", read_factor)(entry, findings)
            else:
                findings.append(entry.finding(words, "an unknown key"))
        return {"sensitivity": Sensitivity(**given)}
    word = str(node.value).strip().lower() if node.kind == "text" else ""
    if word not in SENSITIVITIES:
        findings.append(node.finding(f"{words}{did_you_mean(word, list(SENSITIVITIES))}"))
        return {}
    return {"sensitivity": SENSITIVITIES[word]}


_READERS: dict[str, Reader] = {
    "name": name_node,
    "where": where_node,
    "each": text_of("each", read_dimension),
    "period": period_node,
    "timezone": text_of("timezone", read_zone),
    "calls_min": text_of("least", read_calls_min),
    "sensitivity": _sensitivity_node,
    "to": _to_node,
    "severity": text_of("severity", word_of(get_args(Severity))),
}
"""Of the keys that are read alike for every kind."""


def _completed(given: dict[str, Any], form: KindForm) -> dict[str, Any]:
    """Return what an entry says with what is usual for its kind, and a name where it has none."""
    where = given.get("where", {})
    usual: dict[str, Any] = {"subject": "", "at": form.at, "severity": form.severity, "least": form.least}
    if form.period is not None:
        usual["period"] = form.period
    if form.over is not None and (given["kind"], given.get("subject")) != ("prices", "changed"):
        usual["over_s"] = form.over[0]
    if form.each is not None and not _is_fixed(where, form.each):
        usual["each"] = form.each
    found = usual | given
    period = found.get("period")
    if period is not None and period.kind == "session":
        found.setdefault("each", "session")
    found.setdefault("name", _name_of(found))
    return found


def _name_of(given: dict[str, Any]) -> str:
    """Return the name of an alert that says none: `new-model`, `spend-cost-customer`."""
    kind, subject = given["kind"], given.get("subject", "")
    said = subject.replace(EVERY_WALLET, "each")
    words = [kind, said if said not in ("shift", "records", "clients", "") else "", given.get("each") or ""]
    text = "-".join(word for word in words if word).replace("_", "-").lower()
    return "".join(each if each.isascii() and (each.isalnum() or each in "-.") else "-" for each in text)[:64]


def _is_fixed(where: dict[str, tuple[str, ...]], name: str) -> bool:
    """Return whether a filter leaves a dimension only one value."""
    values = where.get(name, ())
    return len(values) == 1 and "*" not in values[0]


def _named(node: Node, given: dict[str, Any]) -> list[Reference]:
    """Return what an entry refers to, each at its place."""
    found: list[Reference] = []

    def refer(sort: Sort, name: str, place: Node, most_ppm: int = 0) -> None:
        found.append(
            Reference(
                sort=sort, name=name, most_ppm=most_ppm, file=place.file, line=place.line, key=place.key
            )
        )

    to = node.get("to")
    if to is not None:
        places = {each.value: each for each in (to.value if to.kind == "list" else [to])}
        for name in given.get("to", ()):
            refer("channel", name, places[name])
    kind, subject = given.get("kind"), given.get("subject")
    if kind == "budget" and subject:
        refer("budget", subject, cast("Node", node.get(kind)), max(given.get("at", ()), default=0))
    if kind == "wallet" and subject and subject != EVERY_WALLET:
        refer("customer", subject, cast("Node", node.get(kind)))
    return found


def _contradictions(node: Node, given: dict[str, Any]) -> list[Finding]:
    """Return what is missing or does not fit together, each at its place."""
    kind: Kind = given["kind"]
    form = FORMS[kind]
    findings: list[Finding] = []
    if "period" in form.keys and given.get("period") is None and node.get("period") is None:
        findings.append(node.finding("`period`, as in `period: day`", f"`{kind}` without it"))
    period, each = given.get("period"), given.get("each")
    if period is not None and period.kind == "session" and each != "session":
        at = node.get("each") or node
        findings.append(at.finding("`each: session`, or another period: it counts each session", repr(each)))
    if each is not None and _is_fixed(given.get("where", {}), each):
        at = node.get("each") or node
        value = given["where"][each][0] or "(none)"
        findings.append(
            at.finding("no `each`, or another dimension", f"`each: {each}`, where only {value} counts")
        )
    return findings
