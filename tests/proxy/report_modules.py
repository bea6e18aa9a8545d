"""Start the proxy as its own module does, and write down which modules it has loaded at its end."""

from __future__ import annotations

import sys
from pathlib import Path

from farebox.proxy.__main__ import run

if __name__ == "__main__":
    status = run()
    home = Path(sys.argv[sys.argv.index("--home") + 1])
    (home.parent / "modules.txt").write_text("\n".join(sorted(sys.modules)))
    sys.exit(status)
