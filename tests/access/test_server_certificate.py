"""Certificates of our own listeners: which pair is used, from when, and what is refused."""

from __future__ import annotations

import contextlib
import ssl
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from proxy_harness import certificate

from farebox.access.server_certificate import ServerCertificate, check_key_file
from farebox.errors import CertificateError

NAME = "farebox.example.com"


class Pair:
    """Two names of files that a test points at one pair after the other, as certbot does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "fullchain.pem"
        self.key = folder / "privkey.pem"
        self.roots = folder / "roots.pem"
        self.told: list[str] = []

    def make(self, name: str, common_name: str) -> Path:
        made = self.folder / name
        made.mkdir()
        root, _, key = certificate(made, NAME, common_name=common_name)
        key.chmod(0o600)
        with self.roots.open("ab") as file:
            file.write(root.read_bytes())
        return made

    def point(self, link: Path, target: Path) -> None:
        temporary = link.with_suffix(".new")
        temporary.symlink_to(target)
        temporary.replace(link)

    def use(self, made: Path) -> None:
        self.point(self.certificate, made / "cert.pem")
        self.point(self.key, made / "key.pem")

    def load(self) -> ServerCertificate:
        return ServerCertificate(self.certificate, self.key, ("http/1.1", "h2"), self.told.append)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    made = Pair(tmp_path)
    made.use(made.make("first", "first"))
    return made


def shake_hands(
    server: ssl.SSLContext, *, protocols: tuple[str, ...] = (), newest: ssl.TLSVersion | None = None
) -> tuple[str, ssl.SSLObject]:
    """Return the common name that a new connection sees, and the client's end of it."""
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    if protocols:
        client.set_alpn_protocols(list(protocols))
    if newest is not None:
        client.set_ciphers("ALL:@SECLEVEL=0")  # so that it is the server that refuses old versions
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            client.minimum_version, client.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, newest
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=NAME)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (ours, theirs):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    seen = x509.load_der_x509_certificate(ours.getpeercert(binary_form=True) or b"")
    return str(seen.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value), ours


def test_a_new_connection_sees_the_new_certificate_and_an_old_one_is_not_touched(pair: Pair) -> None:
    found = pair.load()
    name, before = shake_hands(found.context)
    assert name == "first"
    pair.use(pair.make("second", "second"))
    assert shake_hands(found.context)[0] == "first"  # nobody has looked yet
    found.look()
    assert shake_hands(found.context)[0] == "second"
    assert before.version() == "TLSv1.3"
    assert pair.told == [f"the new certificate in {pair.certificate} is in use"]


def test_a_certificate_that_changes_before_its_key_is_waited_for_and_nothing_is_said(pair: Pair) -> None:
    found = pair.load()
    second = pair.make("second", "second")
    pair.point(pair.certificate, second / "cert.pem")
    found.look()
    assert shake_hands(found.context)[0] == "first"
    assert (found.trouble, pair.told) == (None, [])
    pair.point(pair.key, second / "key.pem")
    found.look()
    assert shake_hands(found.context)[0] == "second"
    assert found.trouble is None


@pytest.mark.parametrize("fault", ["mismatch", "truncated", "missing", "open", "encrypted"])
def test_a_bad_new_pair_keeps_the_old_one_and_says_so_once(pair: Pair, fault: str) -> None:
    found = pair.load()
    second = pair.make("second", "second")
    if fault == "mismatch":
        pair.point(pair.certificate, second / "cert.pem")
    else:
        pair.use(second)
    if fault == "truncated":
        (second / "cert.pem").write_bytes((second / "cert.pem").read_bytes()[:200])
    elif fault == "missing":
        (second / "key.pem").unlink()
    elif fault == "open":
        (second / "key.pem").chmod(0o644)
    elif fault == "encrypted":
        encrypt(second / "key.pem")
    for _ in range(4):
        found.look()
    assert shake_hands(found.context)[0] == "first"
    assert found.trouble is not None
    assert len(pair.told) == 1 and "stays in use" in pair.told[0]
    assert ("the key is not this certificate's" in pair.told[0]) is (fault == "mismatch")
    pair.use(pair.make("third", "third"))
    found.look()
    assert shake_hands(found.context)[0] == "third"
    assert found.trouble is None


def test_going_back_to_the_old_files_ends_the_trouble(pair: Pair) -> None:
    found = pair.load()
    pair.key.replace(pair.folder / "aside")
    found.look()
    found.look()
    assert found.trouble is not None
    (pair.folder / "aside").replace(pair.key)
    found.look()
    assert found.trouble is None


def test_a_key_that_everybody_can_read_is_refused_with_what_to_type(pair: Pair) -> None:
    for mode in (0o644, 0o604, 0o602, 0o620, 0o660):
        pair.key.resolve().chmod(mode)
        with pytest.raises(CertificateError, match=r"type: chmod 600"):
            pair.load()


def test_a_key_that_a_group_can_read_is_used_with_a_warning(pair: Pair) -> None:
    pair.key.resolve().chmod(0o640)
    assert "can be read by its group" in str(pair.load().warning)
    pair.key.resolve().chmod(0o400)
    assert pair.load().warning is None
    assert check_key_file(pair.key) is None


def test_an_encrypted_key_is_refused_and_no_terminal_is_asked(pair: Pair) -> None:
    encrypt(pair.key.resolve())
    with pytest.raises(CertificateError, match="without a password"):
        pair.load()


def test_tls_before_1_2_is_refused_and_alpn_follows_our_preference(pair: Pair) -> None:
    found = pair.load()
    with pytest.raises(ssl.SSLError):
        shake_hands(found.context, newest=ssl.TLSVersion.TLSv1_1)
    assert shake_hands(found.context, newest=ssl.TLSVersion.TLSv1_2)[1].version() == "TLSv1.2"
    for offered, agreed in ((("h2", "http/1.1"), "http/1.1"), (("h2",), "h2"), ((), None)):
        assert shake_hands(found.context, protocols=offered)[1].selected_alpn_protocol() == agreed


def encrypt(key: Path) -> None:
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    secret = serialization.BestAvailableEncryption(b"a password")
    key.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, form, secret))
    key.chmod(0o600)
