"""`python -m farebox.analytics HOME`: the worker. Requests come in on standard input, a line each."""

from __future__ import annotations

import sys
from pathlib import Path

from farebox.analytics.worker import serve
from farebox.home import Home

if __name__ == "__main__":
    sys.exit(serve(Home(Path(sys.argv[1]))))
