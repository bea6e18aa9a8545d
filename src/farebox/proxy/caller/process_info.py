"""What is known of a process: its command, working directory, git repository, container, labels.

Of its command line only program and script are kept. Blocking: for a thread, never for the loop.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from farebox.proxy.caller.command_line import is_interpreter, read_command_line
from farebox.proxy.caller.socket_owner import ClientProcess
from farebox.recording.callers import labels_of

VALUE_MAX = 256
_CONTAINER = re.compile(r"(?:docker|libpod|cri-containerd|crio|containerd|kubepods)[^\n]*?([0-9a-f]{64})")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_DEPTH_MAX = 40
_ENVIRONMENT_MAX = 1 << 20
_LABEL = re.compile(rb"(?:\A|\0)(FAREBOX_[^=\0]*=[^\0]*)(?=\0|\Z)")


def describe(pid: int) -> dict[str, str]:
    """Return what is known of a process, nothing of one that has gone."""
    found = _on_mac(pid) if sys.platform == "darwin" else _on_linux(pid)
    if not found:
        return {}
    facts = {"process.pid": str(pid), **found}
    folder = facts.get("process.cwd")
    if folder:
        facts.update(repository_of(Path(folder)))
    return {name: value[:VALUE_MAX] for name, value in facts.items() if value}


def started(pid: int) -> str:
    """Return what tells this process from a later one with its number."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    return ""


def client_process(pid: int, facts: Mapping[str, str]) -> ClientProcess | None:
    """Return who a process is, given its description; None for another user's."""
    if _owner(pid) != os.geteuid():
        return None
    command, folder = facts.get("process.command", ""), facts.get("process.cwd", "")
    executable = _executable(pid)
    program = executable
    if is_interpreter(Path(executable).name):
        # Many programs have this one in common; a prompt or a line of code is none of them.
        named = command and not is_interpreter(command)
        program = "\0".join((executable, command, folder)) if named else ""
    return ClientProcess(f"{pid} {started(pid)}", program, command)


def _owner(pid: int) -> int:
    if sys.platform == "darwin":
        said = _ask("ps", "-o", "uid=", "-p", str(pid)).strip()
        return int(said) if said.isdigit() else -1
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}").stat().st_uid
    return -1


def _executable(pid: int) -> str:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        if sys.platform == "darwin":
            return _ask("ps", "-o", "comm=", "-p", str(pid)).strip()
        return str(Path(f"/proc/{pid}/exe").readlink()).removesuffix(" (deleted)")
    return ""


def _on_linux(pid: int) -> dict[str, str]:
    place = f"/proc/{pid}"
    facts: dict[str, str] = {}
    with contextlib.suppress(OSError):
        facts["process.command"] = command_of(pid)
    with contextlib.suppress(OSError):
        facts["process.cwd"] = str(Path(f"{place}/cwd").readlink())
    with contextlib.suppress(OSError):
        container = _CONTAINER.search(Path(f"{place}/cgroup").read_text("utf-8", "replace"))
        if container is not None:
            facts["container.id"] = container[1][:12]
    return facts


def labels(pid: int) -> dict[str, str]:
    """Return the `FAREBOX_*` labels that a process was started with; nothing else of its environment."""
    entries: list[str] = []
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb", 0) as file:  # noqa: PTH123
        buffer = bytearray(_ENVIRONMENT_MAX)
        size = 0
        while size < len(buffer) and (count := file.readinto(memoryview(buffer)[size:])):
            size += count
        entries = [entry[1].decode("utf-8", "replace") for entry in _LABEL.finditer(buffer, 0, size)]
        buffer[:] = bytes(len(buffer))  # keys are in it, and nobody clears what is freed
    return labels_of(dict(entry.split("=", 1) for entry in entries))


def _on_mac(pid: int) -> dict[str, str]:
    facts: dict[str, str] = {}
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        said = _ask("ps", "-o", "command=", "-p", str(pid))
        facts["process.command"] = read_command_line(said.split()).shown
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        lines = _ask("lsof", "-a", "-p", str(pid), "-d", "cwd", "-Fn").splitlines()
        facts["process.cwd"] = next((line[1:] for line in lines if line.startswith("n")), "")
    return {name: value for name, value in facts.items() if value}


def _ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout


def command_of(pid: int) -> str:
    """Return program and script of a process on Linux.

    Raises:
        OSError: There is no such process, or it is somebody else's.
    """
    place = Path(f"/proc/{pid}")
    words = (place / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    executable = ""
    with contextlib.suppress(OSError):
        executable = (place / "exe").readlink().name.removesuffix(" (deleted)")

    def is_file(word: str) -> bool:
        # As the process sees it: its own working directory, its own root in a container.
        with contextlib.suppress(OSError, ValueError):
            return (place / "root" / word[1:] if word.startswith("/") else place / "cwd" / word).is_file()
        return False

    return read_command_line([word for word in words if word], is_file, executable).shown


def app_of(command: str) -> str:
    """Return what a program is called by its users: `app.py` for `python3 app.py`."""
    return command.rpartition(" ")[2]


def repository_of(folder: Path) -> dict[str, str]:
    """Return the git repository around a folder, its branch and its commit, without running git."""
    git = None
    place = folder
    for _ in range(_DEPTH_MAX):
        candidate = place / ".git"
        with contextlib.suppress(OSError):
            if candidate.exists():
                git = candidate
                break
        if place.parent == place:
            break
        place = place.parent
    if git is None:
        return {}
    facts = {"git.repository": place.name}
    with contextlib.suppress(OSError, ValueError):
        own = _git_folder(git)
        shared = _common_folder(own)
        url = _remote(shared / "config")
        if url:
            facts["git.repository"] = url
        head = (own / "HEAD").read_text("utf-8").strip()
        reference = head.removeprefix("ref: ")
        if reference == head:
            facts["git.commit"] = head if _COMMIT.fullmatch(head) else ""
        else:
            facts["git.branch"] = reference.removeprefix("refs/heads/")
            facts["git.commit"] = _commit(own, shared, reference)
    return {name: value for name, value in facts.items() if value}


def _git_folder(git: Path) -> Path:
    """Return where HEAD lies: a worktree's and a submodule's `.git` is a file that says where."""
    if git.is_dir():
        return git
    place = git.read_text("utf-8").strip().removeprefix("gitdir:").strip()
    return (git.parent / place).resolve()


def _common_folder(own: Path) -> Path:
    with contextlib.suppress(OSError):
        return (own / (own / "commondir").read_text("utf-8").strip()).resolve()
    return own


def _commit(own: Path, shared: Path, reference: str) -> str:
    if ".." in reference.split("/"):
        return ""
    for folder in (own, shared):
        with contextlib.suppress(OSError):
            text = (folder / reference).read_text("utf-8").strip()
            if _COMMIT.fullmatch(text):
                return text
    with contextlib.suppress(OSError):
        for line in (shared / "packed-refs").read_text("utf-8").splitlines():
            commit, _, name = line.partition(" ")
            if name == reference and _COMMIT.fullmatch(commit):
                return commit
    return ""


def _remote(config: Path) -> str:
    """Return `host/path` of the remote called origin, without whatever key its address may hold."""
    section = ""
    with contextlib.suppress(OSError):
        for line in config.read_text("utf-8", "replace").splitlines():
            text = line.strip()
            if text.startswith("["):
                section = text
            elif section == '[remote "origin"]' and text.split("=")[0].strip() == "url":
                return shown_remote(text.partition("=")[2].strip())
    return ""


def shown_remote(url: str) -> str:
    """Return a remote's address as `host/path`."""
    if "://" in url:
        try:
            parts = urlsplit(url)
        except ValueError:
            return ""
        place = f"{parts.hostname or ''}{parts.path}"
    elif ":" in url and "/" not in url.partition(":")[0]:
        host, _, path = url.rpartition("@")[2].partition(":")
        place = f"{host}/{path}"
    else:
        place = Path(url).name
    return place.removesuffix("/").removesuffix(".git")
