"""Signatures: the published vector, and a verification that shares no code with ours."""

from __future__ import annotations

import base64
import hashlib

import pytest

from farebox.channels import webhook

# The vector of the specification's own libraries:
# https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/go/webhook_test.go
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def verified(secret: str, headers: dict[str, str], body: bytes, now: int) -> bool:
    """Verify as a receiver does, with HMAC (RFC 2104) written out: nothing of the sender's code."""
    sent = int(headers["webhook-timestamp"])
    if abs(now - sent) > 300:
        return False
    key = base64.b64decode(secret.split("_", 1)[1]).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(each ^ 0x36 for each in key))
    inner.update(headers["webhook-id"].encode() + b"." + str(sent).encode() + b"." + body)
    outer = hashlib.sha256(bytes(each ^ 0x5C for each in key) + inner.digest())
    wanted = base64.b64encode(outer.digest()).decode()
    return any(each == f"v1,{wanted}" for each in headers["webhook-signature"].split(" "))


def test_the_published_vector_is_signed_as_published() -> None:
    assert webhook.signature(webhook.signing_keys(SECRET), ID, TIMESTAMP, BODY) == SIGNATURE


def test_what_is_signed_is_verified_by_an_independent_implementation() -> None:
    known = {"webhook-id": ID, "webhook-timestamp": str(TIMESTAMP), "webhook-signature": SIGNATURE}
    assert verified(SECRET, known, BODY, TIMESTAMP), "the control: it verifies the published vector"
    secret = webhook.new_secret()
    headers = webhook.headers(webhook.signing_keys(secret), "0190", 1_800_000_000, b'{"a":"\xc3\xa9"}')
    assert verified(secret, headers, b'{"a":"\xc3\xa9"}', 1_800_000_299)
    assert not verified(secret, headers, b'{"a":"\xc3\xa9"}', 1_800_000_301)
    assert not verified(secret, headers, b'{"a":"e"}', 1_800_000_000)
    assert not verified(secret, {**headers, "webhook-id": "0191"}, b'{"a":"\xc3\xa9"}', 1_800_000_000)
    assert not verified(webhook.new_secret(), headers, b'{"a":"\xc3\xa9"}', 1_800_000_000)


def test_while_a_secret_is_changed_both_verify() -> None:
    new, old = webhook.new_secret(), webhook.new_secret()
    headers = webhook.headers(webhook.signing_keys(f"{new} {old}\n"), ID, TIMESTAMP, BODY)
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert verified(new, headers, BODY, TIMESTAMP)
    assert verified(old, headers, BODY, TIMESTAMP)


def test_a_new_secret_has_256_bits_in_the_form_of_the_specification() -> None:
    made = webhook.new_secret()
    assert made.startswith("whsec_")
    assert len(base64.b64decode(made.removeprefix("whsec_"), validate=True)) == 32
    assert made != webhook.new_secret()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_not base64",
        "whsec_MfKQ9r8G",
        f"whsec_{base64.b64encode(bytes(65)).decode()}",
        f"{SECRET} hunter2",
        " ".join([SECRET] * 5),
    ],
)
def test_anything_else_is_no_secret_and_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError) as raised:
        webhook.signing_keys(text)
    assert "hunter2" not in str(raised.value)
    assert "MfKQ" not in str(raised.value)
