"""An authority on disk: its files, the names it may sign for, its end.

`authority.json` repeats what the certificates say, so that the proxy needs no X.509 parser.
Making one happens in another process: the library for it costs twenty megabytes.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from farebox.certificates.names import covered
from farebox.errors import CertificateError
from farebox.home import Home, check_private

INSTALLED = "installed"
"""The folder of the authority that `farebox ca install` makes; those of runs are named by digest."""
RENEW_SECONDS = 30 * 86_400
"""An authority of a run is replaced when it has less time left than this."""


class Facts(msgspec.Struct, frozen=True):
    """`authority.json`."""

    fingerprint: str
    """SHA-256 of the root's DER, in hex."""
    name: str
    permitted: tuple[str, ...]
    made_at: int
    not_after: int
    """Seconds since 1970, as `made_at`."""


class Authority:
    """One folder with `root.pem`, `intermediate.pem`, `intermediate.key` and `authority.json`."""

    def __init__(self, folder: Path, facts: Facts) -> None:
        self.folder = folder
        self.facts = facts
        self.root = folder / "root.pem"
        self.intermediate = folder / "intermediate.pem"
        self.key = folder / "intermediate.key"

    def covers(self, host: str) -> bool:
        return covered(host, self.facts.permitted)

    @property
    def seconds_left(self) -> int:
        return self.facts.not_after - int(time.time())


def read(folder: Path) -> Authority | None:
    """Return the authority in `folder`, None where there is none.

    Raises:
        StateDirectoryError: Its key can be read by others.
    """
    try:
        facts = msgspec.json.decode((folder / "authority.json").read_bytes(), type=Facts)
        check_private(folder / "intermediate.key")
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):
        return None
    return Authority(folder, facts)


def installed(home: Home) -> Authority | None:
    """Return the authority that `farebox ca install` has made."""
    return read(home.path / "ca" / INSTALLED)


def for_runs(home: Home, permitted: tuple[str, ...]) -> Authority:
    """Return the authority of runs that speaks for exactly these names, made where there is none.

    It is in no store: only the children of `farebox run` are told to trust it.

    Raises:
        CertificateError: It cannot be made.
        StateDirectoryError: Its folder is not ours alone.
    """
    digest = hashlib.sha256("\n".join(permitted).encode()).hexdigest()[:16]
    folder = home.path / "ca" / f"run-{digest}"
    found = read(folder)
    if found is not None and found.seconds_left > RENEW_SECONDS:
        return found
    return make(folder, permitted)


def make(folder: Path, permitted: tuple[str, ...]) -> Authority:
    """Make an authority in `folder`, in place of one that is there.

    Raises:
        CertificateError: It cannot be made.
    """
    if not permitted:
        raise CertificateError("there is no host to make certificates for")
    parent = folder.parent
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(parent)
    command = [sys.executable, "-P", "-m", "farebox.certificates.making", str(folder)]
    done = subprocess.run(command, input="\n".join(permitted).encode(), capture_output=True, check=False)
    found = read(folder) if done.returncode == 0 else None
    if found is None:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise CertificateError(
            f"no certificate authority could be made in {folder}: {last or 'no reason given'}"
        )
    return found


def every(home: Home) -> list[Authority]:
    """Return each authority of this state directory."""
    folders = sorted((home.path / "ca").glob("*/authority.json"))
    return [found for file in folders if (found := read(file.parent)) is not None]
