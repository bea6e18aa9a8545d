"""Make an authority, leaves and a Java trust store: the one module that needs `cryptography`.

`python -m farebox.certificates.making FOLDER` reads the permitted names from standard input, one a
line, and makes an authority; `… --java FILE` turns the certificates of a PEM file read from standard
input into a PKCS #12 trust store. Leaves are made by `issuer`, which keeps running for a while.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import secrets
import shutil
import sys
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from farebox.certificates.authority import Authority, Facts
from farebox.home import write_private

AUTHORITY_DAYS = 397
LEAF_DAYS = 6
_SKEW = datetime.timedelta(hours=1)
"""How far another machine's clock (a container's, a virtual machine's) may be behind ours."""


def make_authority(folder: Path, permitted: tuple[str, ...]) -> None:
    """Write root, intermediate and the intermediate's key to `folder`, replacing what is there.

    The root's key exists in this function only: no other intermediate can ever be signed with it.
    """
    now = datetime.datetime.now(datetime.UTC)
    until = now + datetime.timedelta(days=AUTHORITY_DAYS)
    mark = secrets.token_hex(4)
    root_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    root_name = _name(f"Farebox root {mark}")
    name = _name(f"Farebox interception {mark}")
    root = (
        _certificate(root_name, root_name, root_key.public_key(), root_key.public_key(), now, until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    # A constraint on the root alone is ignored by Java, so it stands on the one intermediate.
    intermediate = (
        _certificate(name, root_name, key.public_key(), root_key.public_key(), now, until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_constraints(permitted), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    facts = Facts(
        fingerprint=root.fingerprint(hashes.SHA256()).hex(),
        name=f"Farebox root {mark}",
        permitted=permitted,
        made_at=int(now.timestamp()),
        not_after=int(until.timestamp()),
    )
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.{mark}")
    fresh.mkdir(mode=0o700)
    pem = serialization.Encoding.PEM
    write_private(fresh / "root.pem", root.public_bytes(pem))
    write_private(fresh / "intermediate.pem", intermediate.public_bytes(pem))
    write_private(fresh / "intermediate.key", _key_pem(key))
    write_private(fresh / "authority.json", msgspec.json.encode(facts))
    old = folder.with_name(f"{fresh.name}.old")
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


class Signer:
    """An authority with its key loaded."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._chain = authority.intermediate.read_bytes()
        self._intermediate = x509.load_pem_x509_certificate(self._chain)
        key = serialization.load_pem_private_key(authority.key.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{authority.key} is not an elliptic curve key")
        self._key = key

    def leaf(self, host: str) -> bytes:
        """Return a certificate for `host`, its chain and its key, as PEM.

        Raises:
            ValueError: The authority may not speak for `host`.
        """
        if not self._authority.covers(host):
            raise ValueError(f"{host} is not one of the names this authority may sign for")
        now = datetime.datetime.now(datetime.UTC)
        until = min(now + datetime.timedelta(days=LEAF_DAYS), self._intermediate.not_valid_after_utc)
        key = ec.generate_private_key(ec.SECP256R1())
        # A common name has 64 characters at most; nobody reads it where there are alternative names, but
        # OpenSSL holds it against the constraints on domains where these are all addresses.
        named = _general_name(host)
        subject = _name(host if len(host) <= 64 and isinstance(named, x509.DNSName) else "Farebox")
        leaf = (
            _certificate(
                subject, self._intermediate.subject, key.public_key(), self._key.public_key(), now, until
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([named]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return leaf.public_bytes(serialization.Encoding.PEM) + self._chain + _key_pem(key)


def java_trust_store(pem: bytes) -> bytes:
    """Return the certificates of `pem` as a PKCS #12 trust store with Java's usual password."""
    from cryptography.hazmat.primitives.serialization import pkcs12

    entries = [
        pkcs12.PKCS12Certificate(certificate, f"root-{number}".encode())
        for number, certificate in enumerate(x509.load_pem_x509_certificates(pem))
    ]
    protection = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(1_000)  # it holds no secret: the password is everybody's
        .build(JAVA_PASSWORD.encode())
    )
    return pkcs12.serialize_java_truststore(entries, protection)


JAVA_PASSWORD = "changeit"  # noqa: S105  # what Java's own store has, too


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    until: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _constraints(permitted: tuple[str, ...]) -> x509.NameConstraints:
    # A kind of name that no constraint mentions is allowed, so addresses are excluded by hand. Where one
    # is permitted, all others of its version are not.
    names = [_constraint(name) for name in permitted]
    versions = {name.value.version for name in names if isinstance(name, x509.IPAddress)}
    excluded = [network for network in _EVERYWHERE if network.version not in versions]
    return x509.NameConstraints(names, [x509.IPAddress(network) for network in excluded] or None)


_EVERYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def _constraint(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_network(name))
    except ValueError:
        return x509.DNSName(name)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Farebox"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def main() -> int:
    os.umask(0o077)
    said = sys.stdin.buffer.read()
    if sys.argv[1] == "--java":
        write_private(Path(sys.argv[2]), java_trust_store(said))
    else:
        make_authority(Path(sys.argv[1]), tuple(said.decode().split()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
