"""The proxy's folders have no import circles: `.importlinter` says so, and can tell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(config_filename=sys.argv[1], no_cache=True))"  # noqa: E501


def contract() -> str:
    """Return the contract as the project has it."""
    _, found, rest = (ROOT / ".importlinter").read_text().partition("[importlinter:contract:no-circles]")
    assert found
    return found + rest.partition("\n[")[0]


def lint(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "contract.ini").write_text(text)
    command = [sys.executable, "-c", LINT, str(folder / "contract.ini")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_proxy_has_no_import_circle(tmp_path: Path) -> None:
    found = lint(tmp_path, "[importlinter]\nroot_package = farebox\n\n" + contract())
    assert found.returncode == 0, found.stdout
    assert "farebox.proxy" in contract()


def test_a_circle_for_type_checking_alone_is_found(tmp_path: Path) -> None:
    """The negative control: the same contract, over a package that has one."""
    package = tmp_path / "ring"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "left.py").write_text("import ring.right\n")
    (package / "right.py").write_text(
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import ring.left\n"
    )
    head, _, _ = contract().partition("ancestors")
    found = lint(tmp_path, f"[importlinter]\nroot_package = ring\n\n{head}ancestors =\n    ring\n")
    assert found.returncode == 1, found.stdout + found.stderr
    assert "No cycles are allowed in ring" in found.stdout
