"""Judge what no row says: wallets, prices, records that are missing, programs that are not metered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.alerts.alert import EVERY_WALLET
from farebox.alerts.evaluation.balance import find_balance
from farebox.alerts.evaluation.finding import Finding
from farebox.alerts.evaluation.news import (
    NEW_FOR_NS,
    find_changed_prices,
    find_missing,
    find_stale_prices,
    find_unmetered,
)
from farebox.alerts.evaluation.transitions import (
    Rule,
    Standing,
    StateKey,
    Transition,
    ended,
    event_id,
    quietly,
    transitions,
)

if TYPE_CHECKING:
    from farebox.ledger.alerting.facts import Facts
    from farebox.ledger.alerting.states import States

_CHANGED = "changed"


def fact_findings(rule: Rule, facts: Facts, states: States, now_ns: int, seq: int) -> list[Transition]:
    """Return what is news of one rule."""
    match rule.alert.kind:
        case "wallet":
            return _wallets(rule, facts, states, now_ns, seq)
        case "prices":
            if rule.alert.subject == _CHANGED:
                return _changed_prices(rule, facts, states, now_ns, seq)
            if facts.prices_checked_ns is None:
                return []
            return _news(
                rule,
                None,
                find_stale_prices(rule.alert, facts.prices_checked_ns, now_ns),
                states,
                now_ns,
                seq,
            )
        case "missing":
            if facts.missing is None:
                return []
            finding = find_missing(rule.alert, facts.missing, facts.missing_words, now_ns)
            return _news(rule, None, finding, states, now_ns, seq)
        case "unmetered":
            return _unmetered(rule, facts, states, now_ns, seq)
        case _:
            return []


def _news(
    rule: Rule, value: str | None, finding: Finding, states: States, now_ns: int, seq: int
) -> list[Transition]:
    told = states.of(rule.alert.name, value or "", 0)
    return transitions(rule, value, finding, told, now_ns, seq)


def _wallets(rule: Rule, facts: Facts, states: States, now_ns: int, seq: int) -> list[Transition]:
    if facts.wallets is None:
        return []
    found: list[Transition] = []
    left = {each.customer for each in facts.wallets}
    for value in states.values(rule.alert.name):
        if value not in left:
            over = Finding(None, (), (), now_ns, now_ns, "there is no such wallet any more")
            found += ended(rule, value, over, states.of(rule.alert.name, value, 0), now_ns, seq)
    for wallet in facts.wallets:
        if rule.alert.subject in (EVERY_WALLET, wallet.customer):
            finding = find_balance(rule.alert, wallet.left, wallet.currency, now_ns)
            found += _news(rule, wallet.customer, finding, states, now_ns, seq)
    return found


def _changed_prices(rule: Rule, facts: Facts, states: States, now_ns: int, seq: int) -> list[Transition]:
    """Return that other prices are in force than the last ones known, each by its digest."""
    digest = facts.prices
    if digest is None:
        return []
    name = rule.alert.name
    known = {value: states.of(name, value, 0) for value in states.values(name)}
    if not known:  # what is in force as the rule is made is no news
        key = StateKey(name, digest, 0, 0)
        standing = Standing("recovered", 1, now_ns, event_id(rule, key, 1, "recovered"))
        return [Transition(key, rule.definition, standing, None)]
    last = max(
        known,
        key=lambda value: max((each.since_ns, each.state == "firing") for each in known[value].values()),
    )
    found: list[Transition] = []
    for value, told in known.items():
        since = max(each.since_ns for each in told.values())
        if digest != last or now_ns - since >= NEW_FOR_NS:
            words = "they are known now" if digest == last else "other ones are in force"
            over = Finding(None, (), (), since, now_ns, words)
            found += quietly(ended(rule, value, over, told, min(since, now_ns), seq))
    if digest != last:
        found = [each for each in found if each.key.value != digest]
        found += transitions(rule, digest, find_changed_prices(now_ns), known.get(digest, {}), now_ns, seq)
    return found


def _unmetered(rule: Rule, facts: Facts, states: States, now_ns: int, seq: int) -> list[Transition]:
    if facts.unmetered is None:
        return []
    found: list[Transition] = []
    seen: dict[str, None] = {}
    for client in facts.unmetered:
        seen[client.name] = None
        finding = find_unmetered(
            rule.alert, client.hosts, client.why, client.since_ns, client.last_ns, now_ns
        )
        found += _news(rule, client.name, finding, states, now_ns, seq)
    for value in states.values(rule.alert.name):
        if value not in seen:
            over = Finding(None, (), (), now_ns, now_ns, "it has not been seen past the meter again")
            found += ended(rule, value, over, states.of(rule.alert.name, value, 0), now_ns, seq)
    return found
