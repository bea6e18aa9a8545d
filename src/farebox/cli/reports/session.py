"""`farebox session ID`: one session as a tree of agents, steps and calls, and how its context grew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.analytics.query import Measures
from farebox.analytics.questions import Selection
from farebox.cli.access import open_ledger, open_questions
from farebox.cli.charts import bar, can_show, share, sparkline
from farebox.cli.exits import ANSWER_IS_NO, say
from farebox.cli.options import AsCsv, AsJson, Place, check_one_format
from farebox.cli.reports.calls import short_id
from farebox.cli.reports.export import print_calls
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.reports.summary import FailOver, limit_of, unknown_words, verdict, warning_lines
from farebox.cli.screen import (
    BOLD,
    DIM,
    YELLOW,
    Column,
    call_money,
    clean,
    count,
    money,
    paint,
    table,
    terminal_width,
)
from farebox.money import display_usd
from farebox.program import command
from farebox.server.api.coverage.coverage import Covers, coverage
from farebox.server.api.queries import Sources
from farebox.server.api.usage.session_tree import SessionDetail, SessionNode, Turn, session_detail
from farebox.snapshot import read_snapshot
from farebox.time_expressions import zone_named

CALLS_SHOWN = 12
AGAIN_SHOWN = 3
_BLOCKS_MAX = 60


class SessionAnswer(msgspec.Struct, kw_only=True):
    """`farebox session ID --json`: what `/api/v1/sessions/of` returns."""

    schema: str = "farebox.session/1"
    session: SessionDetail


def session(
    session_id: Annotated[str, Parameter(help="The session.")],
    /,
    *,
    place: Place | None = None,
    calls: Annotated[
        int,
        Parameter(name=["-n", "--calls"], help="How many calls of each agent or step, the latest; 0: none."),
    ] = CALLS_SHOWN,
    tz: Annotated[str | None, Parameter(help="Time zone, for example Europe/Berlin.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    fail_over: FailOver = None,
) -> int:
    """Show a session as a tree of agents, steps and calls: cost, context and its growth, cache hits.

    All of it is shown, whenever it was. With `--csv` its calls are printed.
    """
    check_one_format(as_json=as_json, as_csv=as_csv)
    limit = limit_of(fail_over)
    home, ledger = open_ledger(place or Place())
    chosen = Selection(where={"session": [session_id]})
    with open_questions(home) as questions:
        unknown = questions.unknown(chosen)
        if unknown:
            say(unknown_words(unknown[0]))
            return ANSWER_IS_NO
        if as_csv:
            print_calls(ledger.export(questions.every_call(chosen)))
        stopped = ("session", session_id) in {
            (each.dimension, each.value) for each in read_snapshot(home).stops
        }
        found = session_detail(Sources(questions, ledger), session_id, Covers(home), stopped=stopped)
    covered = coverage(home, ledger)
    totals = measures_of(found)
    if as_json:
        print_json(SessionAnswer(session=found))
    elif not as_csv:
        print(render(found, totals, calls, tz))
        for line in warning_lines(covered):
            print(line)
        typed = f"stop-session {session_id}" if session_id.isprintable() and " " not in session_id else ""
        hints = ["explain ID", *([typed] if typed and not stopped else [])]
        print(f"\n{paint(' · '.join(map(command, hints)), DIM)}")
    return verdict(totals, covered, limit)


def measures_of(found: SessionDetail) -> Measures:
    """Return the session's sums as others are shown."""
    sums = found.sums
    return Measures(
        calls=sums.calls,
        errors=sums.errors,
        unpriced_calls=sums.unpriced_calls,
        estimated_calls=sums.estimated_calls,
        cost_pico=int(sums.cost_pico),
        charge_pico=int(sums.charge_pico),
        input_tokens=sums.input_tokens,
        cache_read_input_tokens=sums.cache_read_input_tokens,
        cache_creation_input_tokens=sums.cache_creation_input_tokens,
        output_tokens=sums.output_tokens,
        reasoning_output_tokens=sums.reasoning_output_tokens,
    )


def render(found: SessionDetail, totals: Measures, calls: int, tz: str | None) -> str:
    """Return the session as the terminal shows it."""
    zone = zone_named(tz)
    first, last = (datetime.fromisoformat(each).astimezone(zone) for each in (found.first_at, found.last_at))
    errors = f" · {count(totals.errors, 'error')}" if totals.errors else ""
    cached = share(totals.cache_read_input_tokens, totals.input_tokens)
    whole = money(totals, covered=found.coverage.complete)
    stopped = f"  {paint('stopped', YELLOW)}" if found.stopped else ""
    shown = [
        f"{paint(f'{clean(found.session)}  {whole}', BOLD)}{stopped}",
        f"{first:%Y-%m-%d %H:%M:%S} to {last:%H:%M:%S} ({zone}), {_duration(found.duration_us)}",
        f"{count(totals.calls, 'call')}{errors} · {totals.input_tokens:,} tokens in ({cached} cached) · "
        f"{totals.output_tokens:,} out",
    ]
    shown += [*_growth(found), "", _tree(found, calls)]
    shown += _again(found)
    if found.truncated:
        shown.append(f"Only the first {len(found.turns):,} calls are looked at one by one; sums have all.")
    return "\n".join(shown)


def _growth(found: SessionDetail) -> list[str]:
    """Return how the context of the agent with the most calls grew, and how much of it a cache had."""
    by_agent: dict[str | None, list[Turn]] = {}
    for turn in found.turns:
        if turn.call.input_tokens:
            by_agent.setdefault(turn.agent, []).append(turn)
    most: list[Turn] = max(by_agent.values(), key=len) if by_agent else []
    if len(most) < 2 or not can_show():
        return []
    sizes = [turn.call.input_tokens for turn in most]
    whose = f" of {clean(most[0].agent)}" if most[0].agent and len(by_agent) > 1 else ""
    label, note = f"context{whose} ", f" {sizes[0]:,} → {max(sizes):,} tokens"
    width = max(min(terminal_width() - len(label) - len(note), _BLOCKS_MAX), 4)
    lines = [f"{paint(label, DIM)}{_peaks(sizes, width)}{paint(note, DIM)}"]
    hits = [turn.cache_read_permille or 0 for turn in most]
    label = "cached".ljust(len(label))
    read = sum(turn.call.cache_read_input_tokens for turn in most)
    lines.append(f"{paint(label, DIM)}{_peaks(hits, width)}{paint(f' {share(read, sum(sizes))}', DIM)}")
    return lines


def _peaks(values: Sequence[int], width: int) -> str:
    """Return a chart of sizes, which are not added up where there are too many: the largest of each few."""
    size = -(-len(values) // width)
    return sparkline([max(values[at : at + size]) for at in range(0, len(values), size)])


def _tree(found: SessionDetail, calls: int) -> str:
    columns = [
        Column("agent, step, call", width_max=52, width_min=18),
        Column("id", drop=3),
        Column("in", right=True),
        Column("grown", right=True, drop=2),
        Column("cached", right=True, drop=1),
        Column("out", right=True, drop=4),
        Column("cost", right=True),
        *([Column("of all", drop=9)] if can_show() else []),
    ]
    whole = int(found.sums.cost_pico)
    depth: dict[int, int] = {}
    rows: list[list[str]] = []
    for node in found.nodes:
        level = depth[node.id] = 0 if node.parent is None else depth[node.parent] + 1
        rows.append(_node_cells(node, level, whole))
        own = [turn for turn in found.turns if turn.node == node.id]
        shown = own[-calls:] if calls > 0 else []
        if len(own) > len(shown) and calls > 0:
            left = own[: len(own) - len(shown)]
            rows.append([f"{_indent(level + 1)}{count(len(left), 'earlier call')}", *[""] * 7])
        rows += [_turn_cells(turn, level + 1) for turn in shown]
    return table(columns, [row[: len(columns)] for row in rows])


def _node_cells(node: SessionNode, level: int, whole: int) -> list[str]:
    name = clean(node.name) if node.name else "(no agent)"
    cost = int(node.sums.cost_pico)
    bound = "≥ " if node.sums.unpriced_calls else ""
    return [
        f"{_indent(level)}{name}  {count(node.sums.calls, 'call')}",
        "",
        f"{node.sums.input_tokens:,}",
        "",
        share(node.sums.cache_read_input_tokens, node.sums.input_tokens),
        f"{node.sums.output_tokens:,}",
        f"{bound}{display_usd(cost)}",
        f"{share(cost, whole):>5} {bar(cost, whole, 8)}",
    ]


def _turn_cells(turn: Turn, level: int) -> list[str]:
    call = turn.call
    grown = "" if turn.input_growth is None else f"{turn.input_growth:+,}"
    failed = f" {call.status}" if call.status >= 400 else ""
    return [
        f"{_indent(level)}{turn.number}. {clean(call.model or '–')}{failed}",
        short_id(call.event_id),
        f"{call.input_tokens:,}",
        grown,
        "" if turn.cache_read_permille is None else f"{turn.cache_read_permille // 10} %",
        f"{call.output_tokens:,}",
        call_money(None if call.cost_pico is None else int(call.cost_pico), call.cost_state),
        "",
    ]


def _again(found: SessionDetail) -> list[str]:
    """Return which calls sent the most again that no cache had."""
    lines: list[str] = []
    for at in found.sent_again[:AGAIN_SHOWN]:
        turn = found.turns[at]
        paid = "" if turn.sent_again_pico is None else f", {display_usd(int(turn.sent_again_pico))}"
        lines.append(
            f"{paint('!', YELLOW)} call {turn.number} of {clean(turn.agent or 'the session')} sent up to "
            f"{turn.sent_again_tokens:,} tokens again that no cache had{paid}: {short_id(turn.call.event_id)}"
        )
    return ["", *lines] if lines else []


def _indent(level: int) -> str:
    return "  " * level


def _duration(us: int) -> str:
    seconds = us // 10**6
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    return f"{hours}h {minutes}m" if hours else f"{minutes}m {seconds % 60}s" if minutes else f"{seconds}s"
