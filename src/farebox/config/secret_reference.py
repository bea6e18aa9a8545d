"""Secrets by reference: `secret: {env: NAME}`, `secret: {file: PATH}`, or text in the home's own file.

What is kept is where a secret is; its value is read when it is used, so that a renewed one counts at once.
Neither a `Secret` nor a reference prints the value, and no error does: they name the reference.
"""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

from farebox.errors import ConfigError, Finding

if TYPE_CHECKING:
    from farebox.home import Home
    from farebox.yamltext import Node

SIZE_MAX = 64 << 10
EXAMPLE = "{env: NAME} or {file: PATH}"
HIDDEN = "(secret)"

Kind = Literal["env", "file", "text"]


class Secret:
    """A value that is used and never shown: not printed, not formatted, not encoded, not pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value, to be used at once and kept nowhere."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # a hash would tell equal ones apart from others

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")


class SecretReference:
    """Where a secret is, and how to read it."""

    __slots__ = ("_secret", "kind", "place", "where")

    def __init__(
        self, kind: Kind, place: str, where: tuple[str, int, str], secret: Secret | None = None
    ) -> None:
        self.kind: Kind = kind
        self.place = place
        """The variable's name, the file's absolute path, or `file:line` of the text."""
        self.where = where
        """File, line and key of the configuration that refers to it."""
        self._secret = secret

    def __repr__(self) -> str:
        words = {"env": "from env ", "file": "from file ", "text": "in "}
        return f"(secret {words[self.kind]}{self.place})"

    def secret(self, environ: Mapping[str, str] = os.environ) -> Secret:
        """Return the secret as it is now, white space around it removed.

        Raises:
            ConfigError: The variable is not set, the file cannot be read or is not the user's alone.
        """
        if self._secret is not None:
            return self._secret
        value = (environ.get(self.place) or "" if self.kind == "env" else self._file()).strip()
        if not value:
            self._refuse("nothing", "a secret there")
        return Secret(value)

    def _file(self) -> str:
        try:
            # Not through a link or a FIFO; what is checked is what was opened.
            descriptor = os.open(self.place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            self._refuse(error.strerror or "an error", "a readable file that is no symbolic link")
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            problem = privacy_problem(status)
            if problem is not None:
                self._refuse(*problem)
            content = file.read(SIZE_MAX + 1)
        if len(content) > SIZE_MAX:
            self._refuse(f"more than {SIZE_MAX:,} bytes", "a secret")
        try:
            return content.decode()
        except UnicodeDecodeError:
            self._refuse("bytes that are not UTF-8", "text")

    def _refuse(self, found: str, expected: str) -> NoReturn:
        file, line, key = self.where
        raise ConfigError([Finding(file, line, key, f"{found} at {self!r}", expected)]) from None


def privacy_problem(status: os.stat_result) -> tuple[str, str] | None:
    """Return what was found and expected of a file that is not the user's (or root's) alone, else None."""
    if not stat.S_ISREG(status.st_mode):
        return "no regular file", "a file"
    if status.st_uid not in (os.getuid(), 0):
        return f"a file of user {status.st_uid}", f"a file of yours ({os.getuid()})"
    if status.st_mode & 0o077:
        return f"mode {status.st_mode & 0o777:o}", "mode 600: nobody else may read it"
    return None


def _readers_problem(file: Path) -> tuple[str, str] | None:
    """Return why others may read a file; in a directory that only the user can enter, nobody else does."""
    problem = privacy_problem(file.stat())
    folder = file.parent.stat()
    if folder.st_uid == os.getuid() and not folder.st_mode & 0o077 and not file.is_symlink():
        return problem if problem is not None and not stat.S_ISREG(file.stat().st_mode) else None
    return problem


def read_secret(node: Node, home: Home, findings: list[Finding]) -> SecretReference | None:
    """Read a secret's reference from a configuration; None, with a finding, for anything else.

    No finding repeats what was written: it may be the secret, put where it does not belong.
    """
    where = (node.file, node.line, node.key)
    if node.kind == "text":
        if Path(node.file) != home.config:
            findings.append(node.finding(f"{EXAMPLE}: only {home.config} may have a secret as text", "text"))
            return None
        try:
            problem = _readers_problem(home.config)
        except OSError as error:
            problem = (error.strerror or "an error", "a readable file")
        if problem is not None:
            found, expected = problem
            findings.append(
                node.finding(f"{expected}; or {EXAMPLE}", f"a secret as text in a file with {found}")
            )
            return None
        return SecretReference("text", f"{node.file}:{node.line}", where, Secret(str(node.value)))
    entries = dict(node.items())
    if len(entries) != 1 or not {"env", "file"} & set(entries):
        findings.append(node.finding(EXAMPLE, node.kind))
        return None
    kind, entry = next(iter(entries.items()))
    if entry.kind != "text":
        findings.append(entry.finding("text", entry.kind))
        return None
    text = str(entry.value)
    if kind == "env":
        if not text.replace("_", "a").isalnum() or not text.isascii() or text[0].isdigit():
            findings.append(entry.finding("the name of an environment variable", "something else"))
            return None
        return SecretReference("env", text, where)
    path = (Path(node.file).parent / Path(text).expanduser()).absolute()
    return SecretReference("file", str(path), where)
