"""Threads of long-running processes speak without ending over it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")

SPEAKERS = {
    "the delivery worker": "from farebox.control.outbox.delivery import _print as say; say('words')",
    "the server": "from farebox.server.server_process import _tell as say; say('words')",
    "the publication": (
        "from pathlib import Path; from farebox.home import Home; "
        "from farebox.server.publication import Publication; Publication(Home(Path('x')))._say('words')"
    ),
    "the proxy": "from farebox.standard_error import tell as say; say('words')",
}


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("code", SPEAKERS.values(), ids=SPEAKERS)
def test_what_cannot_be_said_on_a_full_disk_ends_nothing(code: str) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", f"{code}; print('on')"], stderr=full, stdout=-1, check=False
        )
    assert done.stdout == b"on\n"


def test_print_would_end_on_a_full_disk() -> None:
    """The control."""
    if not FULL.exists():
        pytest.skip("there is no /dev/full")
    code = "import sys; print('words', file=sys.stderr, flush=True); print('on')"
    with FULL.open("wb") as full:
        done = subprocess.run([sys.executable, "-c", code], stderr=full, stdout=-1, check=False)
    assert done.stdout == b""
