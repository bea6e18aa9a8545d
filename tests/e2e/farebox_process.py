"""Run the `farebox` command as a user would: in a directory, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FAREBOX = Path(sys.executable).with_name("farebox")

_UNSET = (
    "OPENAI_BASE_URL",
    "ANTHROPIC_BASE_URL",
    "GOOGLE_GEMINI_BASE_URL",
    "FAREBOX_CONFIG",
    "GEMINI_API_KEY",
)


class Shell:
    """A working directory, and a state directory with a `farebox.yaml`."""

    def __init__(self, folder: Path, configuration: str, *, home_is_made: bool = True) -> None:
        """Where a test makes the home itself, the configuration lies beside it and is named."""
        self.folder = folder
        self.home = folder / "home"
        kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
        self.environment = {**kept, "FAREBOX_HOME": str(self.home), "TZ": "UTC", "NO_COLOR": "1"}
        if home_is_made:
            self.home.mkdir(mode=0o700, exist_ok=True)
            self.configuration = self.home / "farebox.yaml"
        else:
            self.configuration = folder / "named.yaml"
            self.environment["FAREBOX_CONFIG"] = str(self.configuration)
        self.configuration.write_text(configuration)

    def farebox(
        self, *arguments: str | Path, status: int | None = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one command and check its exit status, None for any."""
        done = subprocess.run(
            [FAREBOX, *map(str, arguments)],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if status is not None:
            assert done.returncode == status, done.stdout + done.stderr
        return done

    def rows(self) -> list[dict[str, Any]]:
        """Return every exported call, oldest first."""
        return [json.loads(line) for line in self.farebox("export").stdout.splitlines()]
