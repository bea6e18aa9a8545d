"""Run billing test vectors through Farebox's own engines and print those that fail.

    python -m tools.vectors FILE [--json]

The exit status is 1 where a vector fails.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tools.vectors.run import run


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("vectors", type=Path, help='a file of vectors: {"vectors": […]}')
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    if not options.vectors.is_file():
        print(f"there is no file {options.vectors}", file=sys.stderr)
        return 2
    checked, failures = run(options.vectors)
    if options.json:
        failed = [name for name, _ in failures]
        print(json.dumps({"pass": checked - len(failed), "of": checked, "failed": failed}))
    else:
        width = max((len(name) for name, _ in failures), default=0)
        for name, why in failures:
            print(f"{name:{width}}  {why}")
        print(f"{checked - len(failures)} of {checked} vectors pass")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
