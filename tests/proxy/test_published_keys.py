"""Names of keys reach a running proxy through the published snapshot, and damage to it costs no call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from proxy_harness import ProxyThread
from tools.upstream import MockUpstream, json_reply

from farebox.config import KeyConfig, ProviderConfig
from farebox.home import Home, replace_private
from farebox.proxy.admission.client_tokens import ClientTokens
from farebox.recording.callers import Fingerprints
from farebox.snapshot import Snapshot, SnapshotReader, encode

BODY = json.dumps({"model": "gpt-4o", "messages": []}).encode()
ANSWER = {"id": "chatcmpl-1", "model": "gpt-4o", "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
KEY = Fingerprints(b"s" * 32).of(b"openai", b"sk-1")


@pytest.fixture
def home(away_from_home: Path) -> Home:
    home = Home(away_from_home)
    home.prepare()
    return home


def publish(home: Home, **keys: str) -> None:
    replace_private(home.snapshot, encode(Snapshot(labelled={KEY: KeyConfig(**keys)})))


def test_a_running_proxy_counts_calls_under_the_name_that_was_published_last(home: Home) -> None:
    published = SnapshotReader(home)
    with MockUpstream(lambda _: json_reply(ANSWER)) as upstream:
        providers = {"openai": ProviderConfig(upstream=upstream.url)}
        with ProxyThread(providers, clients=ClientTokens(published)) as proxied, proxied.connect() as client:

            def call() -> dict[str, str]:
                proxied.journal.entries.clear()
                path = "/openai/v1/chat/completions"
                assert client.post(path, BODY, "Authorization: Bearer sk-1").status == 200
                return dict(proxied.settled(1)[0].attribution)

            assert call() == {}
            publish(home, label="backend", customer="acme")
            assert published.renew()
            assert call() == {"key_label": "backend", "customer": "acme"}
            publish(home, label="frontend")
            assert published.renew()
            assert call() == {"key_label": "frontend"}
            home.snapshot.write_bytes(b"\x00garbage")
            assert not published.renew()
            assert published.problem is not None
            assert call() == {"key_label": "frontend"}, "the last good state stays, and the call is metered"


def test_who_follows_the_snapshot_sees_each_new_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr("farebox.snapshot.RENEWED_EVERY_S", 0.01)
    published = SnapshotReader(home)
    published.follow()
    publish(home, label="backend")
    deadline = time.monotonic() + 30
    while published.current.key(KEY) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    published.close()
