"""A payee's statement as text for people and as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime

from farebox.billing.documents.amounts import amount_shown, amount_text, counted
from farebox.billing.payees.statements import Statement
from farebox.plain_text import line as plain
from farebox.spreadsheets import inert

COLUMNS = (
    *("payee", "at", "document", "customer", "line", "title"),
    *("percent", "currency", "line_amount", "share_amount", "unpriced_calls"),
)


def statement_csv(found: Sequence[Statement]) -> str:
    """Return a row for each line of the statements; no text is taken for a formula."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for each in found:
        for line in each.lines:
            texts = (each.payee.id, line.at, line.document, line.customer, line.line, line.title)
            amounts = (amount_text(amount, each.exponent) for amount in (line.line_minor, line.share_minor))
            said = [inert(plain(text)) for text in texts]
            writer.writerow([*said, line.percent, each.currency, *amounts, line.unpriced_calls])
    return written.getvalue()


def statement_text(said: Statement) -> str:
    """Return one statement as text: who it is for, line by line, and what is owed."""

    def shown(minor: int, unpriced_calls: int = 0) -> str:
        return f"{'≥ ' if unpriced_calls else ''}{amount_shown(minor, said.exponent)} {said.currency}"

    known = (said.payee.name or said.payee.id, said.payee.address, said.payee.email)
    to = [plain(text) for text in known if text]
    rows = [
        (
            line.at[:10],
            plain(line.document),
            plain(line.title, 60),
            f"{line.percent} % of {shown(line.line_minor, line.unpriced_calls)}" if line.percent else "",
            shown(line.share_minor, line.unpriced_calls),
        )
        for line in said.lines
    ]
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(5)]
    body = [
        "  ".join(
            cell.rjust(width) if at == 4 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(
        [
            f"Statement of shares, {_day(said.from_ns)} to {_day(said.until_ns - 1)}",
            *to,
            "",
            f"Owed before: {shown(said.opening_minor)}",
            *body,
            f"This period: {shown(said.total_minor, said.unpriced_calls)}",
            f"Owed now: {shown(said.closing_minor, said.unpriced_calls)}",
            *_at_least(said),
            "",
        ]
    )


def _at_least(said: Statement) -> list[str]:
    if not said.unpriced_calls:
        return []
    are = "has" if said.unpriced_calls == 1 else "have"
    return [f"{counted(said.unpriced_calls, 'call')} {are} no price yet: ≥ is at least."]


def _day(moment_ns: int) -> str:
    return f"{datetime.fromtimestamp(moment_ns // 10**9, UTC):%Y-%m-%d}"
