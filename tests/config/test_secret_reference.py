"""Secrets come by reference and are never shown: by no message, no encoding, no repr."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import msgspec
import pytest

from farebox import yamltext
from farebox.config.secret_reference import Secret, SecretReference, read_secret
from farebox.errors import ConfigError, Finding
from farebox.home import Home

VALUE = "whsec_c2VjcmV0LXZhbHVl"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def read(home: Home, text: str, file: Path | None = None) -> tuple[SecretReference | None, list[Finding]]:
    where = file or home.config
    where.write_text(f"secret: {text}\n")
    where.chmod(0o600)
    root, _ = yamltext.read(where)
    assert root is not None
    node = root.get("secret")
    assert node is not None
    findings: list[Finding] = []
    return read_secret(node, home, findings), findings


def test_a_secret_comes_from_the_environment(home: Home) -> None:
    reference, findings = read(home, "{env: HOOK_SECRET}")
    assert reference is not None
    assert findings == []
    assert reference.secret({"HOOK_SECRET": f"{VALUE}\n"}).reveal() == VALUE
    assert repr(reference) == "(secret from env HOOK_SECRET)"
    with pytest.raises(ConfigError, match=r"nothing at \(secret from env HOOK_SECRET\)"):
        reference.secret({})


def test_a_secret_comes_from_a_file_of_ones_own_and_a_renewed_one_counts(home: Home) -> None:
    reference, _ = read(home, "{file: hook.secret}")
    assert reference is not None
    file = home.path / "hook.secret"
    with pytest.raises(ConfigError, match="No such file"):
        reference.secret()
    file.write_text(VALUE + "\n")
    file.chmod(0o600)
    assert reference.secret().reveal() == VALUE
    file.write_text("another")
    assert reference.secret().reveal() == "another"


def test_a_file_that_others_can_read_or_a_link_is_refused_by_its_name(home: Home, tmp_path: Path) -> None:
    reference, _ = read(home, "{file: hook.secret}")
    assert reference is not None
    file = home.path / "hook.secret"
    file.write_text(VALUE)
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="mode 640") as caught:
        reference.secret()
    assert VALUE not in str(caught.value)
    assert str(file) in str(caught.value)
    file.rename(tmp_path / "real")
    (tmp_path / "real").chmod(0o600)
    file.symlink_to(tmp_path / "real")
    with pytest.raises(ConfigError, match="no symbolic link"):
        reference.secret()


def test_text_is_a_secret_only_in_the_homes_own_private_file(home: Home, tmp_path: Path) -> None:
    reference, findings = read(home, VALUE)
    assert reference is not None
    assert findings == []
    assert reference.secret().reveal() == VALUE
    home.config.chmod(0o644)
    root, _ = yamltext.read(home.config)
    assert root is not None
    node = root.get("secret")
    assert node is not None
    assert read_secret(node, home, findings) is not None, "nobody else can enter the directory"
    home.path.chmod(0o755)
    assert read_secret(node, home, findings) is None
    assert "mode 644" in str(findings[0])
    assert read(home, VALUE, tmp_path / "farebox.yaml")[0] is None
    assert VALUE not in str(findings)


@pytest.mark.parametrize(
    "text", [f"[{VALUE}]", "{}", f"{{env: A, file: {VALUE}}}", f"{{vault: {VALUE}}}", f"{{env: '{VALUE} '}}"]
)
def test_what_is_no_reference_is_a_finding_that_does_not_repeat_it(home: Home, text: str) -> None:
    reference, findings = read(home, text)
    assert reference is None
    assert findings
    assert VALUE not in str(findings)


def test_a_secret_is_not_printed_formatted_encoded_pickled_or_copied() -> None:
    secret = Secret(VALUE)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret:>30}", repr([secret]), "%s" % secret):  # noqa: UP031
        assert VALUE not in shown
    for encode in (msgspec.json.encode, msgspec.msgpack.encode, pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as caught:
            encode(secret)
        assert VALUE not in str(caught.value)
    assert secret == Secret(VALUE)
    assert secret != Secret("another")
    with pytest.raises(TypeError):
        hash(secret)
