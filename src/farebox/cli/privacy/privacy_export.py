"""`farebox privacy export`: everything that is kept of one person, a JSON object a line."""

from __future__ import annotations

import sys

import msgspec

from farebox.cli.access import open_ledger, say_what_is_missing
from farebox.cli.exits import ANSWER_IS_NO, OK, say
from farebox.cli.options import Place
from farebox.cli.privacy.subject_flags import Subject
from farebox.cli.reports.export import speak_utf8
from farebox.privacy.subject_data import data_of


def export(*, subject: Subject | None = None, place: Place | None = None) -> int:
    """Write everything that is kept of one person to standard output: a JSON object a line, with its kind.

    Calls are as `farebox export` writes them; then come what you declared, invoices, usage that was handed
    over, alerts, messages and entries of the audit. What was said in calls is kept nowhere.
    """
    wanted = (subject or Subject()).required("export")
    home, ledger = open_ledger(place or Place())
    say_what_is_missing(home, ledger)
    ledger.close()
    speak_utf8()
    encode = msgspec.json.Encoder(decimal_format="string").encode
    lines = 0
    for kind, said in data_of(home, wanted):
        sys.stdout.write(encode({"kind": kind, "data": said}).decode() + "\n")
        lines += 1
    if not lines:
        say("nothing is kept of that")
    return OK if lines else ANSWER_IS_NO
