"""`python -m farebox.ledger --home DIR [--config FILE]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from farebox.config import flags_from, load_config
from farebox.errors import ConfigError
from farebox.home import Home, locate
from farebox.installation import start

EXIT_CONFIG = 78


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m farebox.ledger", description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


def run() -> int:
    arguments = _arguments()
    home = Home(arguments.home.absolute()) if arguments.home else locate()
    try:
        config = load_config(home, arguments.config, flags=flags_from(arguments.set))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    from farebox.ledger.ledger_process import main

    return main(home, config)


if __name__ == "__main__":
    sys.exit(start(run))
