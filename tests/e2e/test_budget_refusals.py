"""What official clients make of a refusal: the exception their documentation promises, once, and readable.

https://platform.openai.com/docs/guides/error-codes/python-library-error-types
https://docs.claude.com/en/api/client-sdks (429: `RateLimitError`)
https://googleapis.github.io/python-genai/ (`errors.APIError`, `errors.ClientError`)
"""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from budgeted_proxy import budget
from proxy_harness import MockUpstream, ProxyThread, mock
from test_budgets_elsewhere import limited
from test_clients import MATRIX, node_clients

from farebox.config import ProviderConfig

__all__ = ["node_clients"]

ASK: list[Any] = [{"role": "user", "content": "hi"}]
PROVIDERS = ("openai", "anthropic", "google", "cohere", "mistral", "bedrock", "ollama")


@pytest.fixture(autouse=True)
def clients_without_an_end() -> Iterator[None]:
    """Collect what clients leave open here: some cannot be closed, and a later test would be blamed."""
    yield
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[tuple[str, ProxyThread, MockUpstream]]:
    """A proxy whose budget is used up, and the upstream that nothing may reach."""
    with mock.MockUpstream(lambda _: mock.json_reply({})) as upstream:
        providers = {name: ProviderConfig(upstream=upstream.url) for name in PROVIDERS}
        with limited(tmp_path, providers, budget("used-up", limit=1, wait_s=0)) as (proxy, _):
            yield f"http://127.0.0.1:{proxy.port}", proxy, upstream


def raised(call: Callable[[], Any]) -> Any:
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


def test_the_openai_client_raises_rate_limit_error_once(refusing: Any) -> None:
    import openai

    base, proxy, upstream = refusing
    client = openai.OpenAI(api_key="sk-test", base_url=f"{base}/openai/v1")
    calls: list[Callable[[], Any]] = [
        lambda: client.chat.completions.create(model="gpt-4o", messages=ASK),
        lambda: client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True),
        lambda: client.responses.create(model="gpt-4o", input="hi"),
        lambda: client.embeddings.create(model="text-embedding-3-small", input="hi"),
    ]
    for number, call in enumerate(calls, 1):
        error = raised(call)
        assert type(error) is openai.RateLimitError
        assert (error.status_code, error.code) == (429, "insufficient_quota")
        assert "budget used-up has $0.00" in str(error) or "budget used-up has $0" in str(error)
        assert len(proxy.settled(number)) == number, "no retry"
    assert upstream.count == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the model's
def test_the_anthropic_client_raises_rate_limit_error_once(refusing: Any) -> None:
    import anthropic

    base, proxy, upstream = refusing
    client = anthropic.Anthropic(api_key="sk-test", base_url=f"{base}/anthropic")
    for number, stream in enumerate((False, True), 1):
        error = raised(
            lambda stream=stream: client.messages.create(
                model="claude-sonnet-4-5", max_tokens=100, messages=ASK, stream=stream
            )
        )
        assert type(error) is anthropic.RateLimitError
        assert error.body["error"]["type"] == "rate_limit_error"
        assert "budget used-up" in error.body["error"]["message"]
        assert len(proxy.settled(number)) == number, "no retry"
    assert upstream.count == 0


def test_the_google_client_raises_client_error_once(refusing: Any) -> None:
    from google import genai
    from google.genai import errors, types

    base, proxy, upstream = refusing
    client = genai.Client(api_key="test", http_options=types.HttpOptions(base_url=f"{base}/google"))
    calls: list[Callable[[], Any]] = [
        lambda: client.models.generate_content(model="gemini-2.5-flash", contents="hi"),
        lambda: list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="hi")),
    ]
    for number, call in enumerate(calls, 1):
        error = raised(call)
        assert type(error) is errors.ClientError
        assert (error.code, error.status) == (429, "RESOURCE_EXHAUSTED")
        assert "budget used-up" in (error.message or "")
        assert len(proxy.settled(number)) == number, "no retry"
    assert upstream.count == 0


def test_the_clients_of_cohere_mistral_and_bedrock_raise_their_own_and_stop(refusing: Any) -> None:
    import boto3
    import cohere
    from botocore.config import Config
    from mistralai.client import Mistral, errors

    base, proxy, upstream = refusing
    with cohere.ClientV2("test", base_url=f"{base}/cohere") as client:
        error = raised(lambda: client.chat(model="command-a-03-2025", messages=ASK))
    assert type(error).__name__ == "TooManyRequestsError"
    assert "budget used-up" in str(error)
    cohere_asked = len(proxy.settled(1))
    with Mistral(api_key="test", server_url=f"{base}/mistral") as mistral:
        error = raised(lambda: mistral.chat.complete(model="mistral-small-latest", messages=ASK))
    assert isinstance(error, errors.MistralError) and error.status_code == 429
    assert "budget used-up" in str(error)
    mistral_asked = len(proxy.settled(cohere_asked + 1)) - cohere_asked
    bedrock = boto3.client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=f"{base}/bedrock",
        aws_access_key_id="AKIATEST", aws_secret_access_key="test", config=Config(connect_timeout=5),
    )  # fmt: skip
    error = raised(
        lambda: bedrock.converse(
            modelId="anthropic.claude-3-haiku-20240307-v1:0",
            messages=[{"role": "user", "content": [{"text": "hi"}]}],
        )
    )
    assert type(error) is bedrock.exceptions.ThrottlingException
    assert "budget used-up" in error.response["Error"]["Message"]
    bedrock.close()
    bedrock_asked = len(proxy.settled(1)) - cohere_asked - mistral_asked
    # These libraries look at the status alone: they try as often as they are made to, and then stop.
    assert (cohere_asked, mistral_asked, bedrock_asked) <= (3, 1, 5)
    assert upstream.count == 0


@pytest.mark.parametrize(("name", "kind"), [("openai", "RateLimitError"), ("anthropic", "RateLimitError"),
                                            ("google", "ApiError")])  # fmt: skip
def test_the_clients_for_node_raise_theirs_once(
    refusing: Any, tmp_path: Path, node_clients: Path, name: str, kind: str
) -> None:
    base, proxy, upstream = refusing
    (tmp_path / "node_modules").symlink_to(node_clients)
    shutil.copy(MATRIX / "refusals.mjs", tmp_path)
    done = subprocess.run(
        ["node", "refusals.mjs", name, base], cwd=tmp_path, capture_output=True, text=True, check=True,
        timeout=120,
    )  # fmt: skip
    errors = [json.loads(line) for line in done.stdout.splitlines()]
    assert errors and all(error["expected"] and error["raised"] == kind for error in errors), errors
    for error in errors:
        assert error["status"] == 429 and "budget used-up" in error["message"], error
    assert len(proxy.settled(len(errors))) == len(errors), "no retry"
    assert upstream.count == 0
