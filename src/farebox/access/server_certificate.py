"""The certificate of our own listeners, renewed while they run.

A connection keeps the certificate that it began with; the next one gets what is in the files by then.
Certificate and key are two files that change one after the other, so a pair that does not fit is only a
problem when it stays that way, and the old pair is used until a good one is there.
"""

from __future__ import annotations

import os
import ssl
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from farebox.errors import CertificateError

LOOK_SECONDS = 2.0
"""Between two looks at the files."""

_Stamp = tuple[tuple[int, ...], ...]


class ServerCertificate:
    """A certificate, its key, and the context that listeners use."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        protocols: tuple[str, ...] = ("http/1.1",),
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`protocols` is ALPN, in order of preference; `tell` is given what the operator should know.

        Raises:
            CertificateError: The pair cannot be used; the text says why and what to do.
        """
        self._certificate = certificate
        self._key = key
        self._protocols = protocols
        self._tell = tell
        self._closed = threading.Event()
        self._failed: _Stamp | None = None
        self._stamp = self._current_stamp()
        self.trouble: str | None = None
        """Why the files as they are now are not in use, None where they are."""
        self.warning = check_key_file(key)
        """What is not as it should be and does no harm yet, None where all is well."""
        self.context = _RenewedContext(ssl.PROTOCOL_TLS_SERVER)
        """For `create_server`: every new connection gets the pair that is in force."""
        self.context.in_force = self._load()

    def look(self) -> None:
        """Put the files in force if they have changed and fit each other. Blocking, and for one thread."""
        stamp = self._current_stamp()
        if stamp == self._stamp:
            self.trouble = self._failed = None
            return
        try:
            check_key_file(self._key)
            fresh = self._load()
        except CertificateError as error:
            if stamp == self._failed and self.trouble is None:  # it is not just being replaced
                self.trouble = str(error)
                self._tell(f"{error}; the certificate from before stays in use")
            self._failed = stamp
            return
        self.context.in_force = fresh
        self._stamp, self._failed, self.trouble = stamp, None, None
        self._tell(f"the new certificate in {self._certificate} is in use")

    def watch(self) -> None:
        """Look every two seconds, in a thread of its own: a network file system may keep it waiting."""
        threading.Thread(target=self._watch, name="certificate", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            self.look()

    def _load(self) -> ssl.SSLContext:
        context = server_context(self._protocols)
        try:
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except ssl.SSLError as error:
            reason = error.reason or "the certificate or the key is not in PEM form"
            if reason == "KEY_VALUES_MISMATCH":  # as between the renewal of one and of the other
                reason = "the key is not this certificate's"
            raise CertificateError(f"{self._certificate} and {self._key} cannot be used: {reason}") from None
        except OSError as error:
            why = error.strerror or error
            raise CertificateError(f"{self._certificate} and {self._key} cannot be read: {why}") from None
        return context

    def _current_stamp(self) -> _Stamp:
        return _stamp(self._certificate), _stamp(self._key)


class _RenewedContext(ssl.SSLContext):
    """Stands for whichever context is in force when a connection begins.

    Loading new files into a context that is in use would leave an old certificate of another key type in it.
    """

    in_force: ssl.SSLContext

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return self.in_force.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def server_context(protocols: tuple[str, ...]) -> ssl.SSLContext:
    """Return a context without a certificate yet: TLS 1.2 or later, ALPN in order of preference."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(list(protocols))
    return context


def check_key_file(key: Path) -> str | None:
    """Return what to warn of about the permissions of a private key.

    Links are followed: certbot's `privkey.pem` is one.

    Raises:
        CertificateError: Everybody on this machine could read or replace it, or it cannot be looked at.
    """
    try:
        mode = key.stat().st_mode
    except OSError as error:
        raise CertificateError(f"{key} cannot be read: {error.strerror or error}") from None
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise CertificateError(f"{key} is open to every user of this machine; type: chmod 600 {key}")
    if mode & stat.S_IWGRP:
        raise CertificateError(f"{key} can be replaced by its group; type: chmod 600 {key}")
    if mode & stat.S_IRGRP:
        return f"{key} can be read by its group; that is right only for a group made for it, as ssl-cert"
    return None


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does, its permissions included; nothing for a missing one."""
    try:
        found = os.stat(path)  # noqa: PTH116  # every two seconds
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _no_password() -> str:
    """Refuse an encrypted key: OpenSSL would ask the terminal for its password."""
    raise CertificateError("the key of `tls:` is encrypted; Farebox reads one without a password")
