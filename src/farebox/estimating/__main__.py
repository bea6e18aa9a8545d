"""`python -m farebox.estimating JOURNAL`: started by a proxy, fed through standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from farebox.estimating.estimator_process import main

if __name__ == "__main__":
    # Unbuffered: what waits in a buffer would not wake `select`.
    with open(0, "rb", buffering=0, closefd=False) as source:
        sys.exit(main(Path(sys.argv[1]), source))  # type: ignore[arg-type]
