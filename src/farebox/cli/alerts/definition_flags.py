"""Flags that say what an alert is, in the words of `farebox.yaml`, and read by the same reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, cast

from cyclopts import Parameter

from farebox.alerts.alert import Alert, Kind
from farebox.alerts.definition import read_alert
from farebox.alerts.kinds import FORMS, TRUE
from farebox.alerts.references import Known, Reference, missing
from farebox.alerts.written_alert import plain
from farebox.budgets.budget import COMMAND
from farebox.cli.call_flags import PLACE, CallFlags, list_node, nodes_of
from farebox.errors import Finding, UsageError
from farebox.yamltext import Node

_BARE = ("unpriced", "missing", "unmetered")
"""Kinds of which there is nothing to say but that they are wanted."""

_HELP: dict[Kind, str] = {
    "spend": "Dollars that calls cost, a threshold each: 100; `price 100` for what customers are charged.",
    "usage": "What is used: input_tokens, calls, …; thresholds with --at.",
    "budget": "Shares of this budget, with --at: 80%.",
    "wallet": "The wallet of this customer, `*` for each one's; thresholds with --below.",
    "rise": "More of this than before: cost, price, calls, …; by how much with --by.",
    "anomaly": "An hour unlike the usual ones: cost, price, calls, ….",
    "new": "A value seen for the first time: model, key, tag.team, ….",
    "unpriced": "Calls without a price.",
    "prices": "Prices that changed, or are stale.",
    "cache_hits": "The cached share of input: `fall 50%`, `below 30%`.",
    "cache_lifetime": "Cache writes that shift to another lifetime: shift, or 25%.",
    "retries": "So many calls that repeat others: 20%.",
    "errors": "So many calls that fail: 5%.",
    "latency": "So long a call: 10s, for the 95th percentile; `p99 20s`.",
    "margin": "Too little margin: `below 20%`.",
    "no_data": "No call for so long: 30m.",
    "missing": "Records that were lost.",
    "unmetered": "A program that is not metered any more.",
}


def _kind_flags() -> list[tuple[str, object, object]]:
    """Return a flag for every kind of alert."""
    return [
        (
            kind,
            Annotated[
                bool | None if kind in _BARE else list[str] | None,
                Parameter(help=_HELP[kind], negative=""),
            ],
            field(default=None),
        )
        for kind in FORMS
    ]


_Kinds = make_dataclass("_Kinds", _kind_flags(), frozen=True, kw_only=True)


@Parameter(name="*", group="What is news")
@dataclass(frozen=True, kw_only=True)
class KindFlags(_Kinds):  # pyright: ignore[reportUntypedBaseClass, reportGeneralTypeIssues] - made of data
    """What is watched: one of these."""

    def nodes(self) -> dict[str, Node]:
        """Return what the flags say, by key of the definition."""
        said: Mapping[str, list[str] | bool | None] = vars(self)
        return {kind: _node(f"--{kind.replace('_', '-')}", value) for kind, value in said.items() if value}


@Parameter(name="*", group="From when on, and who is told")
@dataclass(frozen=True, kw_only=True)
class DefinitionFlags:
    """Thresholds, spans, and channels."""

    at: Annotated[list[str] | None, Parameter(help="A threshold; may be repeated.", negative="")] = None
    by: Annotated[list[str] | None, Parameter(help="With --rise: how much more, as 100%.", negative="")] = (
        None
    )
    below: Annotated[
        list[str] | None, Parameter(help="With --wallet and --margin: a threshold.", negative="")
    ] = None
    every: Annotated[str | None, Parameter(help="A step that repeats, from the last threshold on.")] = None
    period: Annotated[
        str | None, Parameter(help='hour, day, week, month, "rolling 24h", session or ever.')
    ] = None
    each: Annotated[str | None, Parameter(help="Watch every value of this dimension by itself.")] = None
    timezone: Annotated[
        str | None, Parameter(help="Whose days and hours: Europe/Berlin; UTC by default.")
    ] = None
    over: Annotated[str | None, Parameter(help="The span that is looked at: 5m, 1h.")] = None
    calls_min: Annotated[str | None, Parameter(help="Fewer calls than this are no evidence.")] = None
    amount_min: Annotated[
        str | None, Parameter(help="With --rise and --anomaly: below this nothing is news.")
    ] = None
    sensitivity: Annotated[str | None, Parameter(help="With --anomaly: low, normal or high.")] = None
    to: Annotated[
        list[str] | None, Parameter(help="A channel that is told; may be repeated.", negative="")
    ] = None
    severity: Annotated[str | None, Parameter(help="info, warning or critical.")] = None

    def nodes(self) -> dict[str, Node]:
        """Return what the flags say, by key of the definition."""
        said: Mapping[str, str | list[str] | None] = vars(self)
        return {
            name: _node(f"--{name.replace('_', '-')}", value)
            for name, value in said.items()
            if value is not None
        }


def definition(
    name: str,
    kinds: KindFlags | None,
    flags: DefinitionFlags | None,
    where: CallFlags | None,
    before: Alert | None = None,
    known: Known | None = None,
) -> Alert:
    """Return the alert that the flags say; what they do not say is as it was before.

    `known` is what it can name; without it, it may name anything.

    Raises:
        UsageError: With everything that is wrong.
    """
    findings: list[Finding] = []
    kind = (kinds or KindFlags()).nodes()
    given = (flags or DefinitionFlags()).nodes()
    said = {} if before is None else _kept(before, kind, given)
    said |= kind | given
    if (calls := (where or CallFlags()).node(findings)) is not None:
        said["where"] = calls
    said["name"] = Node(name, PLACE, 0, "NAME")
    references: list[Reference] = []
    found = read_alert(Node(said, PLACE, 0, name), findings, references, origin=COMMAND)
    if known is not None:
        findings += missing(references, known)
    if found is None or findings:
        raise UsageError("\n".join(map(str, findings)))
    return found


def _kept(before: Alert, kind: dict[str, Node], given: dict[str, Node]) -> dict[str, Node]:
    """Return what stays of an alert: of another kind, only what goes with it, too."""
    said = nodes_of(plain(before))
    thresholds = {name for form in FORMS.values() for name in form.names}
    if kind.keys() - {before.kind}:
        form = FORMS[cast("Kind", next(iter(kind.keys() - {before.kind})))]
        return {
            key: node
            for key, node in said.items()
            if key in ("to", "where", "each", "timezone", "period") and (key == "to" or key in form.keys)
        }
    node = kind.get(before.kind)
    says_thresholds = node is not None and not (
        node.kind == "text" and str(node.value) in (*FORMS[before.kind].words, TRUE, before.subject)
    )
    if says_thresholds or thresholds & given.keys():
        said = {key: node for key, node in said.items() if key not in thresholds}
    return said


def _node(flag: str, value: str | list[str] | bool) -> Node:
    if isinstance(value, bool):
        return Node(TRUE, PLACE, 0, flag)
    if isinstance(value, list) and len(value) != 1:
        return list_node(value, flag)
    return Node(value[0] if isinstance(value, list) else value, PLACE, 0, flag)
