"""Erase values that name persons from everything that Farebox keeps.

First from what is to be sent, then from the record, then once more from what came in between. A process
that is killed leaves the value where the next attempt finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from farebox.alerts.erasure_sql import Erased
from farebox.ledger import erasure
from farebox.ledger.alerting.forgetting import forget_in_history
from farebox.ledger.append.dictionaries import PersonalRow, erased_name
from farebox.ledger.erasure import PersonalValue

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.home import Home

NAMELESS = "(erased)"
"""Stands for a value that the record does not have, or no longer."""


def erase(
    home: Home,
    config: Config,
    wanted: Sequence[tuple[str, str]],
    found: Sequence[PersonalValue],
    actor: str,
    now_ns: int,
    timeout_s: float,
) -> bool:
    """Erase these fields' values, of which `found` are in the record; False where its writer has not done it
    before the time was over: it will.

    Raises:
        LedgerError, ControlError: The request cannot be stored, or `control.db` not be written.
    """
    names = {(each.field, each.value): erased_name(each.number) for each in found}
    erased = [Erased(*each, names.get(each, NAMELESS)) for each in dict.fromkeys(wanted)]
    forget_in_control(home, erased, actor, now_ns, is_last=False)
    if found and not erasure.request(home, config, [each.number for each in found], timeout_s):
        return False
    forget_in_history(home, [PersonalRow(each.number, each.field, each.value) for each in found])
    forget_in_control(home, erased, actor, now_ns, is_last=True)
    return True


def forget_in_control(
    home: Home, erased: Sequence[Erased], actor: str, now_ns: int, *, is_last: bool
) -> None:
    """Take values out of `control.db`, and then out of what its audit says of them."""
    if not home.control.exists():
        return
    from farebox.control import audit
    from farebox.control.audit.erasure import erase_value
    from farebox.control.audit.mentions import Personal
    from farebox.control.publish import change
    from farebox.privacy.handed_over import forget, mentioned

    with change(home) as connection:
        audit.attribute(connection, now_ns, actor)
        there = mentioned(connection, erased)
        for each in there:
            forget(connection, each)
        if is_last:
            said = [f"{each.field} {each.name}" for each in erased]
            audit.note(connection, now_ns, actor, "privacy.erase", "", {"values": said})
    with change(home) as connection:
        for each in there:
            erase_value(connection, Personal(each.field, each.value), actor, now_ns)
