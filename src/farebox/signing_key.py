"""The Ed25519 key that checkpoints are signed with: `audit.key` in the home, 0600.

A line for each key there was, the newest last. Of a replaced key only the public part is left, and its
signature of the one after it: so whoever knows the first key can verify what any later one signed.
"""

from __future__ import annotations

import os
import secrets
from itertools import pairwise
from pathlib import Path

import msgspec

from farebox.errors import StateDirectoryError
from farebox.home import Home, check_private, replace_private, write_private

_SUCCESSION = "farebox key succession 1"


class SigningKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One key; `secret` only of the newest one."""

    public: str
    """32 bytes, hexadecimal."""
    since_ns: int
    secret: str = ""
    signed_by_previous: str = ""

    def __repr__(self) -> str:
        return f"SigningKey({self.public})"


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A text with its signature."""

    text: str
    key: str
    """The public key, hexadecimal."""
    signature: str


def encode_signed(said: Signed) -> str:
    """Return a signed text as JSON."""
    return msgspec.json.encode(said).decode()


def key_file(home: Home) -> Path:
    """Return where the keys are."""
    return home.path / "audit.key"


def keys(home: Home, now_ns: int) -> list[SigningKey]:
    """Return every key there was, the newest last; the first is made where there is none.

    Raises:
        StateDirectoryError: The file is not ours alone, or holds something else.
    """
    path = key_file(home)
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    temporary = path.with_name(f".audit.key.{os.getpid()}.{secrets.token_hex(4)}")
    write_private(temporary, _lines([_new(now_ns)]), durable=True)
    try:
        os.link(temporary, path)  # of two who make one at once, the first one's is kept
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return _read(path)


def known_keys(home: Home) -> list[SigningKey]:
    """Return the keys without making one; none where nothing was ever signed."""
    try:
        return _read(key_file(home))
    except FileNotFoundError:
        return []


def sign(home: Home, text: str, now_ns: int) -> Signed:
    """Sign a text with the newest key.

    Raises:
        StateDirectoryError: As `keys`.
    """
    newest = keys(home, now_ns)[-1]
    return Signed(text=text, key=newest.public, signature=_sign(newest, text))


def replace_key(home: Home, now_ns: int) -> tuple[SigningKey, SigningKey]:
    """Make a new key that the old one signs, and destroy the old one's secret; return both.

    Raises:
        StateDirectoryError: As `keys`.
    """
    known = keys(home, now_ns)
    old, fresh = known[-1], _new(now_ns)
    fresh = msgspec.structs.replace(fresh, signed_by_previous=_sign(old, succession(old.public, fresh)))
    left = [msgspec.structs.replace(each, secret="") for each in known]
    replace_private(key_file(home), _lines([*left, fresh]), durable=True)
    return left[-1], fresh


def succession(old: str, fresh: SigningKey) -> str:
    """Return what an old key signs of the one after it."""
    return f"{_SUCCESSION}\nold {old}\nnew {fresh.public}\nsince {fresh.since_ns}\n"


def is_signed(said: Signed) -> bool:
    """Return whether a signature is the key's, whoever's key that is."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(said.key))
        public.verify(bytes.fromhex(said.signature), said.text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def broken_succession(known: list[SigningKey]) -> str | None:
    """Return the first key that the one before it did not sign."""
    for old, fresh in pairwise(known):
        said = Signed(text=succession(old.public, fresh), key=old.public, signature=fresh.signed_by_previous)
        if not is_signed(said):
            return fresh.public
    return None


def _sign(key: SigningKey, text: str) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key.secret)).sign(text.encode()).hex()


def _new(now_ns: int) -> SigningKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = Ed25519PrivateKey.generate()
    public = made.public_key().public_bytes_raw().hex()
    return SigningKey(public=public, since_ns=now_ns, secret=made.private_bytes_raw().hex())


def _lines(known: list[SigningKey]) -> bytes:
    return b"".join(msgspec.json.encode(each) + b"\n" for each in known)


def _read(path: Path) -> list[SigningKey]:
    check_private(path)
    try:
        lines = path.read_bytes().splitlines()
        found = [msgspec.json.decode(line, type=SigningKey) for line in lines if line]
        if found and len(bytes.fromhex(found[-1].secret)) == 32:
            return found
    except (ValueError, msgspec.MsgspecError):
        pass
    raise StateDirectoryError(
        f"{path} holds no signing key; restore it from a backup: without it nothing new can be signed, and "
        "what was signed can be verified all the same by whoever has the public key"
    )
