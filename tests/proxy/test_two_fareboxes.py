"""A Farebox behind a Farebox: the one nearest to the provider meters, and nobody else learns of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from proxy_harness import ProxyThread, Reply, Request, mock

from farebox import listeners
from farebox.access import tokens
from farebox.config import ProviderConfig
from farebox.proxy.admission.client_tokens import ClientTokens
from farebox.snapshot import PublishedToken, Snapshot, SnapshotReader

PATH = "/openai/v1/chat/completions"
BODY = b'{"model": "gpt-4o", "messages": []}'


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@contextmanager
def announced(port: int, home: Path | None = None) -> Iterator[None]:
    """Have another process say that it is a Farebox on `port`."""
    where = "None" if home is None else f"Path({str(home)!r})"
    code = f"""if True:
        from pathlib import Path
        from farebox import listeners
        print(listeners.announce({port}, {where}), flush=True)
        input()"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip().isdigit()
        yield
        holder.communicate(b"\n", timeout=20)


def respond(_: Request) -> Reply:
    return mock.json_reply(mock.chat_answer("hi"))


def test_a_call_through_two_of_them_is_metered_once_by_the_one_nearest_to_the_provider() -> None:
    with (
        mock.MockUpstream(respond) as upstream,
        ProxyThread({"openai": ProviderConfig(upstream=upstream.url)}) as outer,
        announced(outer.port),
        ProxyThread({"openai": ProviderConfig(upstream=f"http://127.0.0.1:{outer.port}/openai")}) as inner,
    ):
        inner.proxy.shared.admission.given[0].update(session="run-1", app="app.py")
        with inner.connect() as client:
            for _ in range(2):
                assert client.post(PATH, BODY, "x-farebox-user: ada", "x-farebox-app: mine").status == 200
        first, _ = outer.settled(2)
        assert inner.journal.entries == []
    assert {name: first.attribution.get(name) for name in ("user", "app", "session")} == {
        "user": "ada",
        "app": "mine",
        "session": "run-1",
    }
    assert (first.provider, first.outcome) == ("openai", "completed")
    for request in upstream.requests:
        assert not any(name.lower().startswith(b"x-farebox-") for name, _ in request.headers)


def test_what_a_token_is_bound_to_goes_along_and_what_the_client_says_instead_does_not() -> None:
    published = SnapshotReader(None)
    secret = tokens.new_secret("client")
    token = PublishedToken(id="id-1", scope="client", binding={"customer": "acme"})
    published.current = Snapshot(tokens={tokens.hash_of(secret.encode()): token})
    with (
        mock.MockUpstream(respond) as upstream,
        ProxyThread({"openai": ProviderConfig(upstream=upstream.url)}) as outer,
        announced(outer.port),
        ProxyThread(
            {"openai": ProviderConfig(upstream=f"http://127.0.0.1:{outer.port}/openai")},
            clients=ClientTokens(published, required=True),
        ) as inner,
    ):
        with inner.connect() as client:
            for _ in range(2):
                found = client.post(
                    PATH, BODY, f"x-farebox-token: {secret}", "x-farebox-customer: other",
                    "X-Farebox-Customer: third", "x-farebox-user: ada",
                )  # fmt: skip
                assert found.status == 200
        for record in outer.settled(2):
            assert record.attribution["customer"] == "acme"
            assert record.attribution["user"] == "ada"


def test_an_upstream_that_nobody_has_announced_is_metered_and_told_nothing() -> None:
    """The control."""
    with (
        mock.MockUpstream(respond) as upstream,
        ProxyThread({"openai": ProviderConfig(upstream=upstream.url)}) as proxy,
        proxy.connect() as client,
    ):
        assert client.post(PATH, BODY, "x-farebox-user: ada", "x-farebox-hop: 00").status == 200
        assert len(proxy.settled(1)) == 1
    assert not any(name.lower().startswith(b"x-farebox-") for name, _ in upstream.requests[0].headers)


def test_what_a_farebox_left_behind_when_it_was_killed_says_nothing(runtime: Path) -> None:
    with announced(4711):
        assert listeners.is_farebox(4711)
        (left,) = (runtime / "farebox").iterdir()
    assert left.exists()
    assert not listeners.is_farebox(4711)


def test_a_farebox_says_which_home_it_writes_to(runtime: Path, tmp_path: Path) -> None:
    with announced(4711, tmp_path / "home"), announced(4712):
        assert listeners.home_of(4711) == str((tmp_path / "home").resolve())
        assert listeners.home_of(4712) == ""
    assert listeners.home_of(4711) is None


def test_a_place_that_others_can_write_is_not_believed(runtime: Path) -> None:
    with announced(4711):
        (runtime / "farebox").chmod(0o777)
        assert not listeners.is_farebox(4711)


def test_fareboxes_that_lead_to_each_other_refuse_the_request() -> None:
    with (
        ProxyThread({"openai": ProviderConfig(upstream="http://127.0.0.1:1/openai")}) as one,
        ProxyThread({"openai": ProviderConfig(upstream=f"http://127.0.0.1:{one.port}/openai")}) as two,
        announced(one.port),
        announced(two.port),
    ):
        route, _ = one.proxy.routes.find(b"/openai/")  # type: ignore[misc]
        route.origin.port = two.port
        route.host_line = b"Host: 127.0.0.1:%d" % two.port
        with one.connect() as client:
            answer = client.post(PATH, BODY)
        assert (answer.status, answer.header("x-farebox-error")) == (508, b"policy:loop")
    assert one.journal.entries == two.journal.entries == []
