"""`farebox keys`: the names and owners of API keys, by fingerprint. No key is ever asked for."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from farebox.cli.daemon.running import running
from farebox.cli.options import AsJson, Place
from farebox.config import FINGERPRINT, KEYS_FILE, KeyConfig, saved_keys
from farebox.errors import UsageError
from farebox.home import Home, replace_private
from farebox.program import command

app = App(name="keys", help="Give API keys names, and assign them to customers, users or projects.")

_BOUND = ("customer", "user", "project")
"""What a key's calls are counted under, which a running proxy reads when it starts."""


@app.default
def show(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """List the keys that have a name; `by key` lists every fingerprint."""
    chosen = place or Place()
    keys = chosen.configuration(chosen.state_to_read()).keys
    said = {fingerprint: msgspec.to_builtins(key) for fingerprint, key in sorted(keys.items())}
    if as_json:
        print(msgspec.json.encode(said).decode())
        return 0
    if not said:
        print(f"No key has a name yet. See the fingerprints:  {command('by key')}")
        print(f"Name one:  {command('keys label FINGERPRINT NAME [--customer NAME]')}")
    for fingerprint, known in said.items():
        print("  ".join((fingerprint, *(f"{name} {value}" for name, value in known.items()))))
    return 0


@app.command
def label(
    fingerprint: Annotated[str, Parameter(help="16 hex digits, as `by key` shows them.")],
    name: Annotated[str, Parameter(help="What to call it.")],
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
    home = (place or Place()).state()
    key = KeyConfig(label=name, customer=customer, user=user, project=project)
    kept = {**saved_keys(home), fingerprint: key}
    replace_private(home.path / KEYS_FILE, msgspec.json.encode(kept))
    wins = (place or Place()).configuration(home).keys[fingerprint].label
    if wins == name:
        print(f"{fingerprint} is now called {name}, on every screen and for earlier calls too.")
    else:
        print(f"{fingerprint} stays {wins}, as farebox.yaml says; the name {name} applies without that line.")
    if customer or user or project:
        _say_when(home)
    return 0


@app.command
def forget(fingerprint: str, *, place: Place | None = None) -> int:
    """Take a key's name away."""
    home = (place or Place()).state()
    kept = saved_keys(home)
    gone = kept.pop(fingerprint, None)
    if gone is None:
        raise UsageError(f"this fingerprint has no name that {command('keys label')} gave it")
    replace_private(home.path / KEYS_FILE, msgspec.json.encode(kept))
    print(f"{fingerprint} has no name any more.")
    if any(getattr(gone, name) for name in _BOUND):
        _say_when(home)
    return 0


def _say_when(home: Home) -> None:
    """Say from when the change applies: recorded calls are not rewritten."""
    again = f" after {command('restart', home)}" if running(home, "proxy") is not None else " from now on"
    print(f"New calls are counted that way{again}; recorded calls stay as they are.")
