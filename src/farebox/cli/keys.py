"""`farebox keys`: what API keys are called and whose they are, by fingerprint. No key is ever asked for."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from farebox.cli.options import AsJson, Place
from farebox.config import FINGERPRINT, KEYS_FILE, KeyConfig, saved_keys
from farebox.errors import UsageError
from farebox.home import replace_private

app = App(name="keys", help="Name API keys by their fingerprints, and say whose they are.")

_NEXT = "New for every `farebox run` from now on; for a running Farebox after `farebox restart`."


@app.default
def show(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """List the keys that have a name. All fingerprints: `farebox by key`."""
    chosen = place or Place()
    keys = chosen.configuration(chosen.state()).keys
    said = {fingerprint: msgspec.to_builtins(key) for fingerprint, key in sorted(keys.items())}
    if as_json:
        print(msgspec.json.encode(said).decode())
        return 0
    if not said:
        print("No key has a name yet. `farebox by key` shows fingerprints; name one with")
        print("farebox keys label FINGERPRINT NAME [--customer NAME]")
    for fingerprint, known in said.items():
        print("  ".join((fingerprint, *(f"{name} {value}" for name, value in known.items()))))
    return 0


@app.command
def label(
    fingerprint: Annotated[str, Parameter(help="16 hex digits, as `farebox by key` shows them.")],
    name: Annotated[str, Parameter(help="What to call it.")],
    *,
    customer: Annotated[str | None, Parameter(help="Whose every call with this key is.")] = None,
    user: Annotated[str | None, Parameter(help="Which user's every call with it is.")] = None,
    project: Annotated[str | None, Parameter(help="Which project's every call with it is.")] = None,
    place: Place | None = None,
) -> int:
    """Name a key, and bind its calls to a customer, user or project."""
    if not FINGERPRINT.fullmatch(fingerprint):
        # Not repeated: it may be the key itself.
        raise UsageError("that is no fingerprint: 16 hex digits, as `farebox by key` shows them")
    home = (place or Place()).state()
    key = KeyConfig(label=name, customer=customer, user=user, project=project)
    kept = {**saved_keys(home), fingerprint: key}
    replace_private(home.path / KEYS_FILE, msgspec.json.encode(kept))
    print(f"{fingerprint} is {name}. {_NEXT}")
    return 0


@app.command
def forget(fingerprint: str, *, place: Place | None = None) -> int:
    """Take a key's name away."""
    home = (place or Place()).state()
    kept = saved_keys(home)
    if kept.pop(fingerprint, None) is None:
        raise UsageError("this fingerprint has no name that `farebox keys label` gave")
    replace_private(home.path / KEYS_FILE, msgspec.json.encode(kept))
    print(f"{fingerprint} has no name any more. {_NEXT}")
    return 0
