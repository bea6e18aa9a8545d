"""Clients that accept no certificate but the provider's: who is left alone, for how long, who says so."""

from __future__ import annotations

import contextlib
import os
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from interception_harness import HOST, Setting, intercepting
from proxy_harness import Reply, Request, mock

from farebox.proxy.caller import process_info
from farebox.proxy.caller.socket_owner import ClientProcess
from farebox.proxy.intercept.pinning_clients import PinningClients, forget_pins, read_pins

CHAT = "/v1/chat/completions"
ANSWER = {"id": "c1", "model": "gpt-4o", "usage": {"prompt_tokens": 1203, "completion_tokens": 187}}


@pytest.fixture(autouse=True)
def looked_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pauses between look-ups: a connection that has gone by then is nobody's."""
    monkeypatch.setattr("farebox.proxy.caller.process_lookup._PAUSE", 0.0)


@pytest.fixture(autouse=True)
def named_as_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that are shared out run in `python -c`, which is no program that could be pinned."""
    command_of = process_info.command_of

    def told(pid: int) -> str:
        return "python pytest" if pid == os.getpid() else command_of(pid)

    monkeypatch.setattr(process_info, "command_of", told)


def answering(request: Request) -> Reply:
    return mock.json_reply(ANSWER)


def own_ca(tmp_path: Path) -> ssl.SSLContext:
    """Trust what the provider has, and so nothing of ours."""
    return ssl.create_default_context(cafile=str(tmp_path / "mock" / "ca.pem"))


@contextlib.contextmanager
def refusing(setting: Setting, *headers: str) -> Iterator[None]:
    """Connect as a client that pins: it accepts none of our certificates.

    Its connection stays open meanwhile: one that is gone before its process is looked up counts for nothing,
    and a look-up takes as long as this process has descriptors.
    """
    client = setting.connect(f"{HOST}:443", *headers)
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    with client.socket.dup():
        with pytest.raises(ssl.SSLError):
            own_ca(setting.home).wrap_socket(client.socket, server_hostname=HOST)
        yield


def refusing_until(setting: Setting, condition: Callable[[], bool], *headers: str) -> None:
    """Refuse again and again, until a condition holds."""
    for _ in range(10):
        with refusing(setting, *headers), contextlib.suppress(AssertionError):
            setting.proxy.settle(condition, seconds=4.0)
            return
    raise AssertionError("ten refusals did not do it")


def accepting(setting: Setting, *headers: str) -> None:
    with setting.secured(HOST, *headers) as client:
        assert client.post(CHAT, b"{}").status == 200


def unmetered(setting: Setting) -> list[dict[str, Any]]:
    _, health = setting.proxy.proxy.health()
    return health["unmetered"]


def pins_of(setting: Setting) -> PinningClients:
    return setting.proxy.proxy.interception.pins


def knows_that_it_accepts(setting: Setting) -> bool:
    """Return whether both are noted, the process and the program."""
    return len(pins_of(setting)._accepted) == 2  # pyright: ignore[reportPrivateUsage]


def counted(setting: Setting) -> int:
    """Return how many failures in a row are counted of anybody."""
    return max(pins_of(setting)._failures.values(), default=0)  # pyright: ignore[reportPrivateUsage]


def test_a_client_that_pins_is_noticed_and_tunnelled_for_less_than_an_hour(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path, finds_processes=True) as setting:
        agent = "User-Agent: pinner/1.0"
        folder = tmp_path / "pinned"
        refusing_until(setting, lambda: len(read_pins(folder)) == 2, agent)
        found = read_pins(folder)
        assert {(pin.host, pin.client, pin.reason) for pin in found} == {(HOST, "pinner", "unknown_ca")}
        assert all(0 < pin.until - time.time() < 3_600 for pin in found)
        for file in folder.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with setting.secured(HOST, agent, context=own_ca(tmp_path)) as client:
            assert client.post(CHAT, b"{}").status == 200
        assert setting.journal.entries == []
        accepting(setting, "User-Agent: other/1.0")  # others are metered as before
        setting.proxy.settled(1)
        (seen,) = unmetered(setting)
        assert (seen["host"], seen["client"], seen["reason"]) == (HOST, "pinner", "pinned:unknown_ca")
        assert (seen["connections"], seen["retry_at"]) == (1, max(pin.until for pin in found))
        assert seen["command"]


def test_a_pinned_client_is_tried_again_when_its_time_is_over(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path, finds_processes=True) as setting:
        folder = tmp_path / "pinned"
        refusing_until(setting, lambda: len(read_pins(folder)) == 2)
        for file in folder.glob("*.json"):
            over = msgspec.json.decode(file.read_bytes()) | {"until": int(time.time())}
            file.write_bytes(msgspec.json.encode(over))
        accepting(setting)
        setting.proxy.settled(1)


def test_a_client_that_has_accepted_is_not_pinned_by_one_failure(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path, finds_processes=True) as setting:
        folder = tmp_path / "pinned"
        with setting.secured(HOST) as client:  # stays until its process was looked up
            assert client.post(CHAT, b"{}").status == 200
            setting.proxy.settle(lambda: knows_that_it_accepts(setting))
        refusing_until(setting, lambda: counted(setting) == 1)
        refusing_until(setting, lambda: counted(setting) == 2)
        accepting(setting)
        setting.proxy.settled(2)
        setting.proxy.settle(lambda: counted(setting) == 0)
        assert read_pins(folder) == []
        # The control: three times in a row it means it.
        refusing_until(setting, lambda: counted(setting) == 1)
        refusing_until(setting, lambda: counted(setting) == 2)
        refusing_until(setting, lambda: bool(read_pins(folder)))


def test_another_users_handshakes_pin_nobody(tmp_path: Path) -> None:
    """The look-up finds this process, and says that it is another user's."""
    with intercepting(answering, tmp_path, finds_processes=True) as setting:
        processes: Any = setting.proxy.proxy.shared.processes
        real = processes._of
        looked_at: list[int] = []

        def of_another_user(pid: int) -> Any:
            looked_at.append(pid)
            return real(pid)[0], None

        processes._of = of_another_user
        for number in range(6):
            refusing_until(setting, lambda number=number: len(looked_at) > number)
        processes._of = real
        accepting(setting)
        setting.proxy.settled(1)
        assert read_pins(tmp_path / "pinned") == []
        control = "User-Agent: control/1"  # the same of our own user's does
        refusing_until(setting, lambda: bool(read_pins(tmp_path / "pinned")), control)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs a second user")
def test_a_process_of_another_user_is_no_client_of_ours() -> None:
    other = subprocess.Popen(["sleep", "30"], user=65534, group=65534)
    own = subprocess.Popen(["sleep", "30"])
    try:
        assert process_info.client_process(other.pid, process_info.describe(other.pid)) is None
        assert process_info.client_process(own.pid, process_info.describe(own.pid)) is not None
    finally:
        for process in (other, own):
            process.kill()
            process.wait()


SCRIPT = f"""
import socket, ssl, sys
ca, port = sys.argv[1], int(sys.argv[2])
head = b"CONNECT {HOST}:443 HTTP/1.1\\r\\nHost: {HOST}:443\\r\\nUser-Agent: same/1\\r\\n\\r\\n"
plain = socket.create_connection(("127.0.0.1", port))
plain.sendall(head)
assert plain.recv(4096).startswith(b"HTTP/1.1 200")
try:
    tls = ssl.create_default_context(cafile=ca).wrap_socket(plain, server_hostname="{HOST}")
    tls.sendall(b"GET /v1/models HTTP/1.1\\r\\nHost: {HOST}\\r\\n\\r\\n")
    assert tls.recv(4096).startswith(b"HTTP/1.1 200")
except ssl.SSLError:
    input()  # until the proxy has looked who this is
    sys.exit(3)
"""


def test_one_broken_script_leaves_programs_of_the_same_name_metered(tmp_path: Path) -> None:
    """Two scripts with one file name and one `User-Agent`: one trusts us, one does not."""
    with intercepting(answering, tmp_path, finds_processes=True) as setting:
        pinned, theirs = tmp_path / "pinned", tmp_path / "mock" / "ca.pem"

        def run(folder: str, ca: Path) -> int:
            (tmp_path / folder).mkdir(exist_ok=True)
            script = tmp_path / folder / "main.py"
            script.write_text(SCRIPT)
            command = [sys.executable, str(script), str(ca), str(setting.proxy.port)]
            child = subprocess.Popen(command, cwd=tmp_path / folder, stdin=subprocess.PIPE)
            if folder == "broken":
                setting.proxy.settle(lambda: child.poll() is not None or bool(read_pins(pinned)))
            child.communicate(b"\n", timeout=20)
            return child.returncode

        assert run("broken", theirs) == 3
        assert run("sound", setting.root) == 0
        setting.proxy.settled(1)
        assert run("broken", theirs) == 0  # the broken one works, unseen
        (seen,) = unmetered(setting)
        assert seen["reason"] == "pinned:unknown_ca"
        assert seen["command"].endswith("main.py")
        assert len(setting.journal.dones) == 1


def test_a_client_that_says_nothing_is_pinned_after_the_third_time(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path, finds_processes=True) as setting:
        processes = setting.proxy.proxy.shared.processes
        look, looked = processes._answer, list[int]()

        def answer(batch: list[Any]) -> None:
            look(batch)
            looked.append(len(batch))

        processes._answer = answer

        def leave() -> None:
            before = len(looked)
            with setting.secured(HOST, "User-Agent: shy/1"):
                # Its handshake is done, it looks at the certificate, it goes.
                setting.proxy.settle(lambda: len(looked) > before)

        folder = tmp_path / "pinned"
        leave()
        leave()
        setting.proxy.settle(lambda: counted(setting) == 2)
        with setting.secured(HOST, "User-Agent: shy/1") as client:
            assert client.post(CHAT, b"{}").status == 200  # a request forgets what was counted
            setting.proxy.settle(lambda: knows_that_it_accepts(setting))
            setting.proxy.settle(lambda: counted(setting) == 0)
        leave()
        leave()
        setting.proxy.settle(lambda: counted(setting) == 2)
        assert read_pins(folder) == []
        leave()
        setting.proxy.settle(lambda: bool(read_pins(folder)))
        assert read_pins(folder)[0].reason == "closed"


def test_a_pin_is_for_one_host_one_name_and_one_program(tmp_path: Path) -> None:
    me = ClientProcess("1 2", "/bin/x", "x")
    PinningClients(tmp_path / "pinned").rejected(HOST, "", me, "unknown_ca")
    pins = PinningClients(tmp_path / "pinned")  # another proxy's
    assert pins.any(HOST, "")
    assert pins.find(HOST, "", me) is not None
    assert pins.find(HOST, "", ClientProcess("3 4", "/bin/x")) is not None
    assert pins.find(HOST, "", ClientProcess("3 4", "/bin/y")) is None
    assert pins.find(HOST, "x", me) is None
    assert not pins.any(HOST, "x")
    assert pins.find("api.anthropic.com", "", me) is None
    assert forget_pins(tmp_path / "pinned") == 2
    assert pins.find(HOST, "", me) is None


def test_where_a_program_accepts_one_process_is_pinned_alone(tmp_path: Path) -> None:
    one, other, third = (ClientProcess(f"{pid} 0", "/bin/x", "x") for pid in (1, 2, 3))
    pins = PinningClients(tmp_path / "pinned")
    pins.trusted(HOST, "", one)
    for each in (pins, PinningClients(tmp_path / "pinned")):  # another proxy knows that it accepts
        each.rejected(HOST, "", other, "unknown_ca")
        assert pins.find(HOST, "", other) is not None
        assert pins.find(HOST, "", one) is None
        assert pins.find(HOST, "", third) is None


def test_what_cannot_be_written_is_remembered_in_memory() -> None:
    me = ClientProcess("1 2", "/bin/x", "x")
    pins = PinningClients(None)
    pins.trusted("other.example", "", me)
    pins.rejected(HOST, "", me, "unknown_ca")
    assert pins.any(HOST, "")
    assert pins.find(HOST, "", me) is not None


def test_an_interpreters_prompt_or_line_of_code_is_no_program_of_its_own() -> None:
    """Every `python -c …` would be one program otherwise."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        found = process_info.client_process(child.pid, process_info.describe(child.pid))
        assert found is not None
        assert found.program == ""
        assert found.identities == (found.process,)
    finally:
        child.communicate(b"\n")


def test_pins_of_older_versions_count_for_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "pinned"
    folder.mkdir()
    old = {"host": HOST, "client": "x", "reason": "closed", "at": 1, "until": 9_999_999_999, "commands": []}
    (folder / "0123.json").write_bytes(msgspec.json.encode(old))
    assert read_pins(folder) == []


def test_the_folder_of_pins_does_not_grow_for_ever(tmp_path: Path) -> None:
    pins = PinningClients(tmp_path / "pinned")
    for pid in range(300):
        me = ClientProcess(f"{pid} 0", f"/bin/{pid}", "x")
        pins.trusted("other.example", "", me)
        pins.rejected(HOST, "", me, "unknown_ca")
    assert len(list((tmp_path / "pinned").iterdir())) <= 512
    assert pins.find(HOST, "", ClientProcess("299 0")) is not None


def test_what_else_is_tunnelled_and_why_is_told(tmp_path: Path) -> None:
    names = (HOST, "api.groq.com")
    with intercepting(answering, tmp_path, names=names, never=("api.openai.com",)) as setting:
        for host in names:  # one excepted, one that the authority does not cover
            with setting.secured(host, "User-Agent: a/1", context=own_ca(tmp_path)) as client:
                assert client.post(CHAT, b"{}").status == 200
        (tmp_path / "ca" / "test" / "authority.json").rename(tmp_path / "away.json")
        with setting.secured("api.groq.com", context=own_ca(tmp_path)) as client:
            assert client.post(CHAT, b"{}").status == 200
        assert [(entry["host"], entry["client"], entry["reason"]) for entry in unmetered(setting)] == [
            ("api.groq.com", "", "no_authority"),
            ("api.groq.com", "a", "not_covered"),
            (HOST, "a", "excepted"),
        ]
