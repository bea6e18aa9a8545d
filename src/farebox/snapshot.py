"""What `control.db` and the home's `farebox.yaml` say, published for whoever must not open a database.

The proxy, the SDK and the ledger read it; `farebox.control.publish` replaces it in one step after each
change, so that a reader sees all of one state or all of the next. There is no secret in it: tokens are
hashes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from farebox.alerts.alert import Alert, Snooze
from farebox.budgets.budget import Budget, BudgetSet, Stop
from farebox.charges.identities import Identity
from farebox.charges.plan import Customer, Plan, Subscription
from farebox.config import KeyConfig
from farebox.home import Home

FORMAT = 1
"""Raised when an older reader would misunderstand the content; a new field alone does not need that."""

RENEWED_EVERY_S = 1.0


class PublishedToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A token that is in force, found by the SHA-256 of its secret."""

    id: str
    scope: str
    binding: dict[str, str] = {}
    """Whose calls are made with it: customer, user, project."""
    expires_at: int | None = None
    """Nanoseconds since 1970; None: never."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One published state."""

    configured: dict[str, KeyConfig] = {}
    """`keys:` of the home's `farebox.yaml`, by fingerprint."""
    labelled: dict[str, KeyConfig] = {}
    """What `farebox keys label` was told, by fingerprint."""
    tokens: dict[str, PublishedToken] = {}
    """By the hexadecimal SHA-256 of the secret. Revoked ones are left out, and those
    that had expired by then."""

    budgets: tuple[Budget, ...] = ()
    """Of the file and of commands, by name."""
    stops: tuple[Stop, ...] = ()
    alerts: tuple[Alert, ...] = ()
    """Of the file and of commands, by name."""
    snoozes: tuple[Snooze, ...] = ()
    customers: tuple[Customer, ...] = ()
    plans: tuple[Plan, ...] = ()
    """The versions that subscriptions are on."""
    subscriptions: tuple[Subscription, ...] = ()
    """Ended ones, too: late calls and corrections are charged by what was in force."""
    by_pricing: tuple[Subscription, ...] = ()
    """When customers are on no plan, where the home's `pricing:` has a markup: it bills them then."""
    identities: tuple[Identity, ...] = ()
    """Keys, users, agents and tags that stand for a customer."""
    has_terms_of_file: bool = False
    """Whether some of the customers, plans and subscriptions are the home's file's."""
    problems: tuple[str, ...] = ()
    """Why the home's `farebox.yaml` is not in force: what it said when it was last right is."""

    @property
    def limits(self) -> BudgetSet:
        """Everything that can refuse a call."""
        return BudgetSet(budgets=self.budgets, stops=self.stops)

    def key(self, fingerprint: str) -> KeyConfig | None:
        """Return what is known of a key; the file goes before the command."""
        return self.configured.get(fingerprint) or self.labelled.get(fingerprint)

    def keys(self, in_force: Mapping[str, KeyConfig] | None = None) -> dict[str, KeyConfig]:
        """Return every key by fingerprint; the configuration in force goes before the home's file."""
        return {**self.labelled, **self.configured, **(in_force or {})}


_decode_snapshot = msgspec.json.Decoder(Snapshot).decode


class _File(msgspec.Struct):
    format: int
    sha256: str
    """Of the bytes of `content`: what a damaged disk or half a copy left behind is not believed."""
    content: msgspec.Raw


_decode_file = msgspec.json.Decoder(_File).decode


def encode(snapshot: Snapshot) -> bytes:
    """Return the content of a snapshot file."""
    content = msgspec.json.encode(snapshot, order="sorted")
    return msgspec.json.encode(_File(FORMAT, sha256(content).hexdigest(), msgspec.Raw(content)))


def decode(text: bytes) -> Snapshot:
    """Return the snapshot of a file's content.

    Raises:
        ValueError: It is damaged, or of a newer Farebox.
    """
    try:
        file = _decode_file(text)
        content = bytes(file.content)
        if file.format > FORMAT:
            raise ValueError("it was written by a newer Farebox")
        if sha256(content).hexdigest() != file.sha256:
            raise ValueError("its content does not match its checksum")
        return _decode_snapshot(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it is damaged ({error})") from None


def read_snapshot(home: Home) -> Snapshot:
    """Return the published snapshot; an empty one where there is none that can be read."""
    return SnapshotReader(home).current


class SnapshotReader:
    """The published snapshot, read again when it was replaced.

    What cannot be read changes nothing: the last good state stays, and `problem` says why.
    """

    def __init__(self, home: Home | None) -> None:
        """Read it; `None` reads nothing and stays empty, for who has no state directory."""
        self.current = Snapshot()
        self.problem: str | None = None
        self._path = home.snapshot if home is not None else None
        self._seen: tuple[int, int, int] | None = None
        self._stopped = threading.Event()
        self.renew()

    def renew(self) -> bool:
        """Read the file if it was replaced since; return whether there is a new state."""
        if self._path is None:
            return False
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen == self._seen:
                return False
            text = self._path.read_bytes()
            self.current = decode(text)
        except FileNotFoundError:
            return False  # not published yet, or removed: what was known stays
        except (OSError, ValueError) as error:
            self.problem = f"{self._path} is not used: {error}"
            return False
        self._seen = seen
        self.problem = None
        return True

    def follow(self) -> None:
        """Renew it once a second until `close`, in a thread: a disk that hangs must not stop the caller."""
        if self._path is not None:
            threading.Thread(target=self._follow, name="snapshot", daemon=True).start()

    def close(self) -> None:
        self._stopped.set()

    def _follow(self) -> None:
        while not self._stopped.wait(RENEWED_EVERY_S):
            with contextlib.suppress(Exception):  # a defect here must not take the last good state away
                self.renew()
