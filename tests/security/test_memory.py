"""What has passed is not in the proxy's memory for long (PR-1): a copy of it shows no prompt and no key.

A whole proxy is run and its memory searched, as another process of the same user could. Its clock of a
minute is a second here; nothing else is changed.

Free memory is overwritten, memory in use is not: an object that was made where something else had been, and
does not fill its place, still has a piece of that behind it. So a few fragments may be left.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from proxy_harness import Client, certificate, mock, server_tls
from proxy_processes import ProxyProcess, end_all

from farebox.certificates import authority
from farebox.home import Home

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and only glibc is overwritten")

HOST = "api.openai.com"
CHAT = "/v1/chat/completions"
KEY, PROMPT, ANSWER, ERROR = (
    "sk-in-memory-4f1d9a77c2",
    "canary-prompt-88213",
    "canary-answer-55102",
    "canary-error-771",
)
# Not as a whole: whoever searches must not find himself.
NEEDLES = [text[3:].encode() for text in (KEY, PROMPT, ANSWER, ERROR)]

_QUICK = """
import sys
from farebox.proxy import __main__, free_memory, limits, service
free_memory.ROUND_SECONDS = 0.5
service.Limits = lambda: limits.Limits(sweep_s=0.1, forget_s=0.2, pool_idle_s=0.2)
{more}
sys.exit(__main__.run())
"""
FRAGMENTS_MAX = 16
"""Of hundreds. Ten of them are one piece of a stream, seen in most runs."""
_NEVER = "free_memory.FreeMemory.sweep = lambda *_, **__: None"


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    yield
    end_all()


def found_in(pid: int) -> dict[bytes, int]:
    """Return how often each needle stands in a process's memory."""
    found = dict.fromkeys(NEEDLES, 0)
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:  # noqa: PTH123
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights, *_ = line.split()
            start, end = (int(number, 16) for number in place.split("-"))
            if rights[0] != "r" or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            try:
                data = os.pread(memory.fileno(), end - start, start)
            except (OSError, OverflowError):
                continue
            for needle in NEEDLES:
                found[needle] += len(re.findall(re.escape(needle), data))
    return found


def respond(request: mock.Request) -> mock.Reply:
    if request.header("x-mock") == "error":
        return mock.json_reply({"error": {"message": f"{ERROR} {PROMPT}", "code": KEY}}, 400)
    if b'"stream"' in request.body:
        return mock.sse_reply(stream())
    return mock.json_reply(mock.chat_answer(ANSWER + "x" * int(request.header("x-size") or 10)))


def stream() -> list[bytes]:
    delta = {"id": "c1", "model": "gpt-4o", "choices": [{"delta": {"content": ANSWER}}]}
    usage = {
        "id": "c1",
        "model": "gpt-4o",
        "choices": [],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }
    events = [delta] * 20 + [usage]
    return [*(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events), b"data: [DONE]\n\n"]


def talk(client: Client, prefix: str) -> None:
    """Call in every way: small and large, streamed, refused by the upstream, refused by us."""
    key = f"Authorization: Bearer {KEY}"
    for size in (0, 1_000, 50_000, 400_000):
        for more in ((), ("x-mock: error",), (f"x-size: {size}",)):
            for streamed in (False, True):
                body = {"model": "gpt-4o", "messages": [{"role": "user", "content": PROMPT + "y" * size}]}
                text = json.dumps(body | ({"stream": True} if streamed else {})).encode()
                client.post(prefix + CHAT, text, "Content-Type: application/json", key, *more)
    client.get(f"{prefix}/v1/{KEY}/models?key={KEY}", f"x-farebox-user: {KEY}")


def leftovers(tmp_path: Path, more: str = "", seconds: float = 40.0) -> dict[bytes, int]:
    """Return what is found once next to nothing is, or the time is over."""
    folder = tmp_path / "mock"
    folder.mkdir()
    ca_file, cert, key = certificate(folder, HOST)
    made = authority.make(tmp_path / "ca" / "x", (HOST,))
    with (
        mock.MockUpstream(respond, keep_requests=False) as plain,
        mock.MockUpstream(respond, tls=server_tls(cert, key), keep_requests=False) as secure,
    ):
        config = (
            "listen: 127.0.0.1:0\n"
            f"providers: {{openai: {{upstream: '{plain.url}'}}}}\n"
            f"interception: {{ca_file: {ca_file}, addresses: {{{HOST}: '127.0.0.1:{secure.port}'}}}}\n"
        )
        program = ("-c", _QUICK.format(more=more))
        proxy = ProxyProcess(
            Home(tmp_path / "home"), config, "--authority", str(made.folder), program=program
        ).ready()
        kept = Client(proxy.port)
        talk(kept, "/openai")  # a connection that stays
        for _ in range(3):
            with Client(proxy.port) as client:
                talk(client, "/openai")
            with Client(proxy.port) as client:
                client.send(f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode())
                assert b" 200 " in client.until(b"\r\n\r\n")
                context = ssl.create_default_context(cafile=str(made.root))
                client.socket = context.wrap_socket(client.socket, server_hostname=HOST)
                client.port = 443
                client.head = _head_for_host(client)  # type: ignore[method-assign]
                talk(client, "")
        with Client(proxy.port) as client:
            client.send(f"POST /openai/x HTTP/1.1\r\nAuthorization: {KEY}\r\nBroken\r\n\r\n".encode())
            client.until_closed()
        deadline = time.monotonic() + seconds
        while _is_left(after := found_in(proxy.pid)) and time.monotonic() < deadline:
            time.sleep(0.25)
        kept.socket.close()
        proxy.stop()
    return after


def _is_left(found: dict[bytes, int]) -> bool:
    return found[NEEDLES[1]] + found[NEEDLES[3]] > 0 or sum(found.values()) > FRAGMENTS_MAX


def _head_for_host(client: Client):  # type: ignore[no-untyped-def]
    def head(method: str, path: str, *headers: str) -> bytes:
        return "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {HOST}", *headers, "", "")).encode("latin-1")

    return head


def test_prompts_responses_and_keys_are_out_of_memory_after_a_while(tmp_path: Path) -> None:
    after = leftovers(tmp_path)
    assert not _is_left(after), after


def test_without_the_overwriting_they_are_found(tmp_path: Path) -> None:
    """The control: what is only dropped can be read all the same."""
    after = leftovers(tmp_path, _NEVER, seconds=4)
    assert _is_left(after)
    assert sum(after.values()) > 2 * FRAGMENTS_MAX
