"""`farebox explain INV-000007/3`: an invoice line, down to its calls."""

from __future__ import annotations

import msgspec

from farebox.billing.explanation.explanation import Explanation
from farebox.cli.access import open_ledger, open_questions
from farebox.cli.exits import ANSWER_IS_NO, OK
from farebox.cli.options import Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import BOLD, Column, clean, count, paint, table
from farebox.errors import InvoiceNotFoundError
from farebox.home import Home
from farebox.money import display_usd
from farebox.program import command

CALLS_PRINTED = 50


class LineExplanationAnswer(msgspec.Struct, kw_only=True):
    """`farebox explain INVOICE/LINE --json`."""

    schema: str = "farebox.invoice-line/1"
    explanation: Explanation


def explain_line(named: str, place: Place, *, as_json: bool) -> int:
    """Print a line's arithmetic and its calls; status 1 where these do not add up to it."""
    home, ledger = open_ledger(place)
    ledger.close()
    found = explanation_of(home, named)
    if as_json:
        print_json(LineExplanationAnswer(explanation=found))
    else:
        print(rendered(found))
    return ANSWER_IS_NO if found.adds_up is False else OK


def explanation_of(home: Home, named: str) -> Explanation:
    """Return the explanation of a line of a final invoice, named `INVOICE/LINE`.

    Raises:
        InvoiceNotFoundError: There is no such invoice or line.
    """
    from farebox.billing.explanation.explanation import explained, line_of
    from farebox.control.database import open_control

    if not home.control.exists():
        raise InvoiceNotFoundError(f"there is no invoice yet; see: {command('invoices run', home)}")
    with open_control(home).reading() as connection:
        line = line_of(connection, named)
    with open_questions(home) as questions:
        return explained(home, questions, line)


def rendered(found: Explanation) -> str:
    """Return the explanation as the terminal shows it."""
    line = found.line
    said = [f"{paint(clean(line.title), BOLD)}, plan {clean(line.plan)} version {line.plan_version}"]
    said += [f"  {clean(each)}" for each in found.arithmetic]
    if found.calls:
        columns = [
            Column("call"),
            Column("when", drop=2),
            Column("model", drop=1, width_min=10),
            Column("quantity", right=True),
            Column("cost", right=True),
        ]
        rows = [
            [
                each.event_id,
                each.occurred_at[:19],
                clean(each.model),
                f"≥ {each.quantity}" if each.is_unpriced else each.quantity,
                "unpriced" if each.is_unpriced else display_usd(each.cost_pico),
            ]
            for each in found.calls[:CALLS_PRINTED]
        ]
        said.append(table(columns, rows))
        if len(found.calls) > CALLS_PRINTED:
            said.append(f"and {count(len(found.calls) - CALLS_PRINTED, 'call')} more (--json has them)")
        said.append(f"{count(len(found.calls), 'call')}: {_sum(found)}")
    if found.outcomes:
        columns = [
            Column("outcome"),
            Column("when", drop=2),
            Column("name", width_min=10),
            Column("task", drop=1),
            Column("quantity", right=True),
        ]
        rows = [
            [each.event_id, each.occurred_at[:19], clean(each.outcome), clean(each.task), each.quantity]
            for each in found.outcomes[:CALLS_PRINTED]
        ]
        said.append(table(columns, rows))
        if len(found.outcomes) > CALLS_PRINTED:
            more = count(len(found.outcomes) - CALLS_PRINTED, "outcome")
            said.append(f"and {more} more (--json has them)")
        said.append(f"{count(len(found.outcomes), 'outcome')}: {_sum(found)}")
    if found.adds_up is False:
        said.append(f"That is not the line's quantity, {line.quantity}.")
    return "\n".join(said)


def _sum(found: Explanation) -> str:
    """Return what calls or outcomes come to: as they were counted, and as the line charges them."""
    unit = found.line.unit or ""
    charged = f"{found.quantity} {unit}".rstrip()
    if found.counted is None or found.counted_unit in (None, unit):
        return charged
    return f"{found.counted} {found.counted_unit}, which are {charged}"
