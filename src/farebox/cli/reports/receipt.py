"""Receipts: one call's sum line by line, and what one run spent."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from farebox.analytics.dimensions import UNPRICED, is_error
from farebox.analytics.query import Measures
from farebox.cli.screen import BOLD, DIM, Column, call_money, clean, count, money, paint, table
from farebox.clock import iso
from farebox.config import Config
from farebox.errors import FareboxError, LedgerUnwritableError
from farebox.home import Home
from farebox.ledger.call_row import CallRow, CorrectionRow, EstimateRow, PartRow, WitnessRow
from farebox.money import display_usd, usd_text
from farebox.pricing.facts import CostLine
from farebox.program import command
from farebox.server.api.coverage.recording import Recording

if TYPE_CHECKING:
    from farebox.ledger.calls import LedgerReader

SETTLE_SECONDS = 2.0
"""A running ledger process is behind by milliseconds; other programs' traffic must not delay the receipt."""


def print_run_receipt(home: Home, config: Config, session: str, started_ns: int, recorded: Recording) -> None:
    """Print on standard error what a session spent; never fail the command that ran."""
    try:
        text = run_receipt(home, config, session, started_ns, recorded)
    except Exception as error:  # whatever fails here, the command's own exit status is returned
        why = str(error) if isinstance(error, FareboxError) else f"{type(error).__name__}: {error}"
        said = "the calls are recorded" if recorded.complete else str(recorded.words)
        text = f"farebox: {said}; the sum cannot be shown: {clean(why)}"
    print(text, file=sys.stderr)


def run_receipt(
    home: Home, config: Config, session: str, started_ns: int, recorded: Recording | None = None
) -> str:
    """Return what a session spent since `started_ns`: a line a model, the total, and what it lacks.

    `recorded` is how the journal of its own proxy was at the end.
    """
    from farebox.ledger import catch_up
    from farebox.ledger.calls import LedgerReader
    from farebox.server.api.coverage.coverage import coverage, warnings

    ledger = LedgerReader(home)
    try:
        catch_up(home, config)
    except LedgerUnwritableError as error:
        ledger.trouble = str(error)
    wait_until_applied(ledger, SETTLE_SECONDS)  # where a ledger process runs, it applies them
    since = iso(started_ns)
    calls = [call for call in ledger.of_session(session) if call.occurred_at >= since]
    totals = measured(calls)
    own = recorded or Recording(state="ok")
    found = coverage(home, ledger, started_ns, proxy=own)
    # A connection to an unknown address matters only if it may explain why nothing was metered.
    unseen = [
        entry.words for entry in own.unmetered if not (totals.calls and entry.reason == "direct_unknown")
    ]
    lacks = [f"farebox: {clean(line)}" for line in (*warnings(found), *unseen)]
    if not totals.calls and not found.complete:
        return "\n".join(["farebox: no calls are recorded, and there may have been some.", *lacks])
    if not totals.calls and unseen:
        return "\n".join(["farebox: no calls metered.", *lacks])
    if not totals.calls:
        return (
            "farebox: no calls seen. The command may set its base URL in code: "
            "point it at the variable farebox set, as OPENAI_BASE_URL."
        )
    lines = [""]
    models: dict[str, list[CallRow]] = {}
    for call in calls:
        models.setdefault(call.response_model or call.request_model or "–", []).append(call)
    groups = sorted(
        ((model, measured(some)) for model, some in models.items()), key=lambda each: -each[1].cost_pico
    )
    columns = [
        Column("farebox", width_max=48, width_min=20),
        *(
            Column(title, right=True, drop=drop)
            for title, drop in (("calls", 0), ("in", 1), ("out", 1), ("cost", 0))
        ),
    ]
    rows = [
        [
            model,
            f"{sums.calls:,}",
            f"{sums.input_tokens:,}",
            f"{sums.output_tokens:,}",
            money(sums),
        ]
        for model, sums in groups
    ]
    lines.append(table(columns, rows))
    whole = money(totals, covered=found.complete)
    summed = f"{paint(whole, BOLD, sys.stderr)} in {count(totals.calls, 'call')}"
    if totals.errors:
        summed += f", {count(totals.errors, 'error')}"
    lines.append(f"{summed} · {paint(command(f'tail --session {session}'), DIM, sys.stderr)}")
    return "\n".join([*lines, *lacks])


def measured(calls: Sequence[CallRow]) -> Measures:
    """Return the sums over calls of the record: a receipt needs no replica."""
    return Measures(
        calls=len(calls),
        errors=sum(is_error(call.status, call.outcome) for call in calls),
        unpriced_calls=sum(call.cost_state in UNPRICED for call in calls),
        estimated_calls=sum(call.cost_state == "estimated" for call in calls),
        cost_pico=sum(call.cost_pico or 0 for call in calls),
        charge_pico=sum(call.charge_pico or 0 for call in calls),
        input_tokens=sum(call.input_tokens for call in calls),
        cache_read_input_tokens=sum(call.cache_read_input_tokens for call in calls),
        cache_creation_input_tokens=sum(call.cache_creation_input_tokens for call in calls),
        output_tokens=sum(call.output_tokens for call in calls),
        reasoning_output_tokens=sum(call.reasoning_output_tokens for call in calls),
    )


def wait_until_applied(ledger: LedgerReader, seconds: float) -> bool:
    """Wait until the ledger holds what the journals do; tell whether it does."""
    deadline = time.monotonic() + seconds
    while ledger.health().journal_bytes_pending:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def call_receipt(call: CallRow, key_labels: Mapping[str, str] | None = None) -> str:
    """Return a call's receipt: each quantity × unit price = amount, and where the price is from.

    `key_labels` are the names that keys have now, by fingerprint: a key that was named later shows its name.
    """
    model = clean(call.response_model or call.request_model or "–")
    lines = [
        paint(f"{model}  {call_money(call.cost_pico, call.cost_state)}", BOLD),
        f"{call.occurred_at} · {clean(call.provider)} · {clean(call.surface)} · status {call.status}"
        f" · {call.outcome}",
        f"id {call.event_id}" + (f" · response {clean(call.response_id)}" if call.response_id else ""),
        f"{call.total_us // 1000:,} ms, first byte {call.first_byte_us // 1000:,} ms · "
        f"usage {call.completeness}"
        + (f" ({clean(call.completeness_reason)})" if call.completeness_reason else ""),
    ]
    attributed = {name: value for name, value in call.attribution.items() if name != "key_label"}
    if attributed:
        stated = ", ".join(
            f"{clean(name)} {clean(value)}{_source(call, name)}" for name, value in sorted(attributed.items())
        )
        lines.append(stated)
    if call.key_fingerprint:
        label = (key_labels or {}).get(call.key_fingerprint) or call.attribution.get("key_label")
        lines.append(clean(f"key {call.key_fingerprint} {label}" if label else f"key {call.key_fingerprint}"))
    if not call.billable:
        lines.append(f"not billable: {clean(call.not_billable_because)}")
    for part in call.parts:
        lines += ["", *_part_lines(part, several=len(call.parts) > 1)]
    lines += ["", _sum_line(call)]
    if call.charge_pico is not None and call.charge_pico != call.cost_pico:
        lines.append(f"customer's price {_exact(call.charge_pico)}{_markup(call)}")
    if call.estimate is not None:
        lines.append(_bounds(call.estimate))
    lines += [_correction(each) for each in call.corrections]
    if call.witnesses:
        lines += ["", "seen by", *[_witness(each) for each in call.witnesses]]
    if call.flags:
        lines.append(f"flags: {', '.join(clean(flag) for flag in call.flags)}")
    return "\n".join(lines)


def _witness(seen: WitnessRow) -> str:
    """Return how one witness saw a call, and where it says something else than what counts."""
    usage = "no usage"
    if seen.input_tokens is not None:
        usage = f"{seen.input_tokens:,} in, {seen.output_tokens:,} out ({seen.completeness})"
    line = f"  {clean(seen.kind)} ({clean(seen.source)}) at {seen.occurred_at}: {usage}"
    return f"{line}; says {clean(', '.join(seen.disagrees))}" if seen.disagrees else line


def _source(call: CallRow, name: str) -> str:
    """Return where an attribution is from, nothing for what was found out about the process itself."""
    source = call.attribution_from.get(name)
    return f" ({clean(source)})" if source else ""


def _bounds(found: EstimateRow) -> str:
    low, high = found.cost_low_pico, found.cost_high_pico
    money = "" if low is None else f"{_span(_exact(low), None if high is None else _exact(high))}, "
    return (
        f"estimated ({clean(found.method)}): {money}"
        f"{_tokens(found.input_tokens_low, found.input_tokens_high)} tokens in, "
        f"{_tokens(found.output_tokens_low, found.output_tokens_high)} out"
    )


def _tokens(low: int, high: int | None) -> str:
    return _span(f"{low:,}", None if high is None else f"{high:,}")


def _span(low: str, high: str | None) -> str:
    return f"{low} or more" if high is None else f"{low} to {high}"


def _correction(found: CorrectionRow) -> str:
    before = call_money(found.was_cost_pico, found.was_cost_state)
    after = call_money(found.cost_pico, found.cost_state)
    return f"corrected {found.recorded_at} ({found.kind}): {before} → {after} · {clean(found.because)}"


def _part_lines(part: PartRow, *, several: bool) -> list[str]:
    lines = [f"part: {clean(part.kind)}"] if several else []
    columns = [
        Column("quantity", right=True),
        Column("unit", width_min=12),
        Column("× unit price", right=True),
        Column("= amount", right=True),
        Column("price", drop=1, width_max=80),
        Column("valid from", drop=2),
        Column("source", drop=3),
    ]
    if part.lines:
        lines.append(table(columns, [_line_cells(line) for line in part.lines]))
    if part.provider_cost_usd is not None:
        lines.append(f"the provider itself states ${part.provider_cost_usd:f}")
    if part.cost_reason:
        lines.append(f"{part.cost_state}: {clean(part.cost_reason)}")
    return lines


def _line_cells(line: CostLine) -> list[str]:
    return [
        f"{line.quantity:,}",
        line.unit,
        "no price" if line.list_unit_price_usd is None else f"${line.list_unit_price_usd:f}",
        "unpriced" if line.amount_pico is None else _exact(line.amount_pico),
        line.price_id or "–",
        line.effective_from or ("the beginning" if line.price_id else "–"),
        line.price_source or "–",
    ]


def _sum_line(call: CallRow) -> str:
    if call.cost_pico is None:
        return f"total: {call.cost_state}"
    more = ""
    if call.list_cost_pico is not None and call.list_cost_pico != call.cost_pico:
        more = f" (by list price {_exact(call.list_cost_pico)})"
    bound = "≥ " if call.cost_state in ("unpriced", "unknown") else ""
    return f"total {bound}{_exact(call.cost_pico)} · {call.cost_state}{more}"


def _markup(call: CallRow) -> str:
    markups = {part.markup for part in call.parts if part.markup is not None}
    return f" (× {markups.pop():f})" if len(markups) == 1 else ""


def _exact(amount: int) -> str:
    shown, exact = display_usd(amount), f"${usd_text(amount)}" if amount >= 0 else f"-${usd_text(-amount)}"
    return exact if len(exact) <= len(shown) + 6 else shown
