"""Text in CSV files that a spreadsheet opens."""

from __future__ import annotations

from decimal import Decimal

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
"""What spreadsheets take for the start of a formula or of a command, full-width forms included:
https://owasp.org/www-community/attacks/CSV_Injection."""

_SKIPPED = " \u00a0\u200b\u200c\u200d\u2060\ufeff\x00"
"""What some of them skip before they look."""


def inert(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula; numbers stay numbers."""
    if text.lstrip(_SKIPPED).startswith(_FORMULA_STARTS) and not _is_number(text):
        return f"'{text}"
    return text


def cell(value: str | int | Decimal | bool | None) -> str:
    """Return one value as CSV text; nothing is the empty text, a number is never quoted."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return inert(value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _is_number(text: str) -> bool:
    digits = text[1:] if text[:1] in ("+", "-") else text
    whole, _, fraction = digits.partition(".")
    return (
        whole.isascii() and whole.isdigit() and (not fraction or (fraction.isascii() and fraction.isdigit()))
    )
