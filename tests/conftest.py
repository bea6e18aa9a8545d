"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.installations import Installation, build_wheel

ROOT = Path(__file__).resolve().parent.parent
MEMORY = Path("/dev/shm")
ROOM = 6 << 30
"""What the tests may leave there in all, and as much again for whatever runs."""


def is_roomy(folder: Path) -> bool:
    """Whether the tests' files fit into this folder of the main memory, and may be run from it."""
    try:
        room = os.statvfs(folder)
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return False
    is_usable = os.access(folder, os.W_OK) and not room.f_flag & os.ST_NOEXEC
    return is_usable and room.f_bavail * room.f_frsize > ROOM and free > 2 * ROOM


# Tests wait for the disk above all: each database, journal and invoice is synced many times. What a killed
# process leaves is the same there, and power cuts are played (`tests/faults`).
if is_roomy(MEMORY):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


LONGEST = (
    "e2e/test_screens.py",
    "sdk/test_official_clients.py",
    "e2e/test_command_line.py",
    "e2e/test_two_witnesses.py",
    "e2e/test_clients.py",
    "test_installation.py",
    "faults/test_alert_kill.py",
    "backup/test_backup.py",
    "control/test_upgrade.py",
    "sdk/test_faults.py",
    "proxy/test_process.py",
    "cli/test_alerts.py",
    "e2e/test_markup.py",
)
"""Begun first where several processes share the tests by files, so that none works long after the others."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = ROOT / "tests"
    place = {tests / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(LONGEST)))


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded provider traffic; skips the test where it is absent."""
    folder = Path(os.environ.get("FAREBOX_FIXTURES", ROOT.parent / "shared" / "fixtures"))
    if not (folder / "exchanges.jsonl.gz").is_file():
        pytest.skip(f"no recordings at {folder}: set FAREBOX_FIXTURES")
    return folder


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of these sources."""
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def standard(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An environment with `farebox[standard]` and nothing else."""
    return Installation(tmp_path_factory.mktemp("standard"), wheel, "requirements.lock")


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tables as wide as they are: processes that share the tests (pytest-xdist) are told a width."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def away_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep every test out of the real state directory."""
    home = tmp_path / "farebox-home"
    monkeypatch.setenv("FAREBOX_HOME", str(home))
    yield home
