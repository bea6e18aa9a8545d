"""`python -m farebox.proxy`: the proxy as a process of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from farebox.config import exposure_problem, flags_from, parse_address
from farebox.errors import ConfigError
from farebox.home import Home, locate
from farebox.installation import start
from farebox.proxy import main
from farebox.proxy.configuration import ConfigRefused, read_config

EX_CONFIG = 78


def run() -> int:
    parser = argparse.ArgumentParser(prog="python -m farebox.proxy", description="The Farebox proxy.")
    parser.add_argument("--home", type=Path, help="state directory (default: FAREBOX_HOME or the platform's)")
    parser.add_argument("--config", type=Path, help="farebox.yaml to read")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where to listen; port 0 takes a free one")
    parser.add_argument("--listen-fd", type=int, metavar="N", help="inherited listening socket")
    parser.add_argument("--reuse-port", action="store_true", help="share the port while taking over")
    parser.add_argument("--private", action="store_true", help="serve one program, unannounced")
    parser.add_argument("--authority", type=Path, metavar="DIR", help="the authority that signs for hosts")
    options = parser.parse_args()
    home = Home(options.home.expanduser().absolute()) if options.home else locate()
    try:
        config = read_config(home, options.config, flags_from(options.set))
    except (ConfigRefused, ConfigError) as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    if options.listen is not None:
        address = parse_address(options.listen)
        if address is None:
            print(f"--listen {options.listen}: expected host:port, as in 127.0.0.1:3273", file=sys.stderr)
            return EX_CONFIG
        config.listen = address
    problem = exposure_problem(config.listen, config)
    if problem is not None:
        print(f"refusing to listen on {config.listen}: expected {problem}", file=sys.stderr)
        return EX_CONFIG
    return main(
        home,
        config,
        listen_fd=options.listen_fd,
        reuse_port=options.reuse_port,
        private=options.private,
        authority=options.authority,
    )


if __name__ == "__main__":
    sys.exit(start(run))
