"""`farebox`, `farebox today`, `week`, `month`: what was spent, on what, and what to type next."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated

from cyclopts import Parameter

from farebox.analytics.query import Breakdown, Group, Measures, UnknownValue
from farebox.cli.access import open_ledger, open_questions
from farebox.cli.charts import bar, can_show, share
from farebox.cli.daemon.running import running
from farebox.cli.exits import ANSWER_IS_NO, CANNOT_TELL, OK, say
from farebox.cli.options import (
    AsCsv,
    AsJson,
    Filters,
    PeriodFlags,
    Place,
    check_one_format,
    selection_of,
)
from farebox.cli.periods import Period
from farebox.cli.reports import json_shapes
from farebox.cli.reports.group_csv import print_groups
from farebox.cli.reports.timeline import timeline, timeline_line
from farebox.cli.screen import BOLD, DIM, YELLOW, Column, clean, count, fitted, money, paint, table
from farebox.clock import iso, now_ns
from farebox.errors import UsageError
from farebox.home import Home
from farebox.ledger.cost_classes import INCLUDED_VALUE
from farebox.money import display_usd, pico_from_usd
from farebox.program import command
from farebox.server.api.coverage.coverage import Coverage, coverage, warnings

MODELS_MAX = 12
_BAR_CELLS = 10

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
    as_csv: AsCsv = False,
    fail_over: FailOver = None,
) -> int:
    """What was spent today."""
    return _summary("today", place, period, filters, as_json, as_csv, fail_over)


def week(
    *,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    filters: Filters | None = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    fail_over: FailOver = None,
) -> int:
    """What was spent since Monday."""
    return _summary("week", place, period, filters, as_json, as_csv, fail_over)


def month(
    *,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    filters: Filters | None = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    fail_over: FailOver = None,
) -> int:
    """What was spent since the first of the month."""
    return _summary("month", place, period, filters, as_json, as_csv, fail_over)


def overview(place: Place, flags: PeriodFlags) -> int:
    """Print today's summary and what to type next; with no calls at all, how to get some."""
    chosen = flags.period("today")
    home, ledger = open_ledger(place)
    if not ledger.last_seq():
        print(empty_state(home))
        print_offer(home)
        for line in warning_lines(coverage(home, ledger)):
            print(line)
        return OK
    with open_questions(home) as questions:
        narrowed = selection_of(chosen)
        sums = questions.breakdown(
            narrowed, ["model"], limit=MODELS_MAX, unpriced_first=True, also=[INCLUDED_VALUE]
        )
        when = timeline_line(timeline(questions, narrowed, chosen, now_ns()), chosen)
    print(render(chosen, sums, coverage(home, ledger, chosen.since_ns, chosen.until_ns), chart=when))
    print_offer(home)
    print()
    for line in fitted([command(each) for each in ("by app,model", "top", "tail -f", "explain ID", "help")]):
        print(paint(line, DIM))
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
    from farebox.cli.daemon.paste import lines

    pasted = "\n".join(f"  {line}" for line in lines(proxy.base_url))
    return f"No calls yet. The proxy is up on {proxy.address}. Point a program at it:\n\n{pasted}"


def print_offer(home: Home) -> None:
    """Say what could be imported from logs of agents on this machine, until it was, or was declined."""
    from farebox.histories.agents.import_agents import found
    from farebox.histories.agents.positions import is_offered

    if not is_offered(home):
        return
    titles = [each.title for each in found()]
    if titles:
        listed = f"{', '.join(titles[:-1])} and {titles[-1]}" if titles[1:] else titles[0]
        print(
            f"\nThere are logs of {listed} here. Import what they used, with what it costs:\n"
            f"  {command('import agents --dry-run', home)}   to see it first\n"
            f"  {command('import agents', home)}\n"
            f"  {command('import agents --decline', home)}   to be offered it no more"
        )


def warning_lines(found: Coverage) -> list[str]:
    """Return what a sum does not include, as the terminal shows it."""
    return [f"{paint('!', YELLOW)} {line}: the sum is too low" for line in warnings(found)]


def render(
    chosen: Period,
    sums: Breakdown,
    found: Coverage,
    unknown: Sequence[UnknownValue] = (),
    chart: str | None = None,
) -> str:
    """Return the summary as the terminal shows it; `chart` says when it was spent."""
    totals = sums.total
    errors = f" · {count(totals.errors, 'error')}" if totals.errors else ""
    head = [
        f"{chosen.label} ({chosen.zone_name})  {paint(money(totals, covered=found.complete), BOLD)}",
        f"{count(totals.calls, 'call')}{errors} · {totals.input_tokens:,} tokens in "
        f"({totals.cache_read_input_tokens:,} cached) · {totals.output_tokens:,} out",
    ]
    if totals.charge_pico != totals.cost_pico:
        head.append(f"customers' price {display_usd(totals.charge_pico)}")
    if value := sums.others.get(INCLUDED_VALUE):
        head.append(f"paid by subscriptions, not in this sum: {display_usd(value)} by list price")
    head += [*notes(sums, unknown), *warning_lines(found)]
    head += [] if chart is None else [chart]
    if not sums.groups:
        return "\n".join(head)
    return "\n".join([*head, "", groups_table(["model"], sums)])


def notes(sums: Breakdown, unknown: Sequence[UnknownValue]) -> list[str]:
    """Return what the filters stood for: models besides those named, values that nobody used."""
    lines = (
        [f"includes {', '.join(map(clean, sums.models))} (--exact leaves them out)"] if sums.models else []
    )
    return lines + [f"{paint('!', YELLOW)} {unknown_words(each)}" for each in unknown]


def unknown_words(found: UnknownValue) -> str:
    """Return the warning that no call ever had a value, with similar ones."""
    near = f"; similar values: {', '.join(map(clean, found.nearest))}" if found.nearest else ""
    return f"no call ever had {found.name} {clean(repr(found.value))}{near}"


def groups_table(
    dimensions: list[str],
    sums: Breakdown,
    also: Sequence[str] = (),
    key: Callable[[str, str], str] | None = None,
    key_labels: Mapping[str, str] | None = None,
) -> str:
    """Return groups as a table: the dimensions, calls, tokens, other measures, money, and what is left.

    Where there is room, a bar shows how much of the whole each is.
    """
    has_names = "key" in dimensions and bool(key_labels)
    shares = sys.stdout.isatty() and can_show() and sums.total.cost_pico > 0
    columns = [
        *(Column(name, width_min=None if name == "key" else 20) for name in dimensions),
        *([Column("key's name", width_min=8)] if has_names else []),
        Column("calls", right=True),
        Column("in", right=True, drop=2),
        Column("cached", right=True, drop=4),
        Column("out", right=True, drop=3),
        Column("reasoning", right=True, drop=5),
        *(Column(_title(name), right=True) for name in also),
        Column("cost", right=True),
        *([Column("of all", drop=9)] if shares else []),
    ]
    names = (key_labels or {}) if has_names else None
    whole = sums.total.cost_pico
    rows = [
        [
            *_cells(dimensions, group, also, key, names),
            *([_share(group.measures.cost_pico, whole)] if shares else []),
        ]
        for group in sums.groups
    ]
    text = table(columns, rows)
    if sums.rest_groups:
        text += f"\nand {sums.rest_groups:,} more · {money(sums.rest)}"
    return text


def _cells(
    dimensions: list[str],
    group: Group,
    also: Sequence[str],
    key: Callable[[str, str], str] | None,
    key_names: Mapping[str, str] | None,
) -> list[str]:
    found = group.measures
    keys = [(name, group.keys.get(name)) for name in dimensions]
    return [
        *("–" if value is None else value if key is None else key(name, value) for name, value in keys),
        *([key_names.get(group.keys.get("key") or "", "–")] if key_names is not None else []),
        f"{found.calls:,}",
        f"{found.input_tokens:,}",
        f"{found.cache_read_input_tokens:,}",
        f"{found.output_tokens:,}",
        f"{found.reasoning_output_tokens:,}",
        *(_measured(name, group.others.get(name)) for name in also),
        money(found, brief=True),
    ]


def _share(part: int, whole: int) -> str:
    return f"{share(part, whole):>5} {bar(part, whole, _BAR_CELLS)}"


def _title(name: str) -> str:
    return f"{name.removesuffix('_us')} ms" if name.endswith("_us") else name


def _measured(name: str, value: int | None) -> str:
    if value is None:
        return "–"
    if name.endswith("_pico"):
        return display_usd(value)
    if name.endswith("_ns"):
        return f"{iso(value)[:19]}Z"
    return f"{value // 1000:,}.{value % 1000 // 100}" if name.endswith("_us") else f"{value:,}"


def _summary(
    default: str,
    place: Place | None,
    flags: PeriodFlags | None,
    filters: Filters | None,
    as_json: bool,
    as_csv: bool,
    fail_over: str | None,
) -> int:
    check_one_format(as_json=as_json, as_csv=as_csv)
    limit = limit_of(fail_over)
    chosen = (flags or PeriodFlags()).period(default)
    home, ledger = open_ledger(place or Place())
    narrowed = selection_of(chosen, filters)
    with open_questions(home) as questions:
        sums = questions.breakdown(
            narrowed,
            ["model"],
            limit=None if as_json or as_csv else MODELS_MAX,
            unpriced_first=True,
            also=[INCLUDED_VALUE],
            with_models=True,
        )
        unknown = questions.unknown(narrowed)
        when = None if as_json or as_csv else timeline(questions, narrowed, chosen, now_ns())
    found = coverage(home, ledger, chosen.since_ns, chosen.until_ns)
    if as_json:
        json_shapes.print_json(json_shapes.summary_answer(chosen, sums, found, unknown))
    elif as_csv:
        print_groups(["model"], sums)
    else:
        print(render(chosen, sums, found, unknown, timeline_line(when, chosen)))
    return verdict(sums.total, found, limit, unknown)


def limit_of(fail_over: str | None) -> int | None:
    """Return the amount of `--fail-over` in pico-dollars.

    Raises:
        UsageError: It is none.
    """
    if fail_over is None:
        return None
    try:
        amount = Decimal(fail_over.removeprefix("$"))
    except InvalidOperation:
        raise UsageError(f"--fail-over {fail_over!r} is not an amount in US dollars, such as 12.50") from None
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"--fail-over {fail_over!r} is not an amount in US dollars, such as 12.50")
    return pico_from_usd(amount)


def verdict(
    totals: Measures, found: Coverage, limit: int | None, unknown: Sequence[UnknownValue] = ()
) -> int:
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
    for each in unknown:
        say(f"{unknown_words(each)}: cannot tell whether more than {display_usd(limit)} was spent")
    return OK if totals.unpriced_calls == 0 and found.complete and not unknown else CANNOT_TELL
