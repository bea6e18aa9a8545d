"""The published snapshot: whole, current, and there when the database is not."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parent.parent))

from farebox.cli.publication import publish_home
from farebox.config import KeyConfig
from farebox.control import keys, publish, schema
from farebox.control.database import open_control
from farebox.control.publish import change
from farebox.errors import ControlDamagedError, ControlUnwritableError
from farebox.home import Home
from farebox.server import publication
from farebox.server.publication import Publication
from farebox.snapshot import Snapshot, SnapshotReader, decode, encode, read_snapshot
from mounts import fill, make_read_only, small_disk

FINGERPRINT = "0123456789abcdef"
BACKEND = KeyConfig(label="backend", customer="acme")


def label(home: Home, name: str = "backend", fingerprint: str = FINGERPRINT) -> None:
    with change(home) as connection:
        keys.label(connection, fingerprint, KeyConfig(label=name, customer="acme"), 1)


def test_tokens_are_published_as_hashes_until_they_are_revoked_or_expire(home: Home) -> None:
    token = {
        "id": "0199",
        "scope": "client",
        "name": "laptop",
        "hash": "a" * 64,
        "binding": '{"customer":"acme"}',
        "created_at": 1,
        "expires_at": 2**62,
    }
    with change(home) as connection:
        connection.execute(insert(schema.token).values(token))
    published = read_snapshot(home).tokens["a" * 64]
    assert (published.scope, published.binding) == ("client", {"customer": "acme"})
    assert published.expires_at == 2**62
    for ended in ({"revoked_at": 3}, {"revoked_at": None, "expires_at": 2}):
        with change(home) as connection:
            connection.execute(schema.token.update().values(ended))
        assert read_snapshot(home).tokens == {}


def test_the_homes_file_is_published_and_goes_before_the_command(home: Home) -> None:
    label(home)
    home.config.write_text(f'keys: {{"{FINGERPRINT}": {{label: ours, customer: other}}}}\n')
    snapshot = publish.publish(home)
    assert snapshot.key(FINGERPRINT) == KeyConfig(label="ours", customer="other")
    home.config.write_text("keys: [\n")  # being edited
    assert publish.publish(home).key(FINGERPRINT) == KeyConfig(label="ours", customer="other")
    home.config.unlink()
    assert publish.publish(home).key(FINGERPRINT) == BACKEND


def test_without_a_control_database_none_is_made_and_sqlalchemy_is_not_loaded(home: Home) -> None:
    import subprocess

    home.config.write_text(f'keys: {{"{FINGERPRINT}": {{label: ours}}}}\n')
    program = (
        "import sys; from farebox.home import Home; from farebox.control.publish import publish; "
        "from pathlib import Path; publish(Home(Path(sys.argv[1]))); sys.exit('sqlalchemy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(home.path)], check=True)
    assert not home.control.exists()
    assert read_snapshot(home).key(FINGERPRINT) == KeyConfig(label="ours")


def test_a_process_killed_between_the_change_and_its_publication_is_made_up_for(home: Home) -> None:
    """The server looks at its start, and whenever the file has changed."""
    label(home, "old")
    server = Publication(home)
    server.renew()
    child = os.fork()
    if not child:
        publish.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        label(home, "new")
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    proxy = SnapshotReader(home)
    assert proxy.current.labelled[FINGERPRINT].label == "old", "the negative control: it was not published"
    server.renew()
    proxy.renew()
    assert proxy.current.labelled[FINGERPRINT].label == "new"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Home]:
    with small_disk(tmp_path / "disk") as mounted:
        home = Home(mounted / "home")
        home.prepare()
        label(home)
        yield home


def test_a_read_only_home_is_read_and_a_change_is_refused_by_name(disk: Home) -> None:
    make_read_only(disk.path.parent)
    with open_control(disk).reading() as connection:
        assert keys.labels(connection) == {FINGERPRINT: BACKEND}
    with pytest.raises(ControlUnwritableError, match="read-only"):
        label(disk, "new")
    assert SnapshotReader(disk).current.key(FINGERPRINT) == BACKEND


def test_a_read_only_home_without_a_database_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as mounted:
        home = Home(mounted / "home")
        home.prepare()
        make_read_only(mounted)
        with pytest.raises(
            ControlUnwritableError, match=r"control\.db cannot be used: Read-only file system"
        ):
            label(home)


def test_on_a_full_disk_the_last_names_stay(disk: Home) -> None:
    hog = fill(disk.path.parent)
    with pytest.raises(ControlUnwritableError):
        for number in range(1_000):  # until the file has to grow
            label(disk, "x" * 500, f"{number:016x}")
    reader = SnapshotReader(disk)
    assert reader.problem is None and reader.current.key(FINGERPRINT) == BACKEND
    hog.unlink()
    label(disk, "new")
    assert read_snapshot(disk).labelled[FINGERPRINT].label == "new"


def test_the_server_says_once_what_is_wrong_with_the_database(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    label(home)
    server = Publication(home)
    home.control.write_bytes(b"garbage" * 1_000)
    for touched in (1, 2):
        os.utime(home.control, ns=(touched, touched))
        server.renew()
    said = capfd.readouterr().err
    assert said.count("is damaged") == 1 and "Restore it from a backup" in said
    with pytest.raises(ControlDamagedError):
        label(home, "new")
    assert read_snapshot(home).key(FINGERPRINT) == BACKEND


@pytest.mark.parametrize("wrong", ["cut", "flipped", "newer", "nonsense", "unreadable"])
def test_a_damaged_snapshot_changes_nothing_for_who_has_read_it(home: Home, wrong: str) -> None:
    label(home)
    reader = SnapshotReader(home)
    content = home.snapshot.read_bytes()
    text = {
        "cut": content[:-20],
        "flipped": content.replace(b"acme", b"acmf"),
        "newer": content.replace(b'"format":1', b'"format":2'),
        "nonsense": b"[" * 5_000,
        "unreadable": b"\xff" * 100,
    }[wrong]
    home.snapshot.write_bytes(text)
    assert not reader.renew()
    assert reader.current.key(FINGERPRINT) == BACKEND
    assert reader.problem is not None and "snapshot.json is not used" in reader.problem
    fresh = SnapshotReader(home)
    assert fresh.current == Snapshot() and fresh.problem is not None
    label(home, "new")
    assert reader.renew() and reader.problem is None
    assert reader.current.labelled[FINGERPRINT].label == "new"


def test_fields_that_a_later_farebox_adds_are_passed_over() -> None:
    content = encode(Snapshot(labelled={FINGERPRINT: BACKEND}))
    assert decode(content).labelled == {FINGERPRINT: BACKEND}
    from hashlib import sha256

    later = b'{"labelled":{},"later":{"acme":1}}'
    file = b'{"format":1,"sha256":"%s","content":%s}' % (sha256(later).hexdigest().encode(), later)
    assert decode(file) == Snapshot()


def test_a_defect_while_publishing_is_told_and_tried_again(
    home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(publication, "LOOK_EVERY_S", 0.01)
    server, done = Publication(home), threading.Event()
    whole, tries = server.renew, iter([ValueError("odd"), None])

    def renew() -> None:
        problem = next(tries, None)
        if problem is not None:
            raise problem
        whole()
        done.set()

    monkeypatch.setattr(server, "renew", renew)
    server.start()
    assert done.wait(20)
    server.close()
    assert "names, tokens and budgets are not published: ValueError: odd" in capfd.readouterr().err


@pytest.mark.parametrize("damage", ["removed", "damaged"])
def test_a_snapshot_that_is_lost_or_damaged_is_published_again(home: Home, damage: str) -> None:
    """A proxy beyond loopback does not start without a token in it."""
    label(home)
    server = Publication(home)
    server.renew()
    before = home.snapshot.read_bytes()
    if damage == "removed":
        home.snapshot.unlink()
    else:
        home.snapshot.write_bytes(before[:-20])
    server.renew()
    assert home.snapshot.read_bytes() == before
    written = home.snapshot.stat().st_mtime_ns
    server.renew()
    assert home.snapshot.stat().st_mtime_ns == written


def test_a_proxy_for_others_starts_with_the_tokens_published_last_where_the_database_is_damaged(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    label(home)
    before = home.snapshot.read_bytes()
    home.control.write_bytes(b"garbage" * 1_000)
    publish_home(home)
    assert "is damaged" in capfd.readouterr().err
    assert home.snapshot.read_bytes() == before
