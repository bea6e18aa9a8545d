"""Trust stores into which a user can have our root installed: the system's, and NSS's databases. Each
knows how to install the root, whether it is there, and how to remove it. Where permission is missing (for
the system's store), the error names the command to type.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from farebox.errors import CertificateError

_SYSTEM = (
    # Folder for additional roots, and the program that puts them into effect.
    ("/usr/local/share/ca-certificates", "update-ca-certificates"),
    ("/etc/pki/ca-trust/source/anchors", "update-ca-trust"),
    ("/etc/ca-certificates/trust-source/anchors", "update-ca-trust"),
    ("/etc/pki/trust/anchors", "update-ca-certificates"),
)
_KEYCHAIN = "/Library/Keychains/System.keychain"


class Store:
    """One place that programs read roots from."""

    name = ""

    def add(self, root: Path, fingerprint: str) -> None:
        """Put the root in.

        Raises:
            CertificateError: It cannot be installed; the text says what to type.
        """
        raise NotImplementedError

    def has(self, fingerprint: str) -> bool:
        raise NotImplementedError

    def remove(self, fingerprint: str) -> bool:
        """Take the root out; return whether it was there.

        Raises:
            CertificateError: It is there and cannot be taken out.
        """
        raise NotImplementedError


class AnchorStore(Store):
    """A folder of roots and a program that reads it: Debian's, Fedora's, Arch's, openSUSE's."""

    def __init__(self, folder: Path, program: str) -> None:
        self.name = f"system ({folder})"
        self.folder = folder
        self.program = program

    def _file(self, fingerprint: str) -> Path:
        return self.folder / f"farebox-{fingerprint[:16]}.crt"

    def has(self, fingerprint: str) -> bool:
        return self._file(fingerprint).exists()

    def add(self, root: Path, fingerprint: str) -> None:
        file = self._file(fingerprint)
        try:
            file.write_bytes(root.read_bytes())
            file.chmod(0o644)  # a root is public, and every user's programs read it
        except OSError as error:
            raise CertificateError(
                f"{file}: {error.strerror}; type: sudo install -m 644 {root} {file} && sudo {self.program}"
            ) from None
        _run([self.program])

    def remove(self, fingerprint: str) -> bool:
        file = self._file(fingerprint)
        if not file.exists():
            return False
        try:
            file.unlink()
        except OSError as error:
            raise CertificateError(
                f"{file}: {error.strerror}; type: sudo rm {file} && sudo {self.program}"
            ) from None
        _run([self.program])
        return True


class KeychainStore(Store):
    """macOS's keychain for the whole machine."""

    name = "system (keychain)"

    def has(self, fingerprint: str) -> bool:
        done = _ask(["security", "find-certificate", "-a", "-Z", _KEYCHAIN])
        return fingerprint.upper() in done

    def add(self, root: Path, fingerprint: str) -> None:
        _run(["security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", _KEYCHAIN, str(root)])

    def remove(self, fingerprint: str) -> bool:
        if not self.has(fingerprint):
            return False
        _run(["security", "delete-certificate", "-Z", fingerprint.upper(), "-t", _KEYCHAIN])
        return True


class NssStore(Store):
    """One database of NSS: Chromium's, or a profile of Firefox."""

    def __init__(self, folder: Path) -> None:
        self.name = f"nss ({folder})"
        self.folder = folder
        self._certutil = ["certutil", "-d", f"sql:{folder}"]

    def _nickname(self, fingerprint: str) -> str:
        return f"farebox-{fingerprint[:16]}"

    def has(self, fingerprint: str) -> bool:
        return self._nickname(fingerprint) in _ask([*self._certutil, "-L"])

    def add(self, root: Path, fingerprint: str) -> None:
        if shutil.which("certutil") is None:
            raise CertificateError("NSS needs the program certutil: install libnss3-tools, nss-tools or nss")
        _run([*self._certutil, "-A", "-t", "C,,", "-n", self._nickname(fingerprint), "-i", str(root)])

    def remove(self, fingerprint: str) -> bool:
        if shutil.which("certutil") is None or not self.has(fingerprint):
            return False
        _run([*self._certutil, "-D", "-n", self._nickname(fingerprint)])
        return True


def system_store(anchors: Sequence[tuple[str, str]] = _SYSTEM) -> Store | None:
    """Return this system's store, None where it is of no known kind."""
    if sys.platform == "darwin":
        return KeychainStore()
    for folder, program in anchors:
        if Path(folder).is_dir():
            return AnchorStore(Path(folder), program)
    return None


def nss_stores(home: Path | None = None) -> list[Store]:
    """Return the NSS databases of this user: Chromium's and every profile of Firefox."""
    base = home or Path.home()
    folders = [base / ".pki" / "nssdb"]
    for profiles in (
        base / ".mozilla" / "firefox",
        base / "snap" / "firefox" / "common" / ".mozilla" / "firefox",
        base / "Library" / "Application Support" / "Firefox" / "Profiles",
    ):
        if profiles.is_dir():
            folders += sorted(profiles.iterdir())
    return [NssStore(folder) for folder in folders if (folder / "cert9.db").is_file()]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise CertificateError(f"{command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise CertificateError(f"{' '.join(command)} failed: {said or done.returncode}")


def _ask(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, check=False).stdout.decode("utf-8", "replace")
    except OSError:
        return ""
