"""The project's own files: locks that name nobody's address, chores that exist."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")
CHORES = set(
    "help up install build format lint typecheck test check catalog docs bench replay clean".split()  # noqa: SIM905
)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_package_by_hash_and_names_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "index" not in re.sub(r"^[a-z0-9_.-]+==.*$", "", text, flags=re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9_.-]+==\S+", entry), entry
        assert entry.count("--hash=sha256:") >= 1, entry


def test_the_run_time_lock_is_part_of_the_development_lock() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9_.-]+==[^ ]+)", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("requirements.lock") | pins("requirements-build.lock") <= pins("requirements-dev.lock")


def test_the_dashboards_lock_names_no_address() -> None:
    text = (ROOT / "dashboard" / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert text.count('"integrity"') > 50


def test_every_chore_exists_and_is_explained() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = set(re.findall(r"^  make ([a-z-]+)", shown, re.MULTILINE))
    assert listed >= CHORES


def test_ci_calls_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert "make test" in text


PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "src/**/*.md", "dashboard/*.md")
    for page in ROOT.glob(pattern)
)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_between_pages_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    for link in links:
        if link and "://" not in link:
            assert (ROOT / page).parent.joinpath(link).exists(), f"{page} links to {link}"
