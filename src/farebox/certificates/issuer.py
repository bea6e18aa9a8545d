"""Issue leaves for one proxy: a process of its own, so that the one that talks to the network never
holds the authority's key, nor the library that signs.

`python -m farebox.certificates.issuer FOLDER` reads host names from standard input, one a line, and
replies to each with a line that says how many bytes of PEM follow, 0 where it may not sign for that host.
It ends when nothing was asked for a while, and with the proxy.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from farebox.certificates.authority import read
from farebox.readable import is_readable

IDLE_SECONDS = 20.0
_LINE_MAX = 512


def serve(folder: Path, source: int, sink: int) -> None:
    """Reply until no requests come any more."""
    authority = read(folder)
    if authority is None:
        return
    from farebox.certificates.making import Signer

    signer = Signer(authority)
    waiting = b""
    while len(waiting) < _LINE_MAX and is_readable(source, IDLE_SECONDS):
        data = os.read(source, 4096)
        if not data:
            return
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            try:
                answer = signer.leaf(line.decode("ascii"))
            except ValueError:
                answer = b""
            _write(sink, b"%d\n%s" % (len(answer), answer))


def _write(sink: int, data: bytes) -> None:
    while data:
        data = data[os.write(sink, data) :]


if __name__ == "__main__":
    os.umask(0o077)
    serve(Path(sys.argv[1]), 0, 1)
