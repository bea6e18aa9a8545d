"""Identifiers of exchanges are drawn in batches; nobody may draw one twice."""

from __future__ import annotations

import os

from farebox.clock import uuid7, uuid_text


def test_identifiers_are_version_7_in_order_of_time_and_never_the_same() -> None:
    made = [uuid7(number * 1_000_000) for number in range(2000)]
    assert made == sorted(made)
    assert len({one[6:] for one in made}) == 2000
    for one in made:
        text = uuid_text(one)
        assert text[14] == "7"
        assert text[19] in "89ab"


def test_a_forked_process_draws_others() -> None:
    uuid7()
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        os.write(writable, b"".join(uuid7(0) for _ in range(100)))
        os._exit(0)
    os.waitpid(child, 0)
    own = {uuid7(0) for _ in range(100)}
    with os.fdopen(readable, "rb") as stream:
        os.close(writable)
        data = stream.read()
    others = {data[at : at + 16] for at in range(0, len(data), 16)}
    assert len(others) == 100
    assert not own & others
