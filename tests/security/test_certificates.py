"""A stolen intermediate key makes nobody believe in a host it was not made for (S-60 … S-63).

Each client is run for real against a server with such a leaf; beside it, with a leaf for a host that is
covered, it has to succeed, or its refusal would prove nothing.
"""

from __future__ import annotations

import datetime
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tools import upstream as mock

from farebox.certificates import authority, bundle

LISTED, UNLISTED = "listed.localhost", "unlisted.localhost"
"""`*.localhost` is this machine for curl, Go, Node and Java's resolver alike; see `address`."""


def stolen_leaf(made: authority.Authority, *names: x509.GeneralName) -> bytes:
    """Sign a leaf as a thief would: with the intermediate's key, and no check of ours in the way."""
    issuer = x509.load_pem_x509_certificate(made.intermediate.read_bytes())
    signer = serialization.load_pem_private_key(made.key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "thief")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return leaf.public_bytes(pem) + made.intermediate.read_bytes() + private


def python(host: str, port: int, made: authority.Authority, folder: Path) -> list[str]:
    program = (
        "import socket, ssl; "
        f"c = ssl.create_default_context(cafile={str(made.root)!r}); "
        f"s = c.wrap_socket(socket.create_connection(('127.0.0.1', {port})), server_hostname={host!r}); "
        "s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); assert s.recv(12) == b'HTTP/1.1 200'"
    )
    return [sys.executable, "-c", program]


def curl(host: str, port: int, made: authority.Authority, folder: Path) -> list[str]:
    resolved = f"{host}:{port}:127.0.0.1"
    return ["curl", "-sSf", "--resolve", resolved, "--cacert", str(made.root), f"https://{host}:{port}/"]


def node(host: str, port: int, made: authority.Authority, folder: Path) -> list[str]:
    program = (
        f"const s = require('tls').connect({{host: '127.0.0.1', port: {port}, servername: '{host}', "
        f"ca: require('fs').readFileSync('{made.root}')}}, () => process.exit(0)); "
        "s.on('error', (e) => { console.error(e.message); process.exit(1) })"
    )
    return ["node", "-e", program]


def java(host: str, port: int, made: authority.Authority, folder: Path) -> list[str]:
    source = folder / "Ask.java"
    source.write_text(
        "import javax.net.ssl.*; import java.net.*;\n"
        "public class Ask { public static void main(String[] a) throws Exception {\n"
        '  var plain = new Socket("127.0.0.1", Integer.parseInt(a[1]));\n'
        "  var s = (SSLSocket) ((SSLSocketFactory) SSLSocketFactory.getDefault())"
        ".createSocket(plain, a[0], plain.getPort(), true);\n"
        '  var p = s.getSSLParameters(); p.setEndpointIdentificationAlgorithm("HTTPS");\n'
        "  s.setSSLParameters(p); s.startHandshake();\n"
        "} }\n"
    )
    store = bundle.java_trust_store(made, made.root.read_bytes())
    options = [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit"]
    return ["java", *options, str(source), host, str(port)]


def go(host: str, port: int, made: authority.Authority, folder: Path) -> list[str]:
    source = folder / "ask.go"
    source.write_text(
        'package main\nimport ("crypto/tls"; "crypto/x509"; "os")\n'
        "func main() {\n  pem, _ := os.ReadFile(os.Args[1]); pool := x509.NewCertPool()\n"
        "  pool.AppendCertsFromPEM(pem)\n"
        '  _, err := tls.Dial("tcp", os.Args[3], &tls.Config{RootCAs: pool, ServerName: os.Args[2]})\n'
        "  if err != nil { println(err.Error()); os.Exit(1) }\n}\n"
    )
    return ["go", "run", str(source), str(made.root), host, f"127.0.0.1:{port}"]


CLIENTS: dict[str, Callable[[str, int, authority.Authority, Path], list[str]]] = {
    "python": python, "curl": curl, "node": node, "java": java, "go": go,
}  # fmt: skip


def answer(request: Any) -> mock.Reply:
    return mock.json_reply({})


@pytest.mark.parametrize("client", CLIENTS)
def test_a_leaf_for_an_unlisted_host_is_rejected(client: str, tmp_path: Path) -> None:
    if client != "python" and shutil.which(client) is None:
        pytest.skip(f"{client} is not installed here")
    made = authority.make(tmp_path / "ca" / "x", (LISTED,))
    status: dict[str, int] = {}
    said = ""
    for host in (LISTED, UNLISTED):
        file = tmp_path / f"{host}.pem"
        file.write_bytes(stolen_leaf(made, x509.DNSName(host)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        with mock.MockUpstream(answer, tls=context) as server:
            command = CLIENTS[client](host, server.port, made, tmp_path)
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            status[host] = done.returncode
            said = done.stderr
    assert status[LISTED] == 0, said
    assert status[UNLISTED] != 0


@pytest.mark.parametrize("name", ["address", "another name beside a listed one", "below a name with a dot"])
def test_no_other_kind_of_name_slips_past_the_constraint(name: str, tmp_path: Path) -> None:
    import ipaddress

    made = authority.make(tmp_path / "ca" / "x", (LISTED,))
    names: list[x509.GeneralName] = {
        "address": [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))],
        "another name beside a listed one": [x509.DNSName(LISTED), x509.DNSName(UNLISTED)],
        "below a name with a dot": [x509.DNSName(f"x{LISTED}")],
    }[name]
    file = tmp_path / "leaf.pem"
    file.write_bytes(stolen_leaf(made, *names))
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", str(made.root), "-untrusted", str(made.intermediate), str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "permitted subtree violation" in done.stderr or "excluded subtree violation" in done.stderr


def test_the_intermediate_signs_no_further_authority(tmp_path: Path) -> None:
    made = authority.make(tmp_path / "ca" / "x", (LISTED,))
    found = x509.load_pem_x509_certificate(made.intermediate.read_bytes())
    constraints = found.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.value.path_length, constraints.critical) == (0, True)
    assert found.extensions.get_extension_for_class(x509.NameConstraints).critical
