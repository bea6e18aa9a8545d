"""Which part of Farebox is installed here, and what to type for the rest.

`pip install farebox` is what an application needs to meter its own calls; the commands, the proxy, the
ledger and the dashboard come with `farebox[standard]`. Nothing here needs more than the standard library,
so that a light installation can say so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

STANDARD = "farebox[standard]"
PDF = "farebox[standard,pdf]"
EXIT_UNAVAILABLE = 69


def missing_part(error: ModuleNotFoundError) -> str | None:
    """Return what to tell a user who lacks a package of `farebox[standard]`.

    None where the module that was not found is Farebox's own or Python's: that is a defect.
    """
    package = (error.name or "").partition(".")[0]
    if not package or package == "farebox" or package in sys.stdlib_module_names:
        return None
    return f"this needs the whole of Farebox, and {package} is not installed; type: {install_command()}"


def install_command(distribution: str = STANDARD) -> str:
    """Return the line that installs Farebox with these extras by the installer that was used here."""
    import shlex
    import shutil

    prefix, wanted = Path(sys.prefix), shlex.quote(distribution)
    if (prefix / "uv-receipt.toml").is_file():
        return f"uv tool install {wanted}"
    if (prefix / "pipx_metadata.json").is_file():
        return f"pipx install --force {wanted}"
    if _installer() == "uv" and shutil.which("uv"):
        return f"uv pip install --python {shlex.quote(sys.executable)} {wanted}"
    found = shutil.which("pip")
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return f"pip install {wanted}"
    return f"{shlex.quote(sys.executable)} -m pip install {wanted}"


def _installer() -> str:
    """Return what wrote this distribution (`pip`, `uv`), empty where nothing says so."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return (distribution("farebox").read_text("INSTALLER") or "").strip()
    except PackageNotFoundError:
        return ""


def start(main: Callable[[], int]) -> int:
    """Run a process's `main` and return its exit status; say what is not installed where that stops it."""
    try:
        return main()
    except ModuleNotFoundError as error:
        words = missing_part(error)
        if words is None:
            raise
        print(f"farebox: {words}", file=sys.stderr)
        return EXIT_UNAVAILABLE
