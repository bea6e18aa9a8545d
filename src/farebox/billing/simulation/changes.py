"""What is to be different in a simulation, as it is written: a file of plans, one of prices, models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from farebox import yamltext
from farebox.billing.periods.terms import Terms
from farebox.billing.rated_periods import CustomerPeriods
from farebox.billing.simulation.changed_usage import ChangedUsage
from farebox.billing.simulation.replaced_calls import OtherModel, Replacement, replaced_calls
from farebox.billing.simulation.simulation import UsageOf
from farebox.billing.usage import AsOf, Usage
from farebox.charges.plan import Plan
from farebox.charges.plan_reader import read_billing_terms
from farebox.charges.usage.consumption import dimensions_of
from farebox.errors import ConfigError, Finding, UsageError
from farebox.pricing import load_book

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.home import Home
    from farebox.yamltext import Node

TOKENS_AS_THEY_WERE = (
    "Token counts are as they were: another model counts the same text differently, responds at another "
    "length and has a cache of its own."
)
COUNTS_AS_THEY_WERE = "Counts of users, agents, tasks and conversations, and outcomes, are as they were."

_PRICE_SECTIONS = ("pricing", "contracts")


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is to be different."""

    plans: dict[str, Plan] = {}
    moves: dict[str, str] = {}
    replacement: Replacement | None = None
    said: tuple[str, ...] = ()
    """What is different, a sentence each."""
    statements: tuple[str, ...] = ()
    """What is not taken into account, a sentence each."""

    def periods(self, periods: CustomerPeriods) -> CustomerPeriods | None:
        """Return the periods as they would have been; None where plans stay."""
        return periods.with_plans(self.plans, self.moves) if self.plans else None

    def usage(self, home: Home, usage: Usage) -> UsageOf | None:
        """Return what makes the usage that there would have been; None where it stays."""
        replacement = self.replacement
        if replacement is None:
            return None

        def changed(terms: Sequence[Terms], as_of: AsOf) -> Usage:
            charges = [charge for each in terms for part in each.segments for charge in part.plan.charges]
            if not terms:
                return usage
            slot_ns = _QUARTER_NS if any(each.bucket for each in charges) else None
            differences = replaced_calls(
                home,
                replacement,
                min(each.from_ns for each in terms),
                max(each.until_ns for each in terms),
                as_of.seq,
                dimensions_of(charges),
                edges=_edges(terms),
                slot_ns=slot_ns,
            )
            return ChangedUsage(usage, differences)

        return changed


_QUARTER_NS = 900 * 10**9
"""Hours and days begin at multiples of it in every zone."""


def _edges(terms: Sequence[Terms]) -> dict[str, list[int]]:
    """Return where parts of periods begin and end, by customer."""
    found: dict[str, set[int]] = {}
    for each in terms:
        moments = found.setdefault(each.customer, set())
        moments |= {each.from_ns, each.until_ns}
        for part in each.segments:
            moments |= {part.from_ns, part.until_ns, *(rate.from_ns for rate in part.dollar_rates)}
    return {customer: sorted(moments) for customer, moments in found.items()}


def read_changes(
    home: Home, config: Config, *, plans: Node | None, prices: Node | None, models: Sequence[str]
) -> Changes:
    """Return what a text of plans, one of prices and `OLD=NEW` pairs of models say.

    Raises:
        ConfigError: With everything that is wrong with the plans.
        PriceFileError: Likewise with the prices.
        UsageError: A text has no plans or prices, or a model is written otherwise.
    """
    said: list[str] = []
    statements: list[str] = []
    found, moves = ({}, {}) if plans is None else _plans(plans)
    if plans is not None:
        said.append(f"Plans of {_named(plans)}: {', '.join(sorted(found))}.")
    replacement: Replacement | None = None
    if prices is not None or models:
        pricing, contracts = config.pricing, config.contracts
        if prices is not None:
            sections = _sections(prices)
            pricing = sections.get("pricing", pricing)
            contracts = sections.get("contracts", contracts)
            said.append(f"Prices of {_named(prices)}.")
        load = partial(
            load_book,
            pricing,
            home.cache,
            contracts=contracts,
            directory=config.directory_pricing,
            state=home.path,
        )
        providers = load().providers()
        others = tuple(_other_model(text, providers) for text in models)
        said += [f"{each.model} in the place of {each.asked_for}." for each in others]
        statements += [*([TOKENS_AS_THEY_WERE] if others else []), COUNTS_AS_THEY_WERE]
        replacement = Replacement(load, others, others_stay=prices is None)
    return Changes(
        plans=found, moves=moves, replacement=replacement, said=tuple(said), statements=tuple(statements)
    )


def read_file(file: Path) -> Node:
    """Return the sections of a YAML file.

    Raises:
        ConfigError: It is no YAML.
        UsageError: It cannot be read, or has no sections.
    """
    try:
        return _mapping(file.name, *yamltext.read(file))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None


def read_text(name: str, text: str) -> Node | None:
    """Return the sections of YAML text, None of an empty one; raises what `read_file` does."""
    return _mapping(name, *yamltext.parse(text, name)) if text.strip() else None


def _mapping(name: str, root: Node | None, findings: list[Finding]) -> Node:
    if findings:
        raise ConfigError(findings)
    if root is None or root.kind != "mapping":
        raise UsageError(f"{name} has no sections")
    return root


def _plans(root: Node) -> tuple[dict[str, Plan], dict[str, str]]:
    """Return the plans that are written, and which customers its subscriptions put on one of them."""
    findings: list[Finding] = []
    terms = read_billing_terms(dict(root.items()), findings)
    if findings:
        raise ConfigError(sorted(findings, key=lambda each: each.line))
    if not terms.plans:
        raise UsageError(f'{_named(root)} has no plans; write them as in `plans: {{pro: {{base: "20.00"}}}}`')
    moves = {each.customer: each.plan for each in terms.subscriptions if each.plan in terms.plans}
    return dict(terms.plans), moves


def _sections(root: Node) -> dict[str, Node]:
    sections = {key: node for key, node in root.items() if key in _PRICE_SECTIONS}
    if not sections:
        raise UsageError(f"{_named(root)} has neither `pricing:` nor `contracts:`")
    return sections


def _named(root: Node) -> str:
    return Path(root.file).name


def _other_model(text: str, providers: Sequence[str]) -> OtherModel:
    """Return the models of `gpt-4o=gpt-4o-mini`, or `gpt-4o=anthropic/claude-haiku-4-5`."""
    before, equals, after = text.partition("=")
    before, after = before.strip(), after.strip()
    if not before or not equals or not after:
        raise UsageError(f"--model {text!r} is not OLD=NEW, as in gpt-4o=gpt-4o-mini")
    provider, slash, rest = after.partition("/")
    if slash and rest and provider in providers:
        return OtherModel(before, rest, provider)
    return OtherModel(before, after)
