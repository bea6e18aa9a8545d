"""AT-G3: no credential and no header is a way around a hard budget, unless its key is listed as exempt."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from budgeted_proxy import CHAT, JSON, Budgeted, budget, budgeted, chat, opened

from farebox.access.roles import SCOPES
from farebox.access.tokens import hash_of, new_secret
from farebox.budgets.budget import Budget
from farebox.config import KeyConfig
from farebox.server.access.sessions import load_token
from farebox.snapshot import PublishedToken, Snapshot

USED_UP = 10**6
"""A millionth of a dollar: less than any call can cost."""


def publish(run: Budgeted, *budgets: Budget, **more: object) -> None:
    opened(run.home, *budgets)
    run.published.reader.current = Snapshot(budgets=budgets, **more)  # type: ignore[arg-type]
    run.proxy.settle(lambda: run.proxy.proxy.state.gate is not None)


def credentials(run: Budgeted) -> tuple[dict[str, PublishedToken], list[str]]:
    """Return a token of each scope as published, and every header that shows something."""
    secrets = {scope: new_secret(scope) for scope in SCOPES}
    tokens = {
        hash_of(secret.encode()): PublishedToken(id=scope, scope=scope, binding={"customer": "acme"})
        for scope, secret in secrets.items()
    }
    owner = load_token(run.home)
    shown = [f"x-farebox-token: {secret}" for secret in (*secrets.values(), owner)]
    shown += [f"Authorization: Bearer {secret}" for secret in (*secrets.values(), owner, "sk-admin-1", "")]
    shown += ["x-api-key: sk-master-0123456789", "api-key: sk-master-0123456789"]
    claims = {
        "key": "nightly",
        "event-id": "0199aa00-0000-7000-8000-000000000005",
        "hop": "1",
        "exempt": "true",
        "budget": "none",
        "customer": "nobody",
        "session": "new",
        "provider": "none",
        "model": "none",
        "tag-exempt": "true",
    }
    shown += [f"x-farebox-{name}: {value}" for name, value in claims.items()]
    shown += ["baggage: farebox.key_label=nightly,farebox.key=nightly,farebox.exempt=true"]
    shown += ["x-stainless-retry-count: 5", "x-should-retry: true"]
    return tokens, shown


def test_no_credential_passes_a_budget_that_is_used_up(tmp_path: Path) -> None:
    used_up = budget(limit=USED_UP, wait_s=0, exempt=("nightly",))
    with budgeted(tmp_path, used_up) as run:
        tokens, shown = credentials(run)
        publish(run, used_up, tokens=tokens)
        pairs = [(header,) for header in shown] + list(itertools.pairwise(shown))
        for headers in pairs:
            with run.proxy.connect() as client:
                answer = client.post(CHAT, chat(), JSON, *headers)
                if not any(header.startswith("x-farebox-token") for header in headers):
                    assert answer.status == 429, headers
                    assert answer.header("x-farebox-error") == b"budget_exceeded", headers
                assert answer.status in (401, 429), headers  # 401: a token that no client has
        assert run.upstream.requests == []
        assert run.figures(used_up).spent == run.figures(used_up).reserved == 0


def test_only_the_key_that_is_listed_passes_uncounted(tmp_path: Path) -> None:
    everything = budget(limit=10**12, wait_s=0)
    with budgeted(tmp_path, everything) as run, run.proxy.connect() as client:
        listed, other = "Authorization: Bearer sk-nightly-0001", "Authorization: Bearer sk-other-0002"
        assert client.post(CHAT, chat(), JSON, listed).status == 200
        (first,) = run.proxy.settled(1)
        assert first.key_fingerprint is not None
        for exempt, labels in (
            (first.key_fingerprint, {}),
            ("nightly", {first.key_fingerprint: KeyConfig(label="nightly")}),
        ):
            used_up = budget("tight", limit=USED_UP, wait_s=0, exempt=(exempt,))
            publish(run, used_up, labelled=labels)
            run.proxy.settle(lambda: client.post(CHAT, chat(), JSON, other).status == 429)
            assert client.post(CHAT, chat(), JSON, listed).status == 200, exempt
            assert run.figures(used_up).spent == 0


def test_a_model_is_the_same_with_what_the_wire_puts_before_it(tmp_path: Path) -> None:
    used_up = budget(limit=USED_UP, wait_s=0, where={"model": ("gemini-2.5-flash",)})
    path = "/google/v1beta/openai/chat/completions"
    with budgeted(tmp_path, used_up, provider="google") as run, run.proxy.connect() as client:
        spelled = {name: chat(model=name) for name in ("gemini-2.5-flash", "models/gemini-2.5-flash")}
        statuses = {name: client.post(path, body, JSON).status for name, body in spelled.items()}
        assert client.post(path, chat(model="models/gemini-2.5-pro"), JSON).status == 200
    assert set(statuses.values()) == {429}, statuses
    assert run.upstream.count == 1


def test_a_model_in_the_body_does_not_hide_the_one_that_googles_path_names(tmp_path: Path) -> None:
    used_up = budget(limit=USED_UP, wait_s=0, where={"model": ("gemini-2.5-flash",)})
    path = "/google/v1beta/models/gemini-2.5-flash:generateContent"
    with budgeted(tmp_path, used_up, provider="google") as run, run.proxy.connect() as client:
        for model in ("other", "models/other", 7, ""):
            body = json.dumps({"model": model, "contents": [{"parts": [{"text": "hi"}]}]}).encode()
            assert client.post(path, body, JSON).status == 429, model
            assert client.post(path, body, "content-type: text/plain").status == 429, model
    assert run.upstream.count == 0
