"""Where made-up data may be put: a directory of its own, labelled, and never one that holds anything real."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from farebox.config import load_config
from farebox.demo.exchanges import SOURCE
from farebox.errors import UsageError
from farebox.home import DEMO_FILE, Home, default_path, write_private
from farebox.ledger import catch_up
from farebox.ledger.database import open_reader


class Label(msgspec.Struct, kw_only=True):
    """What `demo.json` says: this home is made up, and of what."""

    calls: int
    seed: int
    until: str
    complete: bool = False
    """Everything was made; a home that is not complete is made anew."""


def default_home() -> Home:
    """Return the home that `farebox demo` fills where none is named."""
    path = default_path()
    return Home(path.with_name(f"{path.name}-demo"))


def prepare(home: Home, label: Label, *, replace: bool) -> None:
    """Make an empty, labelled home.

    Raises:
        UsageError: Something else is there.
    """
    path = home.path
    if path.exists():
        found = _checked_label(home)
        if found is not None and found.complete and not replace:
            raise UsageError(f"{path} has demo data already; --replace makes it anew")
        others = _other_sources(home) if found is not None else []
        if others:
            raise UsageError(
                f"{path} is a demo that has real calls in it by now, of {', '.join(others[:3])}; it stays as "
                "it is: name another directory with --home"
            )
        _empty(path)
    home.prepare()
    _write(home, label)


def finish(home: Home, label: Label) -> None:
    """Say that everything was made."""
    (home.path / DEMO_FILE).unlink()
    _write(home, msgspec.structs.replace(label, complete=True))


def read_label(home: Home) -> Label | None:
    """Return what a demo home says of itself, None of any other."""
    try:
        return msgspec.json.decode((home.path / DEMO_FILE).read_bytes(), type=Label)
    except (OSError, msgspec.MsgspecError):
        return None


def _checked_label(home: Home) -> Label | None:
    """Return a demo home's label, None of an empty directory.

    Raises:
        UsageError: It is neither.
    """
    path = home.path
    if not path.is_dir():
        raise UsageError(f"{path} is no directory; name another one with --home")
    found = read_label(home)
    if found is None and any(path.iterdir()):
        raise UsageError(
            f"{path} holds something that is no demo: nothing made up is ever put beside it; "
            "name an empty or a new directory with --home"
        )
    return found


def _other_sources(home: Home) -> list[str]:
    """Return the writers of a demo home's calls that made nothing up, those of its journals included."""
    if not home.ledger.exists():
        return []
    catch_up(home, load_config(home, home.config))
    connection = open_reader(home)
    if connection is None:
        return []
    try:
        names = [name for (name,) in connection.execute("SELECT name FROM source ORDER BY id")]
    finally:
        connection.close()
    return [name for name in names if name != SOURCE]


def _empty(path: Path) -> None:
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _write(home: Home, label: Label) -> None:
    write_private(home.path / DEMO_FILE, msgspec.json.format(msgspec.json.encode(label), indent=2) + b"\n")
