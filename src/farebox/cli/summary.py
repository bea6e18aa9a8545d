"""`farebox`, `farebox today`, `week`, `month`: what was spent, on what, and what to type next."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated

from cyclopts import Parameter

from farebox.cli import answers
from farebox.cli.access import open_ledger
from farebox.cli.exits import ANSWER_IS_NO, CANNOT_TELL, OK, say
from farebox.cli.options import AsJson, Filters, PeriodFlags, Place, ledger_filter
from farebox.cli.periods import Period
from farebox.cli.running import running
from farebox.cli.screen import BOLD, DIM, YELLOW, Column, count, money, paint, table
from farebox.errors import UsageError
from farebox.home import Home
from farebox.ledger.rows import Group, Measures
from farebox.money import display_usd, pico_from_usd
from farebox.program import command
from farebox.server.coverage import Coverage, coverage, warnings

MODELS_MAX = 12

FailOver = Annotated[
    str | None,
    Parameter(help="Exit with 1 if more US dollars than this were spent, with 3 if that cannot be told."),
]


def today(
    *,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    filters: Filters | None = None,
    as_json: AsJson = False,
    fail_over: FailOver = None,
) -> int:
    """What was spent today."""
    return _summary("today", place, period, filters, as_json, fail_over)


def week(
    *,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    filters: Filters | None = None,
    as_json: AsJson = False,
    fail_over: FailOver = None,
) -> int:
    """What was spent since Monday."""
    return _summary("week", place, period, filters, as_json, fail_over)


def month(
    *,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    filters: Filters | None = None,
    as_json: AsJson = False,
    fail_over: FailOver = None,
) -> int:
    """What was spent since the first of the month."""
    return _summary("month", place, period, filters, as_json, fail_over)


def overview(place: Place, flags: PeriodFlags) -> int:
    """Print today's summary and what to type next; with no calls at all, how to get some."""
    chosen = flags.period("today")
    home, ledger = open_ledger(place)
    totals = ledger.totals(ledger_filter(chosen))
    ever = totals if totals.calls else ledger.totals(ledger_filter(PeriodFlags().period()))
    if not ever.calls:
        print(empty_state(home))
        for line in warning_lines(coverage(home, ledger)):
            print(line)
        return OK
    models = ledger.breakdown(ledger_filter(chosen), by=["model"], limit=MODELS_MAX)
    print(render(chosen, totals, models, coverage(home, ledger, chosen.since_ns, chosen.until_ns)))
    print()
    print(paint(" · ".join(map(command, ("by app,model", "tail -f", "explain ID", "help"))), DIM))
    return OK


def empty_state(home: Home) -> str:
    """Return why there is nothing to show, and what to type."""
    proxy = running(home, "proxy")
    if proxy is None:
        return (
            "No calls yet, and no proxy is running.\n\n"
            f"Meter one program:\n  {command('run -- python app.py', home)}\n"
            f"Start the proxy and the dashboard:\n  {command('up', home)}"
        )
    from farebox.cli.paste import lines

    pasted = "\n".join(f"  {line}" for line in lines(str(proxy.address)))
    return f"No calls yet. The proxy is up on {proxy.address}. Point a program at it:\n\n{pasted}"


def warning_lines(found: Coverage) -> list[str]:
    """Return what a sum lacks, as the terminal shows it."""
    return [f"{paint('!', YELLOW)} {line}: the sum is too low" for line in warnings(found)]


def render(chosen: Period, totals: Measures, models: list[Group], found: Coverage) -> str:
    """Return the summary as the terminal shows it."""
    errors = f" · {count(totals.errors, 'error')}" if totals.errors else ""
    head = (
        f"{chosen.label} ({chosen.zone_name})  {paint(money(totals, covered=found.complete), BOLD)}\n"
        f"{count(totals.calls, 'call')}{errors} · {totals.input_tokens:,} tokens in "
        f"({totals.cache_read_input_tokens:,} cached) · {totals.output_tokens:,} out"
    )
    if totals.charge_pico != totals.cost_pico:
        head += f"\ncustomers' price {display_usd(totals.charge_pico)}"
    head = "\n".join([head, *warning_lines(found)])
    if not models:
        return head
    return f"{head}\n\n{groups_table(['model'], models)}"


def groups_table(
    dimensions: list[str], groups: list[Group], key_labels: Mapping[str, str] | None = None
) -> str:
    """Return groups as a table: the dimensions, then calls, tokens and money."""
    named = key_labels or {}
    has_names = "key" in dimensions and bool(named)
    columns = [
        *(Column(name, width_min=None if name == "key" else 20) for name in dimensions),
        *([Column("key's name", width_min=8)] if has_names else []),
        Column("calls", right=True),
        Column("in", right=True, drop=2),
        Column("cached", right=True, drop=4),
        Column("out", right=True, drop=3),
        Column("reasoning", right=True, drop=5),
        Column("cost", right=True),
    ]
    rows = [
        [
            *(group.keys.get(name) or "–" for name in dimensions),
            *([named.get(group.keys.get("key") or "", "–")] if has_names else []),
            f"{group.measures.calls:,}",
            f"{group.measures.input_tokens:,}",
            f"{group.measures.cache_read_input_tokens:,}",
            f"{group.measures.output_tokens:,}",
            f"{group.measures.reasoning_output_tokens:,}",
            money(group.measures, brief=True),
        ]
        for group in groups
    ]
    return table(columns, rows)


def _summary(
    default: str,
    place: Place | None,
    flags: PeriodFlags | None,
    filters: Filters | None,
    as_json: bool,
    fail_over: str | None,
) -> int:
    limit = _limit(fail_over)
    chosen = (flags or PeriodFlags()).period(default)
    home, ledger = open_ledger(place or Place())
    narrowed = ledger_filter(chosen, filters)
    totals = ledger.totals(narrowed)
    models = ledger.breakdown(narrowed, by=["model"], limit=MODELS_MAX)
    found = coverage(home, ledger, chosen.since_ns, chosen.until_ns)
    if as_json:
        answers.print_json(
            answers.SummaryAnswer(
                period=answers.period_answer(chosen),
                totals=answers.totals(totals, found),
                by_model=[answers.group_answer(group, found) for group in models],
                coverage=found,
            )
        )
    else:
        print(render(chosen, totals, models, found))
    return verdict(totals, found, limit)


def _limit(fail_over: str | None) -> int | None:
    if fail_over is None:
        return None
    try:
        amount = Decimal(fail_over.removeprefix("$"))
    except InvalidOperation:
        raise UsageError(f"--fail-over {fail_over!r} is not an amount in US dollars, such as 12.50") from None
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"--fail-over {fail_over!r} is not an amount in US dollars, such as 12.50")
    return pico_from_usd(amount)


def verdict(totals: Measures, found: Coverage, limit: int | None) -> int:
    """Say on standard error whether the limit holds, and return the exit status for it."""
    if limit is None:
        return OK
    if totals.cost_pico > limit:
        say(f"{display_usd(totals.cost_pico)} is over {display_usd(limit)}")
        return ANSWER_IS_NO
    if totals.unpriced_calls:
        say(
            f"{count(totals.unpriced_calls, 'call')} without a price: "
            f"cannot tell whether more than {display_usd(limit)} was spent"
        )
    for line in warnings(found):
        say(f"{line}: cannot tell whether more than {display_usd(limit)} was spent")
    return OK if totals.unpriced_calls == 0 and found.complete else CANNOT_TELL
