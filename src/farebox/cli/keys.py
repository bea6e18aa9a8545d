"""`farebox keys`: the names and owners of API keys, by fingerprint. No key is ever asked for."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from farebox.cli.exits import say
from farebox.cli.options import AsJson, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, table
from farebox.clock import now_ns
from farebox.config import KeyConfig
from farebox.config.sections import FINGERPRINT
from farebox.errors import UsageError
from farebox.home import Home
from farebox.program import command
from farebox.snapshot import read_snapshot

app = App(name="keys", help="Give API keys names, and assign them to customers, users or projects.")

_BOUND = ("customer", "user", "agent", "project")
"""What a key's calls are counted under."""


class NamedKey(msgspec.Struct, kw_only=True):
    """A key that has a name, or whose calls are somebody's."""

    fingerprint: str
    label: str | None
    customer: str | None
    """Whose calls are made with it, as for the next three."""
    user: str | None
    agent: str | None
    project: str | None


class KeysAnswer(msgspec.Struct, kw_only=True):
    """`farebox keys --json`."""

    schema: str = "farebox.keys/1"
    keys: list[NamedKey]


@app.command(name="list", help="List the keys that have a name.")
@app.default
def show(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """List the keys that have a name; `by key` lists every fingerprint."""
    chosen = place or Place()
    home = chosen.state_to_read()
    _say_what_was_left(home)
    keys = read_snapshot(home).keys(chosen.configuration(home).keys)
    said = [
        NamedKey(
            fingerprint=fingerprint,
            label=key.label,
            customer=key.customer,
            user=key.user,
            agent=key.agent,
            project=key.project,
        )
        for fingerprint, key in sorted(keys.items())
    ]
    if as_json:
        print_json(KeysAnswer(keys=said))
        return 0
    if not said:
        print(f"No key has a name yet. See the fingerprints:  {command('by key')}")
        print(f"Name one:  {command('keys label FINGERPRINT NAME [--customer NAME]')}")
        return 0
    columns = [Column("key"), Column("name"), *(Column(name, drop=1) for name in _BOUND)]
    rows = [
        [each.fingerprint, each.label, each.customer, each.user, each.agent, each.project] for each in said
    ]
    print(table(columns, [[clean(cell or "–") for cell in row] for row in rows]))
    return 0


@app.command
def label(
    fingerprint: Annotated[str, Parameter(help="16 hex digits, as `by key` shows them.")],
    name: Annotated[str, Parameter(help="What to call it.")],
    /,
    *,
    customer: Annotated[
        str | None, Parameter(help="Count every call with this key under this customer.")
    ] = None,
    user: Annotated[str | None, Parameter(help="Count every call with it under this user.")] = None,
    project: Annotated[str | None, Parameter(help="Count every call with it under this project.")] = None,
    place: Place | None = None,
) -> int:
    """Name a key, and bind its calls to a customer, user or project."""
    if not FINGERPRINT.fullmatch(fingerprint):
        # Not repeated: it may be the key itself.
        raise UsageError(f"that is no fingerprint: 16 hex digits, as {command('by key')} shows them")
    chosen = place or Place()
    home = chosen.state()
    configured = chosen.configuration(home).keys
    key = KeyConfig(label=name, customer=customer, user=user, project=project)
    from farebox.control import audit
    from farebox.control.key_changes import label_key

    before = read_snapshot(home).keys({}).get(fingerprint)
    label_key(home, fingerprint, key, audit.command_line(), now_ns())
    wins = read_snapshot(home).keys(configured)[fingerprint].label
    if wins == name:
        print(f"{fingerprint} is now called {clean(name)}, on every screen and for earlier calls too.")
    else:
        print(f"{fingerprint} stays {wins}, as farebox.yaml says; the name {name} applies without that line.")
    given_up = [
        f"{what} {clean(was)}"
        for what in _BOUND
        if before is not None and (was := getattr(before, what)) is not None and getattr(key, what) is None
    ]
    if given_up:
        print(f"Its calls are no longer those of {', '.join(given_up)}: what is not named is not kept.")
    if customer or user or project or given_up:
        _say_when()
    return 0


@app.command
def forget(
    fingerprint: Annotated[str, Parameter(help="16 hex digits, as `keys` shows them.")],
    /,
    *,
    place: Place | None = None,
) -> int:
    """Take a key's name away."""
    home = (place or Place()).state()
    from farebox.control import audit
    from farebox.control.key_changes import forget_key

    gone = forget_key(home, fingerprint, audit.command_line(), now_ns())
    if gone is None:
        raise UsageError(f"this fingerprint has no name that {command('keys label')} gave it")
    print(f"{fingerprint} has no name any more.")
    if any(getattr(gone, name) for name in _BOUND):
        _say_when()
    return 0


def _say_when() -> None:
    """Say from when the change applies: recorded calls are not rewritten."""
    print("New calls are counted that way from now on; recorded calls stay as they are.")


def _say_what_was_left(home: Home) -> None:
    """Say that names of a Farebox before the first release are not read any more."""
    if (home.path / "keys.json").exists():
        say(f"{home.path / 'keys.json'} is no longer read: name its keys again, then remove it")
