"""`farebox prices check`: are the files valid, what has no price, where do sources disagree?"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.access import open_ledger, open_questions
from farebox.cli.exits import ANSWER_IS_NO, DATA, OK
from farebox.cli.options import AsJson, Place
from farebox.cli.prices.show import every_price, quoted
from farebox.cli.reports import json_shapes
from farebox.cli.screen import GREEN, RED, YELLOW, Column, clean, count, paint, table
from farebox.clock import now_ns
from farebox.errors import Finding, FindingsError, UsageError
from farebox.money import usd_text
from farebox.pricing import check_pricing, load_book
from farebox.pricing.sources.price_comparison import moved
from farebox.program import command

if TYPE_CHECKING:
    from farebox.analytics.questions import Questions
    from farebox.ledger.calls import LedgerReader
    from farebox.pricing.book import PriceBook, PriceLine


class Gap(msgspec.Struct, kw_only=True):
    """A model that was called and has no price."""

    provider: str | None
    model: str | None
    calls: int


class Disagreement(msgspec.Struct, kw_only=True):
    """Two sources that price the same differently; the first is in force."""

    provider: str
    model: str
    unit: str
    when: dict[str, str]
    usd: Decimal
    """Per single unit, as all prices here."""
    price_source: str
    other_usd: Decimal
    other_source: str


class Drift(msgspec.Struct, kw_only=True):
    """A model whose provider states another cost than our list price gives."""

    provider: str
    model: str | None
    calls: int
    differing: int
    billed_usd: str
    list_usd: str


class CheckAnswer(msgspec.Struct, kw_only=True):
    """`farebox prices check --json`."""

    schema: str = "farebox.prices-check/1"
    findings: list[Finding]
    gaps: list[Gap]
    disagreements: list[Disagreement]
    drift: list[Drift]


def check(
    *,
    place: Place | None = None,
    threshold: Annotated[
        str, Parameter(help="Disagreements of sources up to this many percent are left out.")
    ] = "0.5",
    all_sources: Annotated[
        bool, Parameter(name="--all", negative="", help="Also where our corrections differ from the lists.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Validate every price file; find models without a price and sources that disagree."""
    from farebox.config import load_config

    chosen = place or Place()
    home = chosen.state_to_read()
    percent = _percent(threshold)
    answer = CheckAnswer(findings=[], gaps=[], disagreements=[], drift=[])
    try:
        config = load_config(home, chosen.config, prices=False)
        answer.findings = check_pricing(
            config.pricing,
            home.cache,
            contracts=config.contracts,
            directory=config.directory_pricing,
            state=home.path,
        )
    except FindingsError as error:
        answer.findings = error.findings
    else:
        if not answer.findings:
            book = load_book(
                config.pricing,
                home.cache,
                contracts=config.contracts,
                directory=config.directory_pricing,
                state=home.path,
            )
            home, reader = open_ledger(chosen)
            with open_questions(home) as questions:
                answer.gaps = gaps(questions)
                answer.drift = drift(reader, questions)
            answer.disagreements = disagreements(book, percent, all_sources)
    if as_json:
        json_shapes.print_json(answer)
    else:
        print(render(answer))
    if answer.findings:
        return DATA
    return ANSWER_IS_NO if answer.gaps or answer.disagreements else OK


def gaps(questions: Questions) -> list[Gap]:
    """Return the models with calls that have no price, most calls first."""
    from farebox.analytics.questions import Selection

    unpriced = Selection(where={"cost_state": ["unpriced"]})
    found = [
        Gap(provider=group.keys["provider"], model=group.keys["model"], calls=group.measures.calls)
        for group in questions.breakdown(unpriced, ["provider", "model"]).groups
    ]
    return sorted(found, key=lambda gap: -gap.calls)


def drift(reader: LedgerReader, questions: Questions) -> list[Drift]:
    """Return where the costs that providers state differ from our list price."""
    from farebox.analytics.questions import Selection

    stated = Selection(where={"cost_state": ["provider_reported"]})
    sums: dict[tuple[str, str | None], list[int]] = {}
    for row in reader.export(questions.every_call(stated)):
        if row.list_cost_pico is None or row.cost_pico is None:
            continue
        entry = sums.setdefault((row.provider, row.response_model or row.request_model), [0, 0, 0, 0])
        entry[0] += 1
        entry[1] += row.list_cost_pico != row.cost_pico
        entry[2] += row.cost_pico
        entry[3] += row.list_cost_pico
    return [
        Drift(
            provider=provider,
            model=model,
            calls=calls,
            differing=differing,
            billed_usd=usd_text(billed),
            list_usd=usd_text(listed),
        )
        for (provider, model), (calls, differing, billed, listed) in sums.items()
        if differing
    ]


def disagreements(book: PriceBook, percent: Decimal, all_sources: bool) -> list[Disagreement]:
    """Return prices in force that another source gives differently, by more than `percent`."""
    found: list[Disagreement] = []
    first: dict[tuple[object, ...], PriceLine] = {}
    for line in every_price(book, None, "*", now_ns()):
        key = (
            line.provider,
            line.model,
            line.unit,
            tuple(sorted(line.when.items())),
            line.above_input_tokens,
        )
        winner = first.setdefault(key, line)
        if winner.price_source == line.price_source:
            continue
        if winner.price_source != "user" and not all_sources:
            continue
        ratio = moved(winner.unit_price_usd, line.unit_price_usd)
        if ratio is not None and (ratio - 1) * 100 > percent:
            found.append(
                Disagreement(
                    provider=line.provider,
                    model=line.model,
                    unit=line.unit,
                    when=line.when,
                    usd=winner.unit_price_usd,
                    price_source=winner.price_source,
                    other_usd=line.unit_price_usd,
                    other_source=line.price_source,
                )
            )
    return found


def render(answer: CheckAnswer) -> str:
    """Return what was found, the worst first."""
    if answer.findings:
        lines = [f"{paint('✘', RED)} {clean(finding)}" for finding in answer.findings]
        return "\n".join([*lines, "Until this is fixed the previous prices stay in force."])
    lines = [f"{paint('✔', GREEN)} every price file is sound"]
    for gap in answer.gaps:
        named = clean(f"{gap.provider}/{gap.model}")
        lines.append(f"{paint('!', YELLOW)} no price for {named}: {count(gap.calls, 'call')}")
    if answer.gaps:
        lines.append(f"  See: {command('prices unpriced')}")
    if answer.disagreements:
        columns = [Column("model", width_max=70), Column("unit"), Column("in force"), Column("also given")]
        cells = [
            [
                f"{each.provider}/{each.model}",
                each.unit,
                f"{quoted(each.usd)} ({each.price_source})",
                f"{quoted(each.other_usd)} ({each.other_source})",
            ]
            for each in answer.disagreements
        ]
        lines += [f"{paint('!', YELLOW)} sources disagree", table(columns, cells)]
    for each in answer.drift:
        lines.append(
            f"{paint('!', YELLOW)} {clean(each.provider)}/{clean(each.model)} bills ${each.billed_usd}, "
            f"our list price makes ${each.list_usd} ({each.differing} of {count(each.calls, 'call')} differ)"
        )
    return "\n".join(lines)


def _percent(text: str) -> Decimal:
    from farebox.pricing.exact import decimal_from_text

    value = decimal_from_text(text)
    if value is None or value < 0:
        raise UsageError(f"--threshold is a percentage such as 0.5, not {text!r}")
    return value
