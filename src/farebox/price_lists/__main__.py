"""`python -m farebox.price_lists --home DIR`: look for a newer price list once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from farebox.config import flags_from, load_config
from farebox.errors import FareboxError
from farebox.home import Home
from farebox.price_lists.look import look

EXIT_FAILED = 1


def run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="farebox.price_lists", description="Look for a newer price list.")
    parser.add_argument("--home", type=Path, required=True, help="the state directory")
    parser.add_argument("--config", type=Path, help="farebox.yaml to read")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting")
    options = parser.parse_args(arguments)
    home = Home(options.home.expanduser().absolute())
    try:
        config = load_config(home, options.config, flags=flags_from(options.set))
        found = look(home, config)
    except (FareboxError, OSError) as error:
        print(f"farebox: prices: {error}", file=sys.stderr)
        return EXIT_FAILED
    if found.state != "unchanged":
        print(f"farebox: prices: {found.state.replace('_', ' ')}: {found.words}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
