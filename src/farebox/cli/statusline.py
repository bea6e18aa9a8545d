"""`farebox statusline`: one line of figures for a status bar, and how to put it there.

Without flags it never comes here: `main` prints the line before anything is loaded.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec
from cyclopts import Parameter

from farebox import status_line
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.clock import iso
from farebox.program import command

Host = Literal["claude-code", "tmux", "starship"]
HOSTS: tuple[Host, ...] = get_args(Host)


class StatusLineAnswer(msgspec.Struct, kw_only=True):
    """`farebox statusline --json`."""

    schema: str = "farebox.status-line/1"
    line: str
    written_at: str | None
    """When the server wrote its figures; null where there are none."""
    today: str | None
    """What was spent on that day, as people read it."""
    last_hour: str | None
    sessions: dict[str, str]
    """What the sessions of the day have cost in all."""


def statusline(
    *,
    setup: Annotated[
        Host | None, Parameter(help="Print instead what to write into this program's configuration.")
    ] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Print what was spent today and in the last hour; for Claude Code its session's cost, too.

    The server keeps the line in a file while it is asked for. Claude Code says on standard input which
    session it draws.
    """
    home = (place or Place()).location()
    if setup is not None:
        print(setup_text(setup, command("statusline", home, anywhere=True)))
        return OK
    if not as_json:
        return status_line.show(str(home.path))
    session = status_line.said_session()
    shown = status_line.line(str(home.path), session)
    try:
        found = status_line.decode((home.run / status_line.FILE).read_bytes())
    except OSError:
        found = None
    print_json(
        StatusLineAnswer(
            line=shown,
            written_at=None if found is None else iso(found.written_s * 10**9),
            today=None if found is None else found.amount,
            last_hour=(found.per_hour or None) if found is not None else None,
            sessions={} if found is None else found.sessions,
        )
    )
    return OK


def setup_text(host: Host, typed: str) -> str:
    """Return what to write where, so that a program shows the line."""
    if host == "claude-code":
        setting = {"statusLine": {"type": "command", "command": typed}}
        text = msgspec.json.format(msgspec.json.encode(setting), indent=2).decode()
        return f"In ~/.claude/settings.json:\n\n{text}"
    if host == "tmux":
        return (
            f"In ~/.tmux.conf:\n\nset -g status-interval 5\nset -g status-right-length 60\n"
            f"set -g status-right '#({typed})'"
        )
    quoted = msgspec.json.encode(typed).decode()  # TOML's strings are spelt like JSON's
    return (
        f"In ~/.config/starship.toml:\n\n[custom.farebox]\ncommand = {quoted}\nwhen = true\nstyle = 'dimmed'"
    )
