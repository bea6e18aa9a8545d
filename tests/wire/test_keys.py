"""What looks like a key is not written down; what only reminds of one is."""

from __future__ import annotations

import json

import pytest

from farebox.wire.facts import Extraction, Part
from farebox.wire.keys import SHOWN, TEXT_MAX, path_without_keys, redacted, without_keys

KEYS = [
    "sk-planted-7f3a9c51e8d24b60",
    "sk-ant-api03-AbCdEf0123456789AbCdEf0123456789-xyzAA",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "gsk_0123456789abcdefABCDEF0123456789",
    "xai-0123456789abcdefABCDEF0123456789",
    "hf_AbCdEfGhIjKlMnOpQrStUv012345",
    "r8_0123456789abcdefABCDEF0123456789abcde",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefABCDEF0123456789abcd",
    "pplx-0123456789abcdefABCDEF0123456789",
    "nvapi-0123456789abcdefABCDEF0123456789_x-y",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
]
NO_KEYS = [
    "chatcmpl-9xK1v0sQhfjsdhfjkshd",
    "resp_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b",
    "msg_01XFDUDYJgAACzvnptvVoYEL",
    "req_011CSHoEeqs5C35K2UUqR7Fy",
    "gen-1732800000-AbCdEfGhIjKlMnOpQrSt",
    "019aa000-0000-7000-8000-000000000005",
    "claude-sonnet-4-5-20250929",
    "ft:gpt-4o-mini-2024-07-18:my-org:custom-suffix:9xK1v0sQ",
    "accounts/fireworks/models/llama-v3p1-405b-instruct",
    "xai-grok-4-fast-non-reasoning",
    "task-1234567890 and disk-0987654321",
    "sk-learn-demo",
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
]


@pytest.mark.parametrize("key", KEYS)
def test_what_looks_like_a_key_goes_from_any_text(key: str) -> None:
    for before, after in (("", ""), ("id-", ""), ('{"a": "', '"}'), ("Bearer ", " x"), ("/v1/", "/chat")):
        assert without_keys(f"{before}{key}{after}") == f"{before}{SHOWN}{after}"


@pytest.mark.parametrize("text", NO_KEYS)
def test_ids_and_models_stay(text: str) -> None:
    assert without_keys(text) == text
    assert path_without_keys(f"/v1/things/{text}/cancel") == f"/v1/things/{text}/cancel"


def test_the_requests_own_key_goes_whatever_it_looks_like() -> None:
    azure = "0123456789abcdef0123456789abcdef"
    assert without_keys(f"x{azure}y", azure) == f"x{SHOWN}y"
    assert without_keys(f"x{azure}y") == f"x{azure}y"  # the control: it looks like any id


@pytest.mark.parametrize(
    "segment", [*KEYS, "0123456789abcdef0123456789abcdef", "AbCdEfGhIjKlMnOpQrStUv012345"]
)
def test_a_paths_segment_that_is_a_key_goes(segment: str) -> None:
    assert path_without_keys(f"/v1/{segment}/chat") == f"/v1/{SHOWN}/chat"
    assert path_without_keys(f"/{segment}") == f"/{SHOWN}"


def extraction(**fields: object) -> Extraction:
    part = Part(provider="openai", request_model="gpt-4o", facts={"service_tier": "default"})
    given = {"parts": (part,), "request_model": "gpt-4o", "response_id": "chatcmpl-1", **fields}
    return Extraction(**given)  # pyright: ignore[reportArgumentType]


def test_what_has_no_key_is_not_touched() -> None:
    found = extraction(raw_usage='{"promptTokenCount":3,"trafficType":"ON_DEMAND"}')
    assert redacted(found, "0123456789abcdef") is found


@pytest.mark.parametrize("key", KEYS)
def test_no_text_of_a_record_keeps_a_key(key: str) -> None:
    usage = {"prompt_tokens": 3, "note": key, key: 1, "deep": [{"x": f"a {key}"}], "cost": 0.25}
    part = Part(provider="p", request_model=key, response_model=key, kind=key, facts={"tier": key})
    found = redacted(
        extraction(
            parts=(part, part), response_id=key, request_model=key, response_model=key, reason=f"x:{key}",
            raw_usage=json.dumps(usage), error_code=key, flags=(f"unknown_field:{key}",),
        )
    )  # fmt: skip
    assert key not in repr(found)
    assert key[4:20] not in repr(found)
    kept = json.loads(found.raw_usage or "")
    assert (kept["prompt_tokens"], kept["note"], kept["cost"]) == (3, SHOWN, 0.25)


@pytest.mark.parametrize("field", ["response_id", "request_model", "response_model", "raw_usage"])
def test_each_text_alone_is_looked_at(field: str) -> None:
    for secret in (KEYS[0], "an unusual secret 1"):
        text = json.dumps({"a": secret}) if field == "raw_usage" else secret
        assert secret not in repr(redacted(extraction(**{field: text}), "an unusual secret 1"))


def test_a_model_that_was_clean_for_one_key_is_looked_at_for_another() -> None:
    model = "an-unusual-secret-2"
    assert redacted(extraction(request_model=model), "").request_model == model
    assert redacted(extraction(request_model=model), model).request_model == SHOWN


def test_texts_in_usage_are_cut_and_numbers_stay_exact() -> None:
    usage = '{"prompt_tokens":3,"cost":0.10000000000000000555,"prompt":"%s"}' % ("tell me " * 200)
    kept = redacted(extraction(raw_usage=usage)).raw_usage or ""
    assert len(kept) < TEXT_MAX + 100
    assert "0.10000000000000000555" in kept
    assert len(redacted(extraction(response_id="x" * 999)).response_id or "") == TEXT_MAX
