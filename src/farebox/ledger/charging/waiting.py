"""Wait until the calls of the record say what is published of customers, with its progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from farebox.ledger.charging.following import Progress, progress_of
from farebox.ledger.charging.published import published_terms
from farebox.ledger.database import open_reader

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.home import Home

_LOOK_EVERY_S = 0.1


def bring_up_to_date(
    home: Home, config: Config, told: Callable[[Progress], None], *, timeout_s: float = 3_600
) -> bool:
    """Have mappings and plans that were just published applied to the calls of the record.

    Where a ledger process runs, it does that, and `told` hears how far it is. Returns whether it is done.
    """
    from farebox.ledger import catch_up

    terms = published_terms(home, config)()
    deadline = time.monotonic() + timeout_s
    while True:
        catch_up(home, config)  # does nothing while a ledger process runs, and goes on where one has ended
        connection = open_reader(home)
        if connection is None:
            return True
        try:
            progress = progress_of(connection, terms)
        finally:
            connection.close()
        if progress is None:
            return True
        told(progress)
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
