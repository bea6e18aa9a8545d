"""Folders for tests that make many homes."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farebox.budgets.counters.file.file_lock import FileLock, LifeLock
from farebox.budgets.counters.file.mapped_file import MappedFile


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """An empty folder in memory, where there is such a thing: making a file there takes no disk."""
    shared = Path("/dev/shm")
    if not shared.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the files of the processes that a test plays and kills: they end only with the test's own."""
    files: list[FileLock | LifeLock | MappedFile] = []
    for kind in (FileLock, LifeLock, MappedFile):
        monkeypatch.setattr(kind, "__init__", _noting(kind.__init__, files))
    yield
    for file in files:
        if isinstance(file, LifeLock):
            file.release()
        else:
            file.close()


def _noting(make: Callable[..., None], files: list[Any]) -> Callable[..., None]:
    @functools.wraps(make)
    def noted(self: object, *arguments: object) -> None:
        make(self, *arguments)
        files.append(self)

    return noted
