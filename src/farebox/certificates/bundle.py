"""Files of roots that a program is told to trust: the system's own, followed by ours.

A variable like `SSL_CERT_FILE` replaces what a program trusts, so our file has to include everything it
trusted before: the user's own file where the variable was set, else the system's.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from farebox.certificates.authority import Authority
from farebox.errors import CertificateError
from farebox.home import replace_private

REPLACING = (
    "SSL_CERT_FILE",  # OpenSSL, Go, Rust, httpx
    "REQUESTS_CA_BUNDLE",  # requests
    "CURL_CA_BUNDLE",  # curl, and requests after its own
    "AWS_CA_BUNDLE",  # botocore, the AWS command line
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",  # gRPC's C core
)
"""Variables that name the only roots a client trusts."""
ADDING = (
    "NODE_EXTRA_CA_CERTS",  # Node, Bun
    "DENO_CERT",  # Deno
)
"""Variables that name roots to trust besides the built-in ones."""

_KNOWN = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)
_KEYCHAINS = (
    "/System/Library/Keychains/SystemRootCertificates.keychain",
    "/Library/Keychains/System.keychain",
)
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def system_roots() -> bytes:
    """Return the certificates that programs on this machine trust, as PEM."""
    if sys.platform == "darwin":
        found = _keychain_roots()
        if found:
            return found
    paths = ssl.get_default_verify_paths()
    for candidate in (paths.cafile, paths.openssl_cafile, *_KNOWN):
        if candidate:
            content = read_roots(Path(candidate))
            if content:
                return content
    import certifi

    return Path(certifi.where()).read_bytes()


def write_bundles(folder: Path, authority: Authority, environment: Mapping[str, str]) -> dict[str, str]:
    """Write the files a program needs into `folder`; return the variables that name them."""
    root = authority.root.read_bytes()
    files: dict[bytes, str] = {}
    variables: dict[str, str] = {}
    system = system_roots()

    def named(content: bytes) -> str:
        known = files.get(content)
        if known is None:
            path = folder / f"roots-{hashlib.sha256(content).hexdigest()[:12]}.pem"
            replace_private(path, content)
            known = files[content] = str(path)
        return known

    for name in REPLACING:
        theirs = environment.get(name, "").strip()
        variables[name] = named(joined((read_roots(Path(theirs)) if theirs else b"") or system, root))
    for name in ADDING:
        theirs = environment.get(name, "").strip()
        variables[name] = named(joined(read_roots(Path(theirs)) if theirs else b"", root))
    return variables


def joined(*contents: bytes) -> bytes:
    """Return every certificate of several PEM files once."""
    found: dict[bytes, None] = {}
    for content in contents:
        found.update(dict.fromkeys(_CERTIFICATE.findall(content)))
    return b"\n".join(found) + b"\n"


def java_trust_store(authority: Authority, roots: bytes) -> Path:
    """Return a PKCS #12 trust store with `roots` in it, made once for the same ones.

    Raises:
        CertificateError: It cannot be made.
    """
    path = authority.folder / f"java-{hashlib.sha256(roots).hexdigest()[:12]}.p12"
    if not path.exists():
        command = [sys.executable, "-P", "-m", "farebox.certificates.making", "--java", str(path)]
        done = subprocess.run(command, input=roots, capture_output=True, check=False)
        if done.returncode != 0 and not path.exists():
            raise CertificateError("no trust store for Java could be made")
        remove_stale(path, authority.folder.glob("java-*.p12"))
    return path


def remove_stale(kept: Path, files: Iterable[Path]) -> None:
    for file in files:
        if file != kept:
            file.unlink(missing_ok=True)


def roots_of_php(environment: Mapping[str, str]) -> dict[str, Path | None]:
    """Return PHP's settings for roots and the files its own configuration names, None where it names none."""
    settings: dict[str, Path | None] = dict.fromkeys(("curl.cainfo", "openssl.cafile"))
    php = shutil.which("php", path=environment.get("PATH"))
    if php is None:
        return settings
    ask = "".join(f'echo ini_get("{setting}"), "\\n";' for setting in settings)
    try:
        asked = [php, "-r", ask]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=False, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return settings
    for setting, file in zip(settings, said.stdout.splitlines(), strict=False):
        settings[setting] = Path(file) if read_roots(Path(file)) else None
    return settings


def read_roots(path: Path) -> bytes:
    """Return the content of a file of roots, empty where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _keychain_roots() -> bytes:
    done = subprocess.run(
        ["/usr/bin/security", "find-certificate", "-a", "-p", *_KEYCHAINS], capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else b""
