"""Processes that outlive a command are found, however quickly they follow each other."""

from __future__ import annotations

import subprocess
import sys

import pytest

CHAIN = """
import os, sys, time
from farebox.cli.run.command_process import _others, adopt_orphans
adopt_orphans()
said = os.pipe()
if os.fork() == 0:
    for _ in range(60):  # each ends as soon as it has a successor
        if os.fork():
            os._exit(0)
    os.write(said[1], b"x")
    time.sleep(600)
while True:
    left = _others(lambda: 0, lambda pid: None)
    assert left, "nobody was found, and somebody is always there"
    os.set_blocking(said[0], False)
    try:
        os.read(said[0], 1)
        break
    except BlockingIOError:
        continue
(last,) = _others(lambda: 0, lambda pid: None)
os.kill(last, 9)
while _others(lambda: 0, lambda pid: None):
    pass
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who outlives a command")
def test_a_process_that_ends_while_we_look_hides_nobody_it_left_behind() -> None:
    for _ in range(3):
        subprocess.run([sys.executable, "-c", CHAIN], check=True, timeout=120)
