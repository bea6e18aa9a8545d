"""Take erased values out of everything that alerts keep, before the record forgets them.

It is done first: a process that is killed between the two finds the request again, and the values.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from farebox.alerts.erasure_sql import Erased, forget
from farebox.control.outbox.enqueue_sql import writing
from farebox.errors import ControlError
from farebox.ledger.alerting.sums_file import FILE, remove_sums
from farebox.ledger.append.dictionaries import erased_name

if TYPE_CHECKING:
    from farebox.home import Home
    from farebox.ledger.append.dictionaries import PersonalRow

log = logging.getLogger("farebox.ledger")


def forget_in_alerts(home: Home, values: Sequence[PersonalRow]) -> None:
    """Take values out of sums, states, history and messages, for the one process that writes them."""
    remove_sums(home.path / FILE)  # made anew of the record; where no alert is left, by nobody
    forget_in_history(home, values)


def forget_in_history(home: Home, values: Sequence[PersonalRow]) -> None:
    """Take values out of states, history and messages; what cannot be written now is logged.

    The record does not wait for `control.db`: whoever asked for the erasure does this once more, and is
    told where a value is left.
    """
    if not home.control.exists():
        return
    erased = [Erased(each.field, each.value, erased_name(each.number)) for each in values]
    try:
        with writing(home) as control:
            forget(control, erased)
    except ControlError as error:
        log.warning("what was erased is still in the history of alerts: %s", error)
