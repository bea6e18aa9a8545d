"""The name of a program, read from its command line: program and script, and never an argument.

What follows a script may be a secret or a prompt, and a program that rewrites its own title puts
arguments where its name was. So only what is certain is taken: the first word, the script of an
interpreter where it is a file or is spelled like one, the module after `-m`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

_NAME_MAX = 32
"""No API key is this short, and a title of one word may be one."""
_TITLE_WORD = re.compile(r"[\w.+-]+")
_SCRIPT = re.compile(r".+\.(?:py[cwz]?|[mc]?[jt]s|[jt]sx|rb|php|phar|pl|jar|java|sh|bash|zsh)", re.IGNORECASE)
_CLASS = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*")
_PACKAGE = re.compile(r"(?:@[\w.-]+/)?[A-Za-z][\w.-]*(?:@[\w.-]+)?")


class CommandLine(NamedTuple):
    """What may be said of a command line."""

    program: str
    script: str = ""
    """File name of the script, or the module or package that is run; empty where there is none."""
    flag: str = ""
    """`-m` or `-jar`, where that is how the script is named."""

    @property
    def shown(self) -> str:
        """Program and script as they were typed: `python3 app.py`, `python -m pkg.tool`."""
        return " ".join(word for word in (self.program, self.flag, self.script) if word)


class _Interpreter(NamedTuple):
    values: tuple[str, ...] = ()
    """Options whose value is the next word."""
    code: tuple[str, ...] = ()
    """Options after which there is no script."""
    named: tuple[str, ...] = ()
    """Options that name what is run."""
    words: tuple[str, ...] = ()
    """Subcommands that stand before the script."""
    flags: tuple[str, ...] | None = None
    """For launchers of packages: options without a value. After any other nothing is certain."""


_SHELL = _Interpreter(("-o", "+o", "-O", "+O", "--rcfile", "--init-file"), ("-c",))
_INTERPRETERS = {
    "python": _Interpreter(("-W", "-X", "--check-hash-based-pycs"), ("-c", "-"), ("-m",)),
    "node": _Interpreter(
        ("-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions",
         "--env-file", "--env-file-if-exists", "--title", "--input-type", "--disable-warning"),
        ("-e", "--eval", "-p", "--print", "-pe", "-"),
    ),
    "bun": _Interpreter(
        ("-r", "--preload", "--cwd", "-c", "--config", "--env-file", "-d", "--define", "-l", "--loader"),
        ("-e", "--eval", "-p", "--print", "-"), (), ("run", "x"),
    ),
    "deno": _Interpreter(
        ("-c", "--config", "--import-map", "--cert", "--location", "-L", "--log-level", "--seed"),
        ("eval", "-"), (), ("run", "serve", "task"),
    ),
    "java": _Interpreter(
        ("-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules", "--add-opens",
         "--add-exports", "--add-reads", "--source"),
        (), ("-jar", "-m"),
    ),
    "ruby": _Interpreter(("-I", "-r", "-C", "-E"), ("-e", "-")),
    "perl": _Interpreter(("-I",), ("-e", "-E", "-")),
    "php": _Interpreter(("-d", "-c", "-z"), ("-r", "-B", "-R", "-E", "-S", "-a", "-"), ("-f",)),
    "bash": _SHELL, "sh": _SHELL, "zsh": _SHELL, "dash": _SHELL,
    "npx": _Interpreter(flags=("-y", "--yes", "-q", "--quiet", "--no-install")),
    "uvx": _Interpreter(("--from", "--with", "-p", "--python"), flags=("-q", "--quiet", "--isolated")),
    "uv": _Interpreter(
        ("--from", "--with", "-p", "--python", "--project", "--directory", "--env-file", "--extra"),
        words=("run", "tool"), flags=("-q", "--quiet", "--frozen", "--locked", "--no-sync", "--isolated"),
    ),
}  # fmt: skip
_INTERPRETERS["pypy"] = _INTERPRETERS["python"]
_FAMILY = re.compile(rf"({'|'.join(sorted(_INTERPRETERS, reverse=True))})[0-9.]*t?(?:\.exe)?")
_CLUSTER = re.compile(r"-[bBdEhiIOPqRsSuvVx]*([cm])(.*)", re.DOTALL)
"""Python's short options may stand together: `-Im module`, `-uc code`."""


def read_command_line(
    words: Sequence[str], is_file: Callable[[str], bool] | None = None, executable: str = ""
) -> CommandLine:
    """Return the name of a running program.

    `is_file` says whether a word names a file where the program runs, `executable` is the file name
    of what the system runs: it stands in where the command line says nothing that may be shown.
    """
    if not words:
        return CommandLine(executable)
    there = is_file or _is_file
    first = words[0].removeprefix("-")  # a login shell's
    program = Path(first).name or first
    if program == executable or there(first):
        pass
    elif any(character.isspace() for character in first) or _TITLE_WORD.fullmatch(program) is None:
        return CommandLine(_title_name(first, executable))
    elif len(words) == 1 and len(program) > _NAME_MAX:
        return CommandLine(executable)
    family = _FAMILY.fullmatch(program)
    if family is None:
        return CommandLine(program)
    return _run_by(_INTERPRETERS[family[1]], family[1], program, words[1:], there)


def is_interpreter(name: str) -> bool:
    """Return whether a program is one that runs others, which its name alone does not tell apart."""
    return _FAMILY.fullmatch(name) is not None


def _title_name(title: str, executable: str) -> str:
    """Return the first word of a title that a program has given itself (`gunicorn: worker [app]`)."""
    found = _TITLE_WORD.search(title)
    name = Path(title.split()[0]).name.rstrip(":") if title[:1] == "/" else found[0] if found else ""
    return name if name and len(name) <= _NAME_MAX and _TITLE_WORD.fullmatch(name) else executable


def _run_by(
    known: _Interpreter, family: str, program: str, rest: Sequence[str], there: Callable[[str], bool]
) -> CommandLine:
    """Return what an interpreter runs: its first word that is neither an option nor an option's value."""
    skip = False
    for index, word in enumerate(rest):
        if skip:
            skip = False
            continue
        cluster = _CLUSTER.fullmatch(word) if family in ("python", "pypy") else None
        if cluster is not None:
            word, attached = f"-{cluster[1]}", cluster[2]
            if attached and word == "-m":
                return CommandLine(program, attached, word)
        if word in known.code:
            break
        if word in known.named:
            named = rest[index + 1] if index + 1 < len(rest) else ""
            return CommandLine(program, Path(named).name, word) if named else CommandLine(program)
        if word in known.values:
            skip = True
        elif word in known.words:
            continue
        elif word.startswith(("-", "+")) or (family == "java" and word.startswith("@")):
            if known.flags is not None and word not in known.flags and "=" not in word:
                break  # whether the next word is its value is not known
        else:
            return CommandLine(program, _script(known, family, word, there))
    return CommandLine(program)


def _script(known: _Interpreter, family: str, word: str, there: Callable[[str], bool]) -> str:
    """Return the file name of a script, nothing where a word may be something else."""
    if there(word) or _SCRIPT.fullmatch(Path(word).name):
        return Path(word).name
    if known.flags is not None and _PACKAGE.fullmatch(word) and len(word) <= _NAME_MAX:
        return word
    if family == "java" and _CLASS.fullmatch(word) and len(word.rpartition(".")[2]) <= _NAME_MAX:
        return word
    return ""


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):
        return False
