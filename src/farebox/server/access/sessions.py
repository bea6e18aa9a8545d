"""Permission to read: one token per installation, and the browser sessions signed with it.

The token lives in `run/dashboard.token` (0600). A session is a cookie that carries its own end
and a signature made with the token, so that a restart keeps people signed in, and replacing
the file signs everybody out.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets

from farebox.errors import StateDirectoryError
from farebox.home import Home, check_private, write_private

TOKEN_BYTES = 32
SESSION_SECONDS = 30 * 24 * 3600


def load_token(home: Home) -> str:
    """Return the dashboard token, made on first use; refuse a file that others can read."""
    path = home.run / "dashboard.token"
    try:
        check_private(path)
        return _checked(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        pass
    fresh = secrets.token_urlsafe(TOKEN_BYTES)
    temporary = path.with_name(f".dashboard.token.{os.getpid()}.{secrets.token_hex(4)}")
    write_private(temporary, fresh.encode())
    try:
        os.link(temporary, path)  # of two starters the first one's file is kept
    except FileExistsError:
        return _checked(path.read_text(encoding="ascii").strip())
    finally:
        temporary.unlink()
    return fresh


def _checked(token: str) -> str:
    if len(token) < 22:  # 128 bits in base64
        raise StateDirectoryError("run/dashboard.token is too short to be safe; delete it and start again")
    return token


class Sessions:
    """Sign and check session cookies and bearer tokens."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._key = hashlib.sha256(b"farebox dashboard session\0" + self._token).digest()

    def issue(self, now_s: int) -> str:
        """Return a new session cookie's value."""
        body = f"{now_s + SESSION_SECONDS}.{secrets.token_urlsafe(16)}"
        return f"{body}.{self._sign(body)}"

    def cookie_is_valid(self, value: str, now_s: int) -> bool:
        """Return whether `value` was issued here and has not ended."""
        body, dot, signature = value.rpartition(".")
        if not dot or not hmac.compare_digest(
            self._sign(body).encode(), signature.encode("utf-8", "replace")
        ):
            return False
        return now_s < int(body.partition(".")[0])

    def bearer_is_valid(self, authorization: bytes) -> bool:
        """Return whether an `Authorization` header carries the token."""
        scheme, _, presented = authorization.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(presented.strip(), self._token)

    def _sign(self, body: str) -> str:
        return hmac.new(self._key, body.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
