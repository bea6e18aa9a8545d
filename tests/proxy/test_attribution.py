"""Whose call it is: which source wins, what is taken out, what is never kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from proxy_harness import ProxyThread, serving
from tools.upstream import MockUpstream, Request, json_reply

from farebox import catalog
from farebox.config import KeyConfig, ProviderConfig
from farebox.journal.records import Done
from farebox.proxy.caller import process_info, socket_owner
from farebox.recording.callers import Fingerprints

BODY = {"model": "gpt-4o", "messages": []}
ANSWER = {"id": "chatcmpl-1", "model": "gpt-4o", "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


def knows_a_caller(proxied: ProxyThread) -> bool:
    """Return whether the program behind some connection has been found."""
    clients: Any = list(proxied.proxy.state.clients)
    return any(client.caller.attribution[0] for client in clients)


def ask(
    *headers: str, body: dict[str, Any] | None = None, path: str = "/openai/v1/chat/completions",
    name: str = "openai", speaks: str | None = None, **proxy: Any,
) -> tuple[Done, Request]:  # fmt: skip
    """Make one call; return its DONE record and the request as the provider saw it."""
    with (
        MockUpstream(lambda _: json_reply(ANSWER)) as upstream,
        ProxyThread({name: ProviderConfig(upstream=upstream.url, speaks=speaks)}, **proxy) as proxied,
        proxied.connect() as client,
    ):
        sent = json.dumps({**BODY, **(body or {})}).encode()
        answer = client.post(path, sent, "Content-Type: application/json", *headers)
        assert answer.status == 200
        record = proxied.settled(1)[0]
    (request,) = upstream.requests
    assert request.body == sent  # nothing is ever taken out of a body
    return record, request


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("x-farebox-customer: acme", {"customer": "acme"}),
        ("x-farebox-agent: planner", {"agent": "planner"}),
        ("x-farebox-task: t-1", {"task": "t-1"}),
        ("x-farebox-tag-team: core", {"tag.team": "core"}),
        ("x-farebox-tags: team=core, stage=prod", {"tag.team": "core", "tag.stage": "prod"}),
        ("Helicone-User-Id: ada", {"user": "ada"}),
        ("Helicone-Property-Plan: pro", {"tag.plan": "pro"}),
        ("Helicone-Session-Id: s1", {"session": "s1"}),
        ("Helicone-Session-Path: /a/b", {"session_path": "/a/b"}),
        ("Helicone-Session-Name: chat", {"session_name": "chat"}),
        ('x-portkey-metadata: {"_user": "ada", "team": "core"}', {"user": "ada", "tag.team": "core"}),
        ("x-portkey-trace-id: t1", {"trace": "t1"}),
        ("x-litellm-customer-id: ada", {"user": "ada"}),
        ("x-litellm-end-user-id: ada", {"user": "ada"}),
        ("x-litellm-session-id: s1", {"session": "s1"}),
        ("x-litellm-tags: blue, team:core", {"tag.blue": "true", "tag.team": "core"}),
        ('cf-aig-metadata: {"team": "core", "n": 3}', {"tag.team": "core", "tag.n": "3"}),
        ("ai-reporting-user: ada", {"user": "ada"}),
        ("ai-reporting-tags: blue,green", {"tag.blue": "true", "tag.green": "true"}),
        ("langfuse-session-id: s1", {"session": "s1"}),
        ("X-Title: My App", {"app": "My App"}),
        ("HTTP-Referer: https://app.example", {"app": "https://app.example"}),
        ("OpenAI-Project: proj-1", {"project": "proj-1"}),
        ('X-Amzn-Bedrock-Request-Metadata: {"team": "core"}', {"tag.team": "core"}),
        ("X-Claude-Code-Session-Id: s1", {"session": "s1"}),
        ("X-Claude-Code-Agent-Id: a1", {"agent": "a1"}),
        ("X-Claude-Code-Parent-Agent-Id: a0", {"parent_agent": "a0"}),
        ("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
         {"trace": "0af7651916cd43dd8448eb211c80319c"}),
        ("baggage: user.id=ada%20l, session.id=s1;ttl=3, other=x, farebox.customer=acme",
         {"user": "ada l", "session": "s1", "customer": "acme"}),
    ],
)  # fmt: skip
def test_a_header_says_whose_call_it_is(header: str, wanted: dict[str, str]) -> None:
    record, _ = ask(header)
    assert record.attribution == wanted
    name = header.partition(":")[0].lower()
    for source in record.attribution_from.values():
        assert source.startswith("baggage:" if name == "baggage" else f"header:{name}")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"user": "ada"}, {"user": "ada"}),
        ({"safety_identifier": "hash"}, {"user": "hash"}),
        ({"metadata": {"user_id": "ada"}}, {"user": "ada"}),
        (
            {"metadata": {"user_id": '{"device_id":"d1","account_uuid":"","session_id":"s1"}'}},
            {"user": "d1", "session": "s1"},
        ),
        ({"metadata": {"team": "core", "deep": {"no": 1}}}, {"tag.team": "core"}),
        ({"metadata": {"tags": ["blue", "team=core"]}}, {"tag.blue": "true", "tag.team": "core"}),
        ({"litellm_metadata": {"tags": ["blue"]}}, {"tag.blue": "true"}),
        ({"metadata": {"langfuse_session_id": "s1"}}, {"session": "s1"}),
        ({"requestMetadata": {"team": "core"}}, {"tag.team": "core"}),
    ],
)
def test_a_body_says_whose_call_it_is(body: dict[str, Any], wanted: dict[str, str]) -> None:
    record, _ = ask(body=body)
    assert record.attribution == wanted
    assert all(source.startswith("body:") for source in record.attribution_from.values())


OWN = (
    "Helicone-Auth: Bearer pk-secret", "Helicone-Cache-Enabled: true", "x-portkey-api-key: k",
    "x-litellm-tags: a", "cf-aig-skip-cache: true", "ai-reporting-user: u", "x-bf-vk: sk-bf-1",
    "langfuse-user-id: u", "x-farebox-customer: acme",
)  # fmt: skip
STAY = ("X-Title: App", "traceparent: 00-1", "OpenAI-Project: p", "X-Claude-Code-Session-Id: s")


def test_a_vendors_own_headers_do_not_reach_the_model_provider() -> None:
    _, request = ask(*OWN, *STAY)
    names = {name.lower().decode() for name, _ in request.headers}
    for header in OWN:
        assert header.partition(":")[0].lower() not in names
    for header in STAY:
        assert header.partition(":")[0].lower() in names


def test_a_gateway_of_ones_own_gets_them_all_but_ours() -> None:
    _, request = ask(*OWN, name="gateway", speaks="openai", path="/gateway/v1/chat/completions")
    names = {name.lower().decode() for name, _ in request.headers}
    assert {"helicone-auth", "x-portkey-api-key", "x-bf-vk", "x-litellm-tags"} <= names
    assert "x-farebox-customer" not in names


def test_a_vendors_headers_reach_its_own_hosts() -> None:
    from farebox.wire.attribution import names_of

    names = names_of(catalog.load({}).vendors)
    headers = [(b"helicone-auth", b"x"), (b"x-portkey-api-key", b"y")]
    assert names.removed(headers, "oai.helicone.ai") == [1]
    assert names.removed(headers, "api.portkey.ai") == [0]
    assert names.removed(headers, "api.openai.com") == [0, 1]


def test_secrets_are_kept_as_hashes_only() -> None:
    record, _ = ask("x-bf-vk: sk-bf-secret", "Idempotency-Key: retry-secret")
    assert set(record.attribution) == {"virtual_key", "call"}
    assert "secret" not in repr(record)


def test_the_most_certain_source_wins_and_is_named() -> None:
    fingerprint = Fingerprints(b"s" * 32).of(b"openai", b"sk-1")
    headers = ["Authorization: Bearer sk-1", "x-farebox-customer: own", "Helicone-User-Id: foreign"]
    labels = {"customer": "env", "user": "env", "agent": "env", "task": "env"}
    body = {"user": "body", "metadata": {"langfuse_session_id": "body"}}
    with MockUpstream(lambda _: json_reply(ANSWER)) as upstream:
        from farebox.config import Config
        from farebox.recording.callers import Callers

        providers = {"openai": ProviderConfig(upstream=upstream.url)}
        with ProxyThread(providers, labels=labels) as proxied, proxied.connect() as client:
            keys = {fingerprint: KeyConfig(label="backend", customer="bound")}
            proxied.proxy.shared.admission.callers = Callers(
                b"s" * 32, catalog.load({}).vendors, Config(keys=keys).keys
            )
            client.post("/openai/v1/chat/completions", json.dumps({**BODY, **body}).encode(), *headers)
            record = proxied.settled(1)[0]
    assert record.attribution == {
        "key_label": "backend", "customer": "bound", "user": "foreign", "session": "body",
        "agent": "env", "task": "env",
    }  # fmt: skip
    assert record.attribution_from == {
        "key_label": f"key:{fingerprint}", "customer": f"key:{fingerprint}",
        "user": "header:helicone-user-id", "session": "body:metadata.langfuse_session_id",
        "agent": "env:FAREBOX_AGENT", "task": "env:FAREBOX_TASK",
    }  # fmt: skip


def test_the_body_fields_of_the_catalog_are_those_that_requests_are_read_for() -> None:
    from farebox.wire.attribution import names_of
    from farebox.wire.request_keys import BASE_KEYS

    assert names_of(catalog.load({}).vendors).body_keys <= set(BASE_KEYS)


def test_nonsense_in_headers_says_nothing() -> None:
    record, _ = ask(
        "x-portkey-metadata: {", "cf-aig-metadata: [1]", "traceparent: 00-zz-1", "baggage: =,;,a",
        "x-litellm-tags: ,,", "Helicone-User-Id:", "Helicone-Property-: x",
    )  # fmt: skip
    assert record.attribution == {}


def test_values_are_cut_and_tags_are_counted() -> None:
    many = ",".join(f"t{number}" for number in range(100))
    record, _ = ask(f"x-litellm-tags: {many}", "x-farebox-user: " + "u" * 1000)
    assert len(record.attribution["user"]) == 256
    assert len(record.attribution) == 33


def test_retries_belong_to_the_call_they_repeat() -> None:
    statuses = iter((500, 429, 200, 500, 200))
    with (
        serving(lambda _: json_reply(ANSWER, next(statuses))) as (_, proxied),
        proxied.connect() as client,
    ):
        for attempt in (0, 1, 2, 0, 0):
            body = json.dumps(BODY).encode()
            client.post("/openai/v1/chat/completions", body, f"x-stainless-retry-count: {attempt}")
        first, second, third, fourth, fifth = proxied.settled(5)
    call = first.event_id.hex()
    assert "call" not in first.attribution
    assert second.attribution["call"] == third.attribution["call"] == call
    assert second.attribution_from["call"] == "retry_count"
    assert "call" not in fourth.attribution and "call" not in fifth.attribution
    assert [record.attempt for record in (first, second, third)] == [0, 1, 2]


# The process behind the connection.

_CLIENT = """
import json, socket, sys
port = int(sys.argv[1])
body = b'{"model": "gpt-4o", "messages": []}'
with socket.create_connection(("127.0.0.1", port)) as connection:
    for _ in range(2):
        lines = ["POST /openai/v1/chat/completions HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"Content-Length: {len(body)}", "", ""]
        connection.sendall("\\r\\n".join(lines).encode() + body)
        answer = b""
        while b"\\r\\n\\r\\n" not in answer or not answer.endswith(b"}"):
            answer += connection.recv(65536)
        if sys.stdin.readline() != "go\\n":
            break
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the process is found through /proc here")
def test_the_process_behind_a_connection_is_on_its_records(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "deep"
    folder.mkdir(parents=True)
    repository = tmp_path / "work" / ".git"
    (repository / "refs/heads/feature").mkdir(parents=True)
    (repository / "HEAD").write_text("ref: refs/heads/feature/x\n")
    (repository / "refs/heads/feature/x").write_text("a" * 40 + "\n")
    (repository / "config").write_text(
        '[remote "origin"]\n\turl = https://me:token@git.example/team/shop.git\n'
    )
    script = folder / "app.py"
    script.write_text(_CLIENT)
    environment = {**os.environ, "FAREBOX_CUSTOMER": "acme", "OTHER_SECRET": "sk-environment"}
    with serving(lambda _: json_reply(ANSWER), finds_processes=True) as (_, proxied):
        child = subprocess.Popen(
            [sys.executable, str(script), str(proxied.port), "--key=sk-argument"],
            cwd=folder, env=environment, stdin=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert child.stdin is not None
        proxied.settled(1)
        proxied.settle(lambda: knows_a_caller(proxied))
        child.stdin.write("go\n")
        child.stdin.flush()
        record = proxied.settled(2)[1]
        child.stdin.write("stop\n")
        child.stdin.close()
        assert child.wait(10) == 0
    assert record.attribution == {
        "process.pid": str(child.pid), "process.command": f"{Path(sys.executable).name} app.py",
        "process.cwd": str(folder), "git.repository": "git.example/team/shop", "git.branch": "feature/x",
        "git.commit": "a" * 40, "app": "app.py", "project": "shop", "branch": "feature/x",
        "customer": "acme",
    }  # fmt: skip
    assert record.attribution_from == {
        "app": "process:command", "project": "git:repository", "branch": "git:branch",
        "customer": "env:FAREBOX_CUSTOMER",
    }  # fmt: skip


def test_what_a_request_says_wins_over_its_process(tmp_path: Path) -> None:
    with (
        serving(lambda _: json_reply(ANSWER), finds_processes=True) as (_, proxied),
        proxied.connect() as client,
    ):
        client.post("/openai/v1/chat/completions", json.dumps(BODY).encode())
        proxied.settle(lambda: knows_a_caller(proxied))
        body = json.dumps({**BODY, "user": "ada"}).encode()
        client.post("/openai/v1/chat/completions", body, "x-farebox-app: named")
        record = proxied.settled(2)[1]
    assert record.attribution["process.pid"] == str(os.getpid())
    assert (record.attribution["app"], record.attribution_from["app"]) == ("named", "header:x-farebox-app")
    assert (record.attribution["user"], record.attribution_from["user"]) == ("ada", "body:user")


def test_a_search_that_fails_leaves_traffic_alone() -> None:
    from farebox.proxy.caller import process_lookup

    def broken(*_: Any) -> Any:
        raise RuntimeError

    with serving(lambda _: json_reply(ANSWER)) as (_, proxied), proxied.connect() as client:
        proxied.proxy.shared.processes = process_lookup.ProcessLookup(
            proxied.loop, proxied.proxy.shared.admission.given, broken
        )
        assert client.post("/openai/v1/chat/completions", json.dumps(BODY).encode()).status == 200
        with proxied.connect() as other:
            assert other.post("/openai/v1/chat/completions", json.dumps(BODY).encode()).status == 200
        assert [record.attribution for record in proxied.settled(2)] == [{}, {}]
        proxied.proxy.shared.processes.close()


def test_many_connections_are_looked_up_in_few_passes() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=300) as listener:
        sockets = [socket.create_connection(listener.getsockname()) for _ in range(200)]
        ends = [(entry.getsockname(), listener.getsockname()) for entry in sockets]
        assert set(socket_owner.processes_of(ends).values()) == {os.getpid()}
        assert len(socket_owner.processes_of(ends)) == 200
        for entry in sockets:
            entry.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_socket_table_says_the_same_as_the_kernel() -> None:
    import socket

    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        ends = (client.getsockname(), listener.getsockname())
        inode = os.fstat(client.fileno()).st_ino
        assert socket_owner._inode(ends) == socket_owner._inode_by_table(ends) == inode  # pyright: ignore


def test_lsof_is_read_as_macs_write_it() -> None:
    said = (
        "p501\nn127.0.0.1:3273->127.0.0.1:51000\np777\nf12\nn127.0.0.1:51000->127.0.0.1:3273\n"
        "n[::1]:51002->[::1]:3273\nn*:3273\n"
    )
    table = socket_owner.read_lsof(said)
    assert table[("127.0.0.1", 51000), ("127.0.0.1", 3273)] == 777
    assert table[("::1", 51002), ("::1", 3273)] == 777


def test_a_worktree_and_packed_references_are_followed(tmp_path: Path) -> None:
    main = tmp_path / "main" / ".git"
    own = main / "worktrees" / "side"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/side\n")
    (own / "commondir").write_text("../..\n")
    (main / "packed-refs").write_text(f"# pack-refs\n{'b' * 40} refs/heads/side\n")
    (main / "config").write_text('[remote "origin"]\n\turl = git@git.example:team/shop.git\n')
    side = tmp_path / "side"
    side.mkdir()
    (side / ".git").write_text(f"gitdir: {own}\n")
    assert process_info.repository_of(side) == {
        "git.repository": "git.example/team/shop", "git.branch": "side", "git.commit": "b" * 40,
    }  # fmt: skip
    assert process_info.repository_of(tmp_path / "nowhere") == {}


def test_an_organization_is_kept_as_a_keyed_hash() -> None:
    with serving(lambda _: json_reply(ANSWER)) as (_, proxied), proxied.connect() as client:
        for name in ("org-one", "org-one", "org-two"):
            client.post(
                "/openai/v1/chat/completions", json.dumps(BODY).encode(), f"OpenAI-Organization: {name}"
            )
        first, second, third = (done.attribution["organization"] for done in proxied.settled(3))
    assert first == second != third
    assert "org" not in first and len(first) == 16


def test_a_key_in_a_label_is_not_kept() -> None:
    key = "sk-proj-1a2b3c4d5e6f7a8b9c0d"
    with serving(lambda _: json_reply(ANSWER)) as (_, proxied), proxied.connect() as client:
        body = json.dumps({**BODY, "user": f"me {key}", "metadata": {key: "x"}}).encode()
        client.post("/openai/v1/chat/completions", body, f"x-farebox-tag-{key}: 1", f"x-farebox-app: {key}")
        (done,) = proxied.settled(1)
    assert key not in repr(done)
    assert (done.attribution["user"], done.attribution["app"]) == ("me [key]", "[key]")
