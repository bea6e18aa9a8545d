"""`python -m farebox.server --home H [--config F] [--listen HOST:PORT]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from farebox.config import Address, flags_from, load_config, parse_address
from farebox.errors import FareboxError
from farebox.home import Home
from farebox.installation import start
from farebox.server import main


def _address(text: str) -> Address:
    address = parse_address(text)
    if address is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return address


def run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="farebox.server", description="Serve the dashboard and its API.")
    parser.add_argument("--home", type=Path, required=True, help="the state directory")
    parser.add_argument("--config", type=Path, help="farebox.yaml to read")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting")
    parser.add_argument("--listen", type=_address, help="HOST:PORT; port 0 picks a free one")
    options = parser.parse_args(arguments)
    home = Home(options.home.expanduser().absolute())
    try:
        config = load_config(home, options.config, flags=flags_from(options.set))
        if options.listen is not None:
            config = msgspec.structs.replace(config, dashboard=options.listen)
        return main(home, config)
    except FareboxError as error:
        print(f"farebox: {error}", file=sys.stderr)
        return 78 if error.code == "config_invalid" else 1


if __name__ == "__main__":
    sys.exit(start(lambda: run(sys.argv[1:])))
