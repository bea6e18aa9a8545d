"""Starting is cheap: `--version` loads nothing, `import farebox` starts nothing."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "fastapi", "sqlalchemy", "pydantic", "yaml", "rich", "cyclopts", "msgspec", "apsw", "asyncio", "uvloop",
    "httptools", "uvicorn", "zoneinfo", "platformdirs", "duckdb", "starlette", "cryptography", "alembic",
)  # fmt: skip


def loaded_by(code: str, *arguments: str) -> set[str]:
    probe = f"{code}\nimport sys\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", probe, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_the_version_is_answered_before_anything_heavy_is_loaded() -> None:
    assert not loaded_by("from farebox.cli.main import main; main()", "--version") & set(HEAVY)


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import farebox") & set(HEAVY)


def test_the_supervisor_stays_free_of_what_would_make_it_big() -> None:
    big = {*HEAVY, "json", "ctypes", "subprocess", "socket", "logging", "threading", "re", "pathlib"}
    assert not loaded_by("import farebox.cli.daemon.supervisor") & big
