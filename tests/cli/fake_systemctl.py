"""Stands in for `systemctl --user`: starts what the unit says, as systemd would, and remembers it.

`FAKE_SYSTEMD` names the folder for that, `FAKE_SYSTEMD_UNIT` the unit's file.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(os.environ["FAKE_SYSTEMD"])
UNIT = Path(os.environ["FAKE_SYSTEMD_UNIT"])


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def plain(text: str) -> str:
    return text.replace("%%", "%").replace("$$", "$")


def pid() -> int:
    with contextlib.suppress(OSError, ValueError):
        number = int((FOLDER / "pid").read_text())
        os.kill(number, 0)
        return number
    return 0


def start() -> None:
    if pid():
        return
    unit = settings()
    words = [plain(word) for word in shlex.split(unit["ExecStart"][0])]
    own = dict(plain(word).split("=", 1) for line in unit["Environment"] for word in shlex.split(line))
    with (FOLDER / "log").open("ab") as log:
        started = subprocess.Popen(
            words, cwd=plain(unit["WorkingDirectory"][0]), env={"HOME": os.environ["HOME"], **own},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    (FOLDER / "pid").write_text(str(started.pid))


def stop() -> None:
    """Ask the main process alone, as `KillMode=mixed` does."""
    number = pid()
    if number:
        os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while pid() and time.monotonic() < deadline:
            time.sleep(0.02)


def main(words: list[str]) -> int:
    assert words[0] == "--user"
    with (FOLDER / "calls").open("a") as calls:
        calls.write(" ".join(words[1:]) + "\n")
    verb = words[1]
    if verb in ("restart", "disable"):
        stop()
    if verb in ("start", "restart"):
        start()
    if verb in ("enable", "disable"):
        (FOLDER / "enabled").write_text(verb)
    if verb == "show":
        enabled = (FOLDER / "enabled").read_text() if (FOLDER / "enabled").exists() else ""
        print(f"ActiveState={'active' if pid() else 'inactive'}")
        print(f"UnitFileState={'enabled' if enabled == 'enable' else 'disabled'}\nMainPID={pid()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
