"""A document as one HTML file: nothing is loaded from elsewhere, it prints on pages, no script runs in it."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from importlib.resources import files

from farebox.billing.documents.page import Page, Row, RowGroup, Total
from farebox.config.billing_section import IMAGE_STARTS

_PARTS = ("Part", "Quantity", "Exact amount")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_STYLE = files("farebox.billing.documents").joinpath("document.css").read_text("utf-8")


def html_file(page: Page, logo: bytes) -> str:
    """Return the document as HTML."""
    name = " ".join(part for part in (page.kind, page.number) if part)
    return "".join(
        [
            f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(name)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n",
            _head(page, logo),
            _parties(page),
            f'<p class="headline"><span class="soft">{_text(page.headline.label)}</span> '
            f"<strong>{_text(page.headline.text)}</strong></p>\n",
            _lines(page),
            _end(page),
            _statements(page),
            _details(page),
            _foot(page),
            "</body>\n</html>\n",
        ]
    )


def _text(text: str) -> str:
    """Return text of others: escaped, and isolated so that its reading direction stays its own."""
    return f"<bdi>{escape(text)}</bdi>"


def _rows_of(lines: list[str]) -> str:
    return "<br>".join(_text(each) for each in lines)


def _head(page: Page, logo: bytes) -> str:
    picture = ""
    kind = next((kind for start, kind in IMAGE_STARTS.items() if logo.startswith(start)), None)
    if kind is not None:
        picture = f'<img class="logo" alt="" src="data:image/{kind};base64,{b64encode(logo).decode()}">\n'
    name = f'<p class="name">{_text(page.seller[0])}</p>\n' if page.seller else ""
    rest = f'<p class="soft">{_rows_of(page.seller[1:])}</p>\n' if page.seller[1:] else ""
    banner = f'<p class="banner">{_text(page.banner)}</p>\n' if page.banner else ""
    return (
        f'<header>\n<div class="seller">\n{picture}{name}{rest}</div>\n'
        f'<div class="what">\n<h1>{_text(page.kind)}</h1>\n{banner}</div>\n</header>\n'
    )


def _parties(page: Page) -> str:
    facts = "".join(f"<dt>{_text(fact.label)}</dt><dd>{_text(fact.text)}</dd>\n" for fact in page.facts)
    return (
        '<div class="parties">\n<div>\n<p class="label">Billed to</p>\n'
        f'<p class="name">{_rows_of(page.bill_to[:1])}</p>\n<p>{_rows_of(page.bill_to[1:])}</p>\n</div>\n'
        f"<dl>\n{facts}</dl>\n</div>\n"
    )


def _lines(page: Page) -> str:
    heads = "".join(f'<th scope="col" class="label">{_text(name)}</th>' for name in page.columns)
    body = "".join(_group(group) for group in page.groups)
    widths = (
        '<colgroup><col><col style="width: 20%"><col style="width: 15%"><col style="width: 18%"></colgroup>'
    )
    return f"<table>\n{widths}\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _group(group: RowGroup) -> str:
    if not group.title:
        return "".join(_row(row, "last") for row in group.rows)
    head = (
        f'<tr class="charge"><th scope="rowgroup" colspan="3">{_text(group.title)}</th>'
        f"<td>{_text(group.amount)}</td></tr>\n"
    )
    last = len(group.rows) - 1
    rows = [_row(row, "inside last" if at == last else "inside") for at, row in enumerate(group.rows)]
    return head + "".join(rows)


def _row(row: Row, kind: str) -> str:
    notes = "".join(f'<span class="note">{_text(note)}</span>' for note in row.notes)
    unit = f'<span class="unit">{_text(row.unit)}</span>' if row.unit else ""
    return (
        f'<tr class="{kind}"><td>{_text(row.title)}{notes}</td><td>{_text(row.quantity)}{unit}</td>'
        f"<td>{_text(row.unit_price)}</td><td>{_text(row.amount)}</td></tr>\n"
    )


def _end(page: Page) -> str:
    sums = "".join(
        f'<tr class="{_weight(total)}"><td>{_text(total.label)}</td><td>{_text(total.amount)}</td></tr>\n'
        for total in page.totals
    )
    terms = f'<p class="label">Payment terms</p>\n<p>{_text(page.terms)}</p>\n' if page.terms else ""
    return f'<div class="end">\n<div>\n{terms}</div>\n<table class="sums">\n{sums}</table>\n</div>\n'


def _weight(total: Total) -> str:
    return "strong" if total.strong else "part"


def _statements(page: Page) -> str:
    if not page.statements:
        return ""
    said = "".join(f"<p>{_text(each)}</p>\n" for each in page.statements)
    return f'<div class="statements">\n<p class="label">Please note</p>\n{said}</div>\n'


def _details(page: Page) -> str:
    if not page.details:
        return ""
    body: list[str] = []
    for group in page.details:
        unit = f' <span class="soft">in {_text(group.unit)}</span>' if group.unit else ""
        body.append(
            f'<tr class="charge"><th scope="rowgroup" colspan="3">{_text(group.title)}{unit}</th></tr>\n'
        )
        for part, quantity, exact in group.rows:
            cells = f"<td>{_text(part)}</td><td>{_text(quantity)}</td><td>{_text(exact)}</td>"
            body.append(f'<tr class="last">{cells}</tr>\n')
    left_out = (
        f'<p class="soft">{page.details_left_out:,} more parts are in the CSV and JSON files.</p>\n'
        if page.details_left_out
        else ""
    )
    heads = "".join(f'<th scope="col" class="label">{name}</th>' for name in _PARTS)
    return (
        '<section class="details">\n<h2>Usage details</h2>\n<p class="soft">What the lines above are made '
        "of, before rounding and before discounts of the whole invoice. For information.</p>\n"
        f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{''.join(body)}</tbody>\n</table>\n"
        f"{left_out}</section>\n"
    )


def _foot(page: Page) -> str:
    footer = f'<p class="soft">{_text(page.footer)}</p>\n' if page.footer else ""
    return f'<footer>\n{footer}<p class="proof">{_rows_of(page.proof)}</p>\n</footer>\n'
