"""Open the ledger for reading, after applying what waits in the journals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.cli.options import Place
from farebox.home import Home

if TYPE_CHECKING:
    from farebox.ledger.reader import LedgerReader


def open_ledger(place: Place) -> tuple[Home, LedgerReader]:
    """Return the state directory and its ledger, up to date whether or not a daemon runs."""
    from farebox.ledger import catch_up
    from farebox.ledger.reader import LedgerReader

    home = place.state()
    catch_up(home, place.configuration(home))  # a running ledger process has done it, or does at once
    return home, LedgerReader(home)
