"""What `farebox up` prints when everything listens: two addresses, a link, what to paste."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from farebox.cli.access import DEMO
from farebox.cli.daemon.paste import direct_line, lines
from farebox.cli.daemon.running import running
from farebox.cli.run.environment import proxied_by
from farebox.cli.screen import BOLD, DIM, YELLOW, paint
from farebox.errors import FareboxError
from farebox.home import Home
from farebox.journal.progress import ledger_trouble
from farebox.program import command
from farebox.server.api.coverage.recording import recording


def show(home: Home, *, detached: bool = False) -> None:
    """Print where Farebox listens and how to use it."""
    print(text(home, detached=detached), flush=True)


def text(home: Home, *, detached: bool = False) -> str:
    """Return the lines that `show` prints; `detached` leaves out how to stop with Ctrl-C."""
    proxy, server = running(home, "proxy"), running(home, "server")
    shown: list[str] = [paint(f"{DEMO}: everything here is made up", YELLOW), ""] if home.is_demo else []
    if proxy is not None and proxy.address is not None:
        shown.append(f"Proxy      {paint(proxy.base_url, BOLD)}")
    if server is not None and server.address is not None:
        shown.append(f"Dashboard  {paint(server.base_url, BOLD)}")
        shown.append(f"           {_link(home)}")
    if proxy is not None and proxy.address is not None:
        shown += ["", "Point a program at it:", *(f"  {line}" for line in lines(proxy.base_url))]
        if proxy.tokens:
            shown += ["with a client token as the header x-farebox-token:"]
            shown += [f"  {command('tokens create NAME --scope client', home)}"]
        through = proxied_by(os.environ)
        if through is not None:
            shown.append(f"  {direct_line()}")
            shown.append(
                f"{through} is set: without the last line, API keys pass unencrypted through that proxy."
            )
        shown += ["", "or let Farebox do it:", f"  {command('run -- python app.py', home)}"]
    troubles = [word for word in (recording(home).words, ledger_trouble(home.journal)) if word is not None]
    if troubles:
        shown += ["", *(paint(f"! {word}: calls pass, totals are too low", YELLOW) for word in troubles)]
    shown += ["", *(paint(line, DIM) for line in _controls(home, detached=detached))]
    return "\n".join(shown)


def _controls(home: Home, *, detached: bool) -> list[str]:
    stop = "Stop it with" if detached else "Stop it with Ctrl-C or"
    return [f"{stop}:  {command('stop', home)}", f"Show the status:  {command('status', home)}"]


def _link(home: Home) -> str:
    from farebox.server.access.links import mint_link

    try:
        return f"link for one browser, good for ten minutes: {mint_link(home)}"
    except FareboxError as error:
        return str(error)


def main(arguments: list[str]) -> int:
    """Print the banner for the supervisor: `--home H [--config F]`."""
    parser = argparse.ArgumentParser(prog="farebox.cli.daemon.banner")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    show(Home(parser.parse_args(arguments).home))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
