"""The project's own files: locks that name nobody's address, chores that exist."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-base.lock", "requirements-build.lock", "requirements-dev.lock")
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
    assert pins("requirements-base.lock") < pins("requirements.lock")


def pinned_versions(*names: str) -> dict[str, str]:
    text = "\n".join((ROOT / name).read_text() for name in names)
    return dict(re.findall(r"^([a-z0-9_.-]+)==([^ ]+)", text, re.MULTILINE))


def unmet(wanted: Iterable[str], pins: dict[str, str]) -> list[str]:
    """Requirements, followed through every locked distribution and its extras, that no pin meets."""

    def required_by(requirement: Requirement) -> Iterator[tuple[str, Requirement]]:
        for extra in ("", *requirement.extras):
            for text in importlib.metadata.requires(requirement.name) or ():
                dependency = Requirement(text)
                if dependency.marker is None or dependency.marker.evaluate({"extra": extra}):
                    yield requirement.name, dependency

    found: list[str] = []
    waiting = [("pyproject.toml", Requirement(text)) for text in wanted]
    seen: set[str] = set()
    while waiting:
        asker, requirement = waiting.pop()
        if str(requirement) in seen or (
            requirement.marker and not requirement.marker.evaluate({"extra": ""})
        ):
            continue
        seen.add(str(requirement))
        version = pins.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{asker} needs {requirement}, the locks have {version}")
        else:
            waiting += required_by(Requirement(str(requirement).partition(";")[0]))
    return found


def wanted_by_the_project(*groups: str) -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["standard"]]
    for group in groups:
        wanted += [entry for entry in settings["dependency-groups"][group] if isinstance(entry, str)]
    return wanted


def test_the_locks_meet_every_requirement_extras_included_so_nothing_is_resolved() -> None:
    """pip installs with --no-deps exactly what the locks list, so a gap would show only at run time."""
    assert unmet(wanted_by_the_project("build", "dev"), pinned_versions("requirements-dev.lock")) == []
    runtime = pinned_versions("requirements.lock", "requirements-build.lock")
    assert unmet(wanted_by_the_project("build"), runtime) == []


def test_a_lock_without_what_an_extra_needs_is_found() -> None:
    pins = pinned_versions("requirements-dev.lock")
    del pins["requests"]  # google-genai needs google-auth[requests]
    assert unmet(wanted_by_the_project("build", "dev"), pins) != []


def test_there_is_one_way_to_install_for_everybody() -> None:
    script = (ROOT / "tools" / "setup_python.sh").read_text()
    assert "--no-deps" in script
    assert "--require-hashes" in script
    assert not re.search(r"\buv\b", script)


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
    assert "make_clean test" in text


def test_ci_has_an_empty_home_and_only_the_systems_path() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n" in text
    assert 'HOME="$fresh/home" PATH="$path"' in text
    assert "git clone" in text


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


SHARED_BY_THREADS = ("sdk", "recording", "wire", "catalog", "pricing", "journal", "estimating", "snapshot.py")
"""What threads of a program use beside each other."""


def test_structs_are_decoded_by_decoders_that_an_import_makes() -> None:
    """Two threads that are the first to decode a struct end the process by signal 11 (msgspec 0.22)."""
    places = [ROOT / "src" / "farebox" / name for name in SHARED_BY_THREADS]
    files = [file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])]
    late = re.compile(r"msgspec\.\w+\.decode\([^\n]*type=[A-Z_]")
    found = [str(file.relative_to(ROOT)) for file in files if late.search(file.read_text())]
    assert not found, "make a Decoder when the module is imported"
