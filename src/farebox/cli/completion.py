"""`farebox completion`: completion for the shell, printed or put where the shell looks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from farebox.cli.exits import OK
from farebox.errors import UsageError
from farebox.program import command

Shell = Literal["bash", "zsh", "fish"]


def completion(
    shell: Annotated[Shell | None, Parameter(help="Which shell; the one you use by default.")] = None,
    /,
    *,
    install: Annotated[bool, Parameter(help="Write it where the shell looks for it.", negative="")] = False,
) -> int:
    """Print completion for your shell, or install it for this user."""
    chosen = shell or own_shell()
    text = script(chosen)
    if not install:
        print(text)
        return OK
    path = install_path(chosen)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"Written to {path}; it works in the next shell.")
    if chosen == "zsh":
        print(f"If it does not, add to ~/.zshrc before compinit: fpath=({path.parent} $fpath)")
    return OK


def script(shell: Shell) -> str:
    """Return the completion script of all commands and flags."""
    from farebox.cli.app import app

    return app.generate_completion(shell=shell, prog_name="farebox")


def install_path(shell: Shell) -> Path:
    """Return where this user's `shell` looks for completions."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    if shell == "bash":
        return data / "bash-completion" / "completions" / "farebox"
    if shell == "zsh":
        return data / "zsh" / "site-functions" / "_farebox"
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return config / "fish" / "completions" / "farebox.fish"


def own_shell() -> Shell:
    """Return the user's shell by `SHELL`.

    Raises:
        UsageError: It is none that we know.
    """
    name = Path(os.environ.get("SHELL", "")).name
    if name == "bash" or name == "zsh" or name == "fish":
        return name
    raise UsageError(f"name the shell, one of bash, zsh and fish: {command('completion bash')}")
