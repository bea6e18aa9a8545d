"""`farebox doctor`: what is well says so, what is not says what to do, and the status tells a script."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest

from farebox.certificates import authority
from farebox.cli.doctor import checks
from farebox.cli.doctor.clients import CLIENTS, Client, try_clients
from farebox.cli.doctor.doctor_command import Check, DoctorAnswer, doctor, render
from farebox.cli.options import Place
from farebox.config import Address, Config
from farebox.home import Home
from farebox.proxy.caller.socket_owner import ClientProcess
from farebox.proxy.intercept.pinning_clients import PinningClients


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAREBOX_CONFIG", raising=False)
    (tmp_path / "farebox.yaml").write_text("listen: 127.0.0.1:0\ndashboard: 127.0.0.1:0\n")
    made = Home(tmp_path / "home")
    made.prepare()
    return made


def found(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_a_fresh_installation_is_well(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(clients=False, place=Place(home=home.path), as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    assert said["schema"] == "farebox.doctor/1"
    names = [check["name"] for check in said["installation"]]
    assert names == [
        "permissions", "state directory", "configuration", "proxy port", "dashboard port", "certificates",
        "journal lag", "lost events", "unpriced calls", "clock", "control database", "recording", "prices",
        "pinned clients",
    ]  # fmt: skip


def test_a_file_that_others_can_read_is_named(home: Home) -> None:
    loose = home.run / "x.json"
    loose.write_text("{}")
    loose.chmod(0o644)
    check = checks.check_permissions(home)
    assert not check.ok
    assert str(loose) in check.detail
    assert check.fix == f"chmod -R go= {home.path}"


def test_who_holds_a_port_is_said(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = Config(listen=Address("127.0.0.1", port), dashboard=Address("127.0.0.1", 0))
        proxy, dashboard = checks.check_ports(home, config)
    assert not proxy.ok
    assert "pid" in proxy.detail
    assert dashboard.ok


def test_an_authority_that_lacks_hosts_or_time_is_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(home=home.path)
    authority.make(home.path / "ca" / authority.INSTALLED, ("api.openai.com",))
    check = checks.check_authority(place, home)
    assert not check.ok
    assert "not covered" in check.detail
    assert check.fix.endswith("farebox ca rotate")
    soon = time.time() + 390 * 86_400
    monkeypatch.setattr("farebox.certificates.authority.time.time", lambda: soon)
    assert "expires in" in checks.check_authority(place, home).detail


def test_a_client_that_pins_is_named_with_what_to_do(home: Home) -> None:
    pins = PinningClients(home.run / "pinned")
    pins.rejected("api.openai.com", "okhttp", ClientProcess("1 2", "/bin/a"), "unknown_ca")
    pins.rejected("api.openai.com", "", ClientProcess("3 4", "java", "java App"), "bad_certificate")
    found_pins = checks.check_pins(home)
    assert [check.ok for check in found_pins] == [False, False]
    said = " ".join(check.detail for check in found_pins)
    assert "okhttp accepts only api.openai.com's own certificate (unknown_ca)" in said
    assert "java App accepts only" in said
    assert all(check.fix and "base URL" in check.fix for check in found_pins)


def test_a_clock_behind_the_last_call_is_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_EARLIEST", time.time() + 60)
    assert not found(checks.check_ledger(Place(home=home.path)))["clock"].ok


def test_a_failed_check_is_status_1_and_shown(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    client = ClientProcess("1 2", "/bin/a")
    PinningClients(home.run / "pinned").rejected("api.openai.com", "okhttp", client, "unknown_ca")
    assert doctor(clients=False, place=Place(home=home.path)) == 1
    out = capsys.readouterr().out
    assert "✘ pinned client: okhttp" in out
    assert "→ give it a base URL" in out
    assert doctor(clients=False, retry=True, place=Place(home=home.path)) == 0
    assert PinningClients(home.run / "pinned").find("api.openai.com", "okhttp", client) is None


def test_the_answer_reads_like_a_list() -> None:
    checks = [Check("node", True, "a call arrived"), Check("go", False, "no call", "set Proxy")]
    text = render(DoctorAnswer(False, checks, []))
    assert text.splitlines() == [
        "Clients", "  ✔ node: a call arrived", "  ✘ go: no call", "      → set Proxy",
        "Something needs attention: see ✘ above.",
    ]  # fmt: skip


def test_each_runtime_that_is_here_comes_through_and_one_that_does_not_is_said() -> None:
    quick = tuple(
        client
        for client in CLIENTS
        if client.program in ("curl", "node", "java") and shutil.which(client.program)
    )
    deaf = Client(sys.executable, ("-c", "raise SystemExit('it cannot')"), "let it", {}, {}, 10.0)
    checks = try_clients((*quick, deaf))
    assert [(check.name, check.ok) for check in checks[:-1]] == [(client.program, True) for client in quick]
    assert not checks[-1].ok
    assert "it cannot" in checks[-1].detail
    assert checks[-1].fix == "let it"


def test_a_client_that_ignores_the_variables_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary's name leads nowhere without the proxy, so a call cannot pass by another way."""
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    program = "import os, urllib.request as u; u.install_opener(u.build_opener(u.ProxyHandler({})));" \
        "u.urlopen('https://api.openai.com.invalid/', timeout=2)"  # fmt: skip
    (check,) = try_clients((Client(sys.executable, ("-c", program), "fix", {}, {}, 10.0),))
    assert not check.ok
