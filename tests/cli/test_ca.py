"""`farebox ca`: what it makes is private and narrow, goes where it is asked to, and leaves nothing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from farebox.catalog import load
from farebox.certificates import authority, stores
from farebox.certificates.making import Signer
from farebox.certificates.names import constraints, covered
from farebox.certificates.stores import AnchorStore, NssStore
from farebox.cli import ca
from farebox.cli.options import Place
from farebox.cli.run.interception import Interception
from farebox.errors import CertificateError, StateDirectoryError
from farebox.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    return made


@pytest.fixture
def place(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAREBOX_CONFIG", raising=False)
    return Place(home=home.path)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system store of the test's own; its program notes that it was run."""
    folder = tmp_path / "anchors"
    folder.mkdir()
    program = tmp_path / "update"
    program.write_text(f"#!/bin/sh\nls {folder} >> {tmp_path}/updates\n")
    program.chmod(0o755)
    monkeypatch.setattr(stores, "system_store", lambda: AnchorStore(folder, str(program)))
    monkeypatch.setattr(stores, "nss_stores", list)
    return folder


def test_a_root_signs_one_constrained_intermediate_and_its_key_is_nowhere(home: Home) -> None:
    made = authority.make(home.path / "ca" / "x", ("api.openai.com", "openai.azure.com"))
    names = {file.name for file in made.folder.iterdir()}
    assert names == {"root.pem", "intermediate.pem", "intermediate.key", "authority.json"}
    assert [
        file for file in home.path.rglob("*") if file.is_file() and b"PRIVATE KEY" in file.read_bytes()
    ] == [made.key]
    for file in made.folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    text = subprocess.run(
        ["openssl", "x509", "-in", str(made.intermediate), "-noout", "-text"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "X509v3 Name Constraints: critical" in text
    assert "DNS:api.openai.com" in text
    assert "pathlen:0" in text
    assert "IP:0.0.0.0/0.0.0.0" in text
    checked = subprocess.run(
        ["openssl", "verify", "-CAfile", str(made.root), str(made.intermediate)],
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0


def test_a_leaf_is_made_only_for_names_it_may_speak_for(home: Home) -> None:
    signer = Signer(authority.make(home.path / "ca" / "x", ("api.openai.com",)))
    assert b"BEGIN CERTIFICATE" in signer.leaf("api.openai.com")
    for host in ("example.com", "openai.com", "api.openai.com.example.com", "xapi.openai.com"):
        with pytest.raises(ValueError, match="may sign for"):
            signer.leaf(host)


def test_a_key_that_others_can_read_is_not_used(home: Home) -> None:
    made = authority.make(home.path / "ca" / authority.INSTALLED, ("api.openai.com",))
    made.key.chmod(0o644)
    with pytest.raises(StateDirectoryError, match="chmod 600"):
        authority.installed(home)


def test_a_pattern_becomes_the_narrowest_names_there_are() -> None:
    assert constraints({"*.openai.azure.com": (), "a.example.com": ()}) == (
        "a.example.com",
        "openai.azure.com",
    )
    assert constraints({"x.*.amazonaws.com": ("us-east-1", "eu-west-1")}) == (
        "x.eu-west-1.amazonaws.com",
        "x.us-east-1.amazonaws.com",
    )
    assert constraints({"*": (), "localhost": (), "127.0.0.1:1": (), "*.*.com": ()}) == ()
    assert covered("my.openai.azure.com", ("openai.azure.com",))
    assert not covered("myopenai.azure.com", ("openai.azure.com",))


def test_installing_and_removing_leaves_nothing(
    home: Home, place: Place, system: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file for file in home.path.rglob("*") if "cache" not in file.parts}
    assert ca.show(place=place) == 1
    assert ca.install(system=True, place=place) == 0
    (installed,) = system.iterdir()
    found = authority.installed(home)
    assert found is not None
    assert installed.read_bytes() == found.root.read_bytes()
    assert (system.parent / "updates").read_text().split() == [installed.name]
    capsys.readouterr()
    assert ca.show(place=place, as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["installed"], said["missing_hosts"]) == (True, [])
    assert said["stores"] == [f"system ({system})"]
    assert Path(said["bundle"]).read_bytes().endswith(found.root.read_bytes().strip() + b"\n")
    assert "api.openai.com" in said["hosts"]
    assert ca.remove(place=place) == 0
    assert list(system.iterdir()) == []
    assert {file for file in home.path.rglob("*") if "cache" not in file.parts} == before


def exported(text: str, environment: dict[str, str]) -> dict[str, str]:
    """Return what a shell's environment is after it has evaluated `text`."""
    done = subprocess.run(
        ["/bin/sh", "-c", 'eval "$1"; env -0', "sh", text], env=environment, capture_output=True, check=True
    )
    return dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if "=" in entry)


def test_a_shell_gets_every_variable_that_a_run_sets(
    home: Home,
    place: Place,
    system: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(home.path)}
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in plain.items():
        monkeypatch.setenv(name, value)
    (home.cache / "run").mkdir()
    run = Interception(home, load({}), plain).variables("127.0.0.1:3273", home.cache / "run")
    ca.install(place=place)
    assert "ca env" in capsys.readouterr().out
    assert ca.env(place=place) == 0
    printed = capsys.readouterr().out
    once = exported(printed, plain)
    assert run.keys() <= once.keys()
    assert once["http_proxy"] == "http://127.0.0.1:3273"  # Ruby's, for https, too
    assert "node.cjs" in once["NODE_OPTIONS"]
    assert once["NO_PROXY"] == "127.0.0.1,localhost"
    found = authority.installed(home)
    assert found is not None
    assert Path(once["SSL_CERT_FILE"]).read_bytes().endswith(found.root.read_bytes().strip() + b"\n")
    for name, value in once.items():
        monkeypatch.setenv(name, value)
    ca.env(place=place)
    assert exported(capsys.readouterr().out, once) == once, "a second time changes nothing"


def test_a_shell_is_told_where_no_authority_is_installed(place: Place) -> None:
    with pytest.raises(CertificateError, match="ca install"):
        ca.env(place=place)


def test_a_rotated_authority_is_in_the_same_stores_and_the_old_one_is_not(
    home: Home, place: Place, system: Path
) -> None:
    ca.install(system=True, place=place)
    (old,) = system.iterdir()
    assert ca.rotate(place=place) == 0
    (new,) = system.iterdir()
    assert new.name != old.name
    found = authority.installed(home)
    assert found is not None
    assert new.read_bytes() == found.root.read_bytes()


def test_a_root_that_cannot_be_taken_out_keeps_its_authority(
    home: Home,
    place: Place,
    system: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ca.install(system=True, place=place)

    def refuse(self: AnchorStore, fingerprint: str) -> bool:
        raise CertificateError("type: sudo rm it")

    monkeypatch.setattr(AnchorStore, "remove", refuse)
    assert ca.remove(place=place) == 1
    assert authority.installed(home) is not None
    assert "sudo rm" in capsys.readouterr().err


def test_a_store_that_may_not_be_written_says_what_to_type(tmp_path: Path) -> None:
    store = AnchorStore(tmp_path / "not-there", "update-ca-certificates")
    root = tmp_path / "root.pem"
    root.write_text("x")
    with pytest.raises(CertificateError, match=r"sudo install -m 644 .* && sudo update-ca-certificates"):
        store.add(root, "f" * 64)


def test_nss_databases_are_those_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / ".mozilla" / "firefox" / "x.default"
    database.mkdir(parents=True)
    (tmp_path / ".pki" / "nssdb").mkdir(parents=True)
    assert stores.nss_stores(tmp_path) == []
    (database / "cert9.db").touch()
    (store,) = stores.nss_stores(tmp_path)
    tools = tmp_path / "bin"
    tools.mkdir()
    program = tools / "certutil"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\necho farebox-ffffffffffffffff C,,\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    root = tmp_path / "root.pem"
    store.add(root, "f" * 64)
    assert store.has("f" * 64)
    assert store.remove("f" * 64)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == f"-d sql:{database} -A -t C,, -n farebox-{'f' * 16} -i {root}"
    assert asked[-1] == f"-d sql:{database} -D -n farebox-{'f' * 16}"
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CertificateError, match="certutil"):
        NssStore(database).add(root, "f" * 64)
