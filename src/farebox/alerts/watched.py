"""Read what an alert watches, and from when on it is news: the value of the key that says its kind, and the
figures beside it whose form depends on the kind.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from farebox.alerts.alert import EVERY_WALLET, MONEY_MEASURES, Alert, Kind, counts_down
from farebox.alerts.kinds import FORMS, NOT_NEW, TRUE, WALLETS, KindForm
from farebox.alerts.written_values import read_count, read_span
from farebox.budgets.node_readers import NAME, text_of
from farebox.budgets.written_values import read_amount, read_dimension
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

THRESHOLDS_MAX = 50


def watched(node: Node, entry: Node, kind: Kind, form: KindForm, findings: list[Finding]) -> dict[str, Any]:
    """Return the subject and the thresholds that the kind's own value and the keys beside it say."""
    subject, said = _value(entry, kind, form, findings)
    beside = [
        (name, each) for name in form.names if (each := node.get(name)) is not None and each.kind != "nothing"
    ]
    if form.threshold is not None:
        for name, each in beside if said is not None else beside[1:]:
            findings.append(each.finding(f"the thresholds once: `{kind}` has them", f"`{name}` beside it"))
        if said is None and beside:
            said = beside[0][1]
    given: dict[str, Any] = {}
    if form.open == "span":
        given = text_of("over_s", read_span(*(form.over or (0, 0, 0))[1:]))(entry, findings)
    elif subject is not None:
        given["subject"] = subject
    if form.threshold is not None and said is not None:
        falls = counts_down(Alert(name="", kind=kind, subject=subject or ""))
        given["at"] = _thresholds(said, form, findings, falls=falls)
    if form.needs_thresholds and said is None and node.get("every") is None:
        findings.append(entry.finding(f"thresholds, as in `{form.example}`", "none"))
    return given


def _value(
    entry: Node, kind: Kind, form: KindForm, findings: list[Finding]
) -> tuple[str | None, Node | None]:
    """Return what the kind's own value says is watched, and the thresholds that stand in it."""
    if form.open is not None:
        return (None if form.open == "span" else _open_subject(entry, form, findings)), None
    default = form.subject or ("" if not form.words else None)
    if entry.kind == "mapping":
        inner = list(entry.items())
        if len(inner) == 1 and inner[0][0] in form.words and form.threshold is not None:
            return inner[0]
        found = ", ".join(key for key, _ in inner) or "an empty mapping"
        findings.append(entry.finding(_form_of(form), found))
        return default, None
    if entry.kind == "list" and form.threshold is not None:
        if default is None:
            findings.append(entry.finding(_form_of(form), "a list"))
        return default, entry
    text = " ".join(str(entry.value).split()) if entry.kind == "text" else ""
    word, _, rest = text.partition(" ")
    if text.lower() == TRUE and default is not None:
        return default, None
    if word.lower() in form.words and (not rest or form.threshold is not None):
        return word.lower(), _with_value(entry, rest) if rest else None
    if form.threshold is not None and default is not None and _looks_like_a_figure(text):
        return default, entry
    hint = did_you_mean(word.lower(), list(form.words))
    findings.append(entry.finding(f"{_form_of(form)}{hint}"))
    return default, None


def _with_value(entry: Node, text: str) -> Node:
    from farebox.yamltext import Node

    return Node(text, entry.file, entry.line, entry.key)


def _looks_like_a_figure(text: str) -> bool:
    return any(each.isdigit() for each in text)


def _form_of(form: KindForm) -> str:
    """Return how a kind is written, in words."""
    words = f"one of {', '.join(form.words)}, as in " if len(form.words) > 1 else ""
    return f"{words}`{form.example}`"


def _open_subject(entry: Node, form: KindForm, findings: list[Finding]) -> str | None:
    if form.open == "dimension":
        found = text_of("subject", read_dimension)(entry, findings).get("subject")
        if found in NOT_NEW:
            findings.append(entry.finding(f"a dimension whose values come again; each {found} is new"))
        return found
    text = str(entry.value).strip() if entry.kind == "text" else ""
    if form.open == "customer":
        if text.lower() in WALLETS:
            return EVERY_WALLET
        if text:
            return text
        findings.append(entry.finding('a customer, or "*" for each one\'s wallet'))
        return None
    if NAME.fullmatch(text):
        return text
    findings.append(entry.finding("a budget's name (`farebox budget list`)"))
    return None


def _thresholds(node: Node, form: KindForm, findings: list[Finding], *, falls: bool) -> tuple[int, ...]:
    """Return thresholds, ascending; those that are passed downwards may be written in either order."""
    entries: list[Node] = node.value if node.kind == "list" else [node]
    if not entries:
        findings.append(node.finding("at least one threshold", "an empty list"))
    if len(entries) > THRESHOLDS_MAX:
        findings.append(node.finding(f"at most {THRESHOLDS_MAX} thresholds", f"{len(entries):,}"))
        return ()
    read: list[tuple[int, Node]] = []
    for entry in entries:
        given = text_of("at", cast("Any", form.threshold))(entry, findings)
        if "at" in given:
            read.append((given["at"], entry))
    descends = falls and len(read) > 1 and read[0][0] > read[1][0]
    for (one, _), (two, entry) in pairwise(read):
        if one == two or (one > two) != descends:
            expected = "descending thresholds: each below" if descends else "ascending thresholds: each above"
            findings.append(entry.finding(f"{expected} the one before it"))
    return tuple(sorted(each for each, _ in read))


def figures(node: Node, form: KindForm, subject: str, findings: list[Finding]) -> dict[str, Any]:
    """Return the figures whose form depends on the kind: `every`, `amount_min`, `over`."""
    given: dict[str, Any] = {}
    said = {key: each for key, each in node.items() if each.kind != "nothing"}
    every, least, over = said.get("every"), said.get("amount_min"), node.get("over")
    if every is not None and "every" in form.keys and form.threshold is not None:
        given |= text_of("every", form.threshold)(every, findings)
    if least is not None and "amount_min" in form.keys:
        given |= text_of("amount_min", read_amount if subject in MONEY_MEASURES else read_count)(
            least, findings
        )
    if over is not None and form.over is not None and form.open != "span":
        if form.words == FORMS["prices"].words and subject != "stale":
            findings.append(over.finding("no `over`: it goes with `prices: stale`"))
        else:
            given |= text_of("over_s", read_span(*form.over[1:]))(over, findings)
    return given
