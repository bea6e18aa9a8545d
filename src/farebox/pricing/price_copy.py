"""A copy of everything a price book is made of besides the catalog, for a program that is elsewhere.

The copy has the layout of a state directory, so the same reading makes the same book of it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from farebox.home import replace_private
from farebox.pricing.sources import price_folder, price_updates
from farebox.yamltext import parse

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.pricing.book import PriceBook

_SECTIONS = "sections.json"
_LIST = "00000001" + ".prices.json"
TERMS = "terms.json"
"""The file of a stored copy that has its `terms`."""


class PriceCopy(msgspec.Struct, frozen=True, kw_only=True):
    """What one Farebox rates with."""

    sections: dict[str, Any] = {}
    """`pricing`, `contracts` and the working directory's `pricing` (`directory`), as they are written."""
    files: dict[str, str] = {}
    """Those of `prices.d`, by name."""
    fetched: str | None = None
    """The newest list that was fetched."""
    terms: str = "{}"
    """Customers' plans and what names stand for, as JSON (`farebox.charges.customer_terms`)."""

    @property
    def digest(self) -> str:
        """Identifies the content."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:32]


def copy_of(state: Path, config: Config, terms: str = "{}") -> PriceCopy:
    """Return a copy of what the Farebox with this state directory and configuration rates with.

    Raises:
        OSError: A file cannot be read.
    """
    nodes = {
        "pricing": config.pricing,
        "contracts": config.contracts,
        "directory": config.directory_pricing,
    }
    snapshots = price_updates.snapshots(state)
    return PriceCopy(
        sections={name: node.plain() for name, node in nodes.items() if node is not None},
        files={path.name: path.read_text(encoding="utf-8") for path in price_folder.price_files(state)},
        fetched=snapshots[-1].read_text(encoding="utf-8") if snapshots else None,
        terms=terms,
    )


def store(copy: PriceCopy, folder: Path) -> None:
    """Write a copy into a folder of its own, which does not change afterwards.

    Raises:
        OSError: It cannot be written.
    """
    files = {f"prices.d/{Path(name).name}": text for name, text in copy.files.items()}
    if copy.fetched is not None:
        files[f"prices/{_LIST}"] = copy.fetched
    files[TERMS] = copy.terms
    files[_SECTIONS] = json.dumps(copy.sections)  # last: with it the copy is whole
    for name, text in files.items():
        path = folder.joinpath(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_private(path, text.encode())


def book_of(folder: Path, cache: Path) -> PriceBook:
    """Return the book of a stored copy.

    Raises:
        FileNotFoundError: There is no whole copy.
        FindingsError: It is not valid here, as it may be where Fareboxes have different releases.
    """
    from farebox.pricing import load_book

    sections = folder.joinpath(_SECTIONS)
    root, _ = parse(sections.read_text(encoding="utf-8"), str(sections))
    found = {} if root is None else dict(root.items())
    return load_book(
        found.get("pricing"),
        cache,
        contracts=found.get("contracts"),
        directory=found.get("directory"),
        state=folder,
    )
