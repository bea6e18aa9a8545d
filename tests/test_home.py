"""The state directory's secret: always 32 bytes that survive a power cut."""

from __future__ import annotations

import os
import stat

import pytest

from farebox.errors import StateDirectoryError
from farebox.home import Home, locate


@pytest.fixture
def home() -> Home:
    home = locate()
    home.prepare()
    return home


def test_the_secret_is_made_once(home: Home) -> None:
    secret = home.secret()
    assert len(secret) == 32
    assert home.secret() == secret
    assert stat.S_IMODE(home.secret_file.stat().st_mode) == 0o600
    assert [path.name for path in home.path.iterdir() if "install" in path.name] == ["install.key"]


@pytest.mark.parametrize("size", [0, 1, 31, 33])
def test_a_secret_of_another_length_is_refused_with_what_to_do(home: Home, size: int) -> None:
    home.secret_file.write_bytes(bytes(size))
    home.secret_file.chmod(0o600)
    with pytest.raises(
        StateDirectoryError, match=rf"has {size} bytes instead of 32; restore it .* remove it"
    ):
        home.secret()


def test_the_secret_is_on_disk_before_it_is_used(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        status = os.fstat(descriptor)
        # The bytes before their name: a name of an empty file would be worse than none.
        synced.append(f"{'directory' if stat.S_ISDIR(status.st_mode) else status.st_size}")
        assert home.secret_file.exists() == stat.S_ISDIR(status.st_mode)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    home.secret()
    assert synced == ["32", "directory"]
