"""What `farebox run` gives its child so that calls to no base URL of ours are seen, too."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest

from farebox.catalog import Catalog, load
from farebox.certificates import bundle
from farebox.cli.run.environment import plan
from farebox.cli.run.interception import Interception, permitted_names, proxy_of_the_users
from farebox.config import ProviderConfig
from farebox.home import Home

ADDRESS = "127.0.0.1:4000"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load({})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    return made


def given(home: Home, catalog: Catalog, **theirs: str) -> dict[str, str]:
    folder = home.cache / "run"
    folder.mkdir(mode=0o700)
    return Interception(home, catalog, theirs).variables(ADDRESS, folder)


def subjects(file: str) -> set[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(file)
    return {str(certificate.get("subject")) for certificate in context.get_ca_certs()}


def test_the_proxy_variables_carry_a_password_that_is_this_runs_own(home: Home, catalog: Catalog) -> None:
    made = Interception(home, catalog, {})
    other = Interception(home, catalog, {})
    assert len(made.password) >= 20
    assert made.password != other.password
    (home.cache / "a").mkdir()
    variables = made.variables(ADDRESS, home.cache / "a")
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        assert variables[name] == f"http://farebox:{made.password}@{ADDRESS}"


def test_a_program_trusts_what_it_trusted_before_and_us(home: Home, catalog: Catalog) -> None:
    variables = given(home, catalog)
    system = len(bundle.joined(bundle.system_roots()).split(b"-----BEGIN")) - 1
    for name in bundle.REPLACING:
        found = subjects(variables[name])
        assert any("Farebox root" in subject for subject in found), name
        assert len(found) > min(50, system // 2)
        assert stat.S_IMODE(Path(variables[name]).stat().st_mode) == 0o600
    assert [subject.count("Farebox root") for subject in subjects(variables["NODE_EXTRA_CA_CERTS"])] == [1]


def test_a_file_of_the_users_own_stays_what_is_trusted(home: Home, catalog: Catalog, tmp_path: Path) -> None:
    import certifi

    whole = Path(certifi.where()).read_bytes()
    first = bundle.joined(whole[: whole.index(b"-----END CERTIFICATE-----") + 25])
    theirs = tmp_path / "corp.pem"
    theirs.write_bytes(first)
    variables = given(home, catalog, REQUESTS_CA_BUNDLE=str(theirs), NODE_EXTRA_CA_CERTS=str(theirs))
    for name in ("REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
        content = Path(variables[name]).read_bytes()
        assert content.startswith(first.strip())
        assert content.count(b"BEGIN CERTIFICATE") == 2
    assert Path(variables["SSL_CERT_FILE"]).read_bytes().count(b"BEGIN CERTIFICATE") > 2
    assert theirs.read_bytes() == first


def test_what_the_user_set_for_node_python_and_java_stays(home: Home, catalog: Catalog) -> None:
    variables = given(
        home, catalog, NODE_OPTIONS="--max-old-space-size=512", PYTHONPATH="/mine", JAVA_HOME="/jdk",
        JAVA_TOOL_OPTIONS="-Xmx64m -Djavax.net.ssl.trustStore=/mine.p12",
    )  # fmt: skip
    assert variables["NODE_OPTIONS"].startswith("--max-old-space-size=512 --require ")
    assert variables["PYTHONPATH"].endswith(":/mine")
    assert variables["JAVA_TOOL_OPTIONS"].startswith("-Xmx64m -Djavax.net.ssl.trustStore=/mine.p12 ")
    assert variables["JAVA_TOOL_OPTIONS"].count("trustStore=") == 1
    assert "-Dhttps.proxyPort=4000" in variables["JAVA_TOOL_OPTIONS"]


def test_the_authority_of_runs_is_made_once_for_the_same_names(home: Home, catalog: Catalog) -> None:
    first = Interception(home, catalog, {})
    assert Interception(home, catalog, {}).authority.folder == first.authority.folder
    elsewhere = Interception(home, catalog, {"AWS_REGION": "xx-new-1"})
    assert elsewhere.authority.folder != first.authority.folder
    assert elsewhere.authority.covers("bedrock-runtime.xx-new-1.amazonaws.com")
    assert not first.authority.covers("bedrock-runtime.xx-new-1.amazonaws.com")


def test_names_are_those_of_the_catalog_and_the_users_and_no_whole_cloud(catalog: Catalog) -> None:
    names = permitted_names(catalog, {})
    assert "api.openai.com" in names
    assert "bedrock-runtime.us-east-1.amazonaws.com" in names
    for broad in ("amazonaws.com", "googleapis.com", "azure.com", "com"):
        assert broad not in names
    own = load({"mine": ProviderConfig(upstream="https://llm.corp.example/v1", speaks="openai")})
    assert "llm.corp.example" in permitted_names(own, {})


def test_a_proxy_of_the_users_own_is_noticed_and_one_of_an_outer_run_is_not() -> None:
    assert proxy_of_the_users({}) is None
    assert proxy_of_the_users({"HTTPS_PROXY": "http://corp:3128"}) == "HTTPS_PROXY"
    assert proxy_of_the_users({"all_proxy": "socks5://x"}) == "all_proxy"
    outer = "http://farebox:word@127.0.0.1:4000"
    assert proxy_of_the_users({"HTTPS_PROXY": outer, "FAREBOX_PROXY": outer}) is None


def test_base_urls_that_must_keep_their_host_are_left_alone(catalog: Catalog) -> None:
    variables = plan(catalog, {}, interception=True).variables
    for name in ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "GOOGLE_VERTEX_BASE_URL", "AZURE_OPENAI_ENDPOINT"):
        assert name not in variables
    private = "https://vpce-1.bedrock-runtime.corp.example"
    made = plan(catalog, {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": private}, interception=True)
    assert "AWS_ENDPOINT_URL_BEDROCK_RUNTIME" not in made.variables
    assert [(one.upstream, one.speaks) for one in made.upstreams.values()] == [(private, "bedrock")]
    usual = "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert plan(catalog, {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": usual}, interception=True).upstreams == {}


FAKE_PHP = """#!/bin/sh
printf '%s\\n\\n' '{file}'
"""


def php_settings(variables: dict[str, str]) -> dict[str, str]:
    place = Path(variables["PHP_INI_SCAN_DIR"].rpartition(":")[2]) / "farebox.ini"
    lines = place.read_text().splitlines()
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def test_php_reads_its_own_settings_and_then_ours(home: Home, catalog: Catalog) -> None:
    variables = given(home, catalog)
    assert variables["PHP_INI_SCAN_DIR"].startswith(":")  # the place it was built with
    assert php_settings(variables) == dict.fromkeys(
        ("curl.cainfo", "openssl.cafile"), variables["SSL_CERT_FILE"]
    )


@pytest.mark.parametrize(
    ("before", "first"), [("/etc/mine", "/etc/mine"), (":/etc/mine", ":/etc/mine"), ("", None)]
)
def test_where_php_was_told_to_look_it_goes_on_looking(
    home: Home, catalog: Catalog, before: str, first: str | None
) -> None:
    said = given(home, catalog, PHP_INI_SCAN_DIR=before)["PHP_INI_SCAN_DIR"]
    ours = str(home.cache / "run" / "php")
    assert said == (ours if first is None else f"{first}:{ours}")


def test_roots_that_phps_configuration_names_stay_trusted(
    home: Home, catalog: Catalog, tmp_path: Path
) -> None:
    import certifi

    whole = Path(certifi.where()).read_bytes()
    theirs = tmp_path / "corp.pem"
    theirs.write_bytes(whole[: whole.index(b"-----END CERTIFICATE-----") + 25])
    php = tmp_path / "bin" / "php"
    php.parent.mkdir()
    php.write_text(FAKE_PHP.format(file=theirs))
    php.chmod(0o755)
    variables = given(home, catalog, PATH=str(php.parent))
    settings = php_settings(variables)
    assert settings["openssl.cafile"] == variables["SSL_CERT_FILE"]
    found = subjects(settings["curl.cainfo"])
    assert len(found) == 2
    assert any("Farebox root" in subject for subject in found)
