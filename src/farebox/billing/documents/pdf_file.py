"""A document as PDF, laid out by typst: the extra `farebox[pdf]`.

The layout is `document.typ`, the same for every document; what differs arrives as data. Only the fonts that
come with typst are used, and those of the folder that `billing: {fonts: …}` names, so the same document is
the same bytes on every machine.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from farebox.billing.documents.missing_characters import missing_characters
from farebox.billing.documents.page import Page
from farebox.errors import NotInstalledError
from farebox.installation import PDF, install_command

_NS = 10**9


def pdf_file(page: Page, logo: bytes, fonts: str | None, made_at_ns: int) -> bytes:
    """Return the document as PDF.

    Raises:
        NotInstalledError: typst is not installed.
    """
    return _compiled(page, logo, fonts, made_at_ns, "pdf")


def png_pages(page: Page, logo: bytes, fonts: str | None, made_at_ns: int, ppi: int = 110) -> list[bytes]:
    """Return the document's pages as pictures, to look at; raises what `pdf_file` does."""
    made: bytes | list[bytes] = _compiled(page, logo, fonts, made_at_ns, "png", ppi=ppi)
    return [made] if isinstance(made, bytes) else made


def lacking(page: Page, fonts: str | None) -> str:
    """Return the characters of the document that no font at hand has; raises what `pdf_file` does."""
    return missing_characters(page, _typst(), fonts)


def _typst() -> Any:
    try:
        import typst  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
    except ModuleNotFoundError:
        raise NotInstalledError(
            f"PDF files need typst, which is not installed; type: {install_command(PDF)}"
        ) from None
    return typst


def _compiled(
    page: Page, logo: bytes, fonts: str | None, made_at_ns: int, format: str, **options: Any
) -> Any:
    return _typst().compile(
        files("farebox.billing.documents").joinpath("document.typ").read_bytes(),
        format=format,
        sys_inputs={
            "page": msgspec.json.encode(page).decode(),
            "logo": msgspec.json.encode(list(logo)).decode(),
        },
        font_paths=[Path(fonts)] if fonts else [],
        ignore_system_fonts=True,
        timestamp=made_at_ns // _NS,
        **options,
    )
