"""How the user can type this program: `farebox` where their shell finds it, else the path of ours.

Every suggested command is made here, so that it works as typed in the shell it is shown in.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.plain_text import visible

if TYPE_CHECKING:
    from farebox.home import Home

NAME = "farebox"


def program(*, anywhere: bool = False) -> str:
    """Return the word that starts this Farebox; `anywhere`, one that works in every directory."""
    own = _script()
    found = shutil.which(NAME)
    if own is None:
        return NAME if found else f"{shlex.quote(sys.executable)} -m farebox.cli"
    if found is not None and Path(found).samefile(own):
        return NAME
    here = Path.cwd()
    if not anywhere and own.is_relative_to(here):
        return shlex.quote(str(own.relative_to(here)))
    return shlex.quote(str(own))


def command(words: str, home: Home | None = None, *, anywhere: bool = False) -> str:
    """Return the line to type for a subcommand: `.venv/bin/farebox status --home DIR`.

    `--home` is in it where `home` is given and is not the one used without a flag or a variable. What
    follows ` -- ` belongs to another program and stays last.
    """
    own, separator, rest = words.partition(" -- ")
    return visible(f"{program(anywhere=anywhere)} {own}{_home_flag(home)}{separator}{rest}")


def _script() -> Path | None:
    """Return the script that was started, or the one installed beside this interpreter."""
    for candidate in (Path(sys.argv[0]), Path(sys.executable).with_name(NAME)):
        if candidate.name == NAME and candidate.is_file():
            return candidate.absolute()
    return None


def _home_flag(home: Home | None) -> str:
    if home is None:
        return ""
    from farebox.home import default_path

    return "" if home.path == default_path() else f" --home {shlex.quote(str(home.path))}"
