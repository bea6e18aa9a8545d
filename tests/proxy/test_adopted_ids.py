"""The id that the SDK gave a call is the proxy's, once; a call is never lost to an id that comes again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from proxy_harness import MockUpstream, ProxyThread, mock

from farebox.clock import now_ns, uuid7, uuid_text
from farebox.config import ProviderConfig
from farebox.recording.adopted_ids import AdoptedIds, event_id_of

PATH = "/openai/v1/chat/completions"
BODY = b'{"model": "gpt-4o", "messages": []}'


@pytest.fixture
def proxied() -> Iterator[tuple[ProxyThread, MockUpstream]]:
    with (
        MockUpstream(lambda _: mock.json_reply(mock.chat_answer("hi"))) as upstream,
        ProxyThread({"openai": ProviderConfig(upstream=upstream.url)}) as proxy,
    ):
        yield proxy, upstream


def test_a_fresh_id_is_adopted_and_stripped(proxied: tuple[ProxyThread, MockUpstream]) -> None:
    proxy, upstream = proxied
    event_id = uuid7()
    with proxy.connect() as client:
        client.post(PATH, BODY, f"x-farebox-event-id: {uuid_text(event_id)}", "x-farebox-customer: acme")
    (done,) = proxy.settled(1)
    assert done.event_id == event_id
    assert done.attribution.get("customer") == "acme" and "event-id" not in done.attribution
    assert not any(name.lower().startswith(b"x-farebox") for name, _ in upstream.requests[0].headers)


def test_an_id_that_comes_again_loses_no_call(proxied: tuple[ProxyThread, MockUpstream]) -> None:
    proxy, _ = proxied
    event_id = uuid7()
    with proxy.connect() as client:
        for _ in range(3):
            client.post(PATH, BODY, f"x-farebox-event-id: {uuid_text(event_id)}")
    ids = [done.event_id for done in proxy.settled(3)]
    assert ids[0] == event_id and len(set(ids)) == 3


@pytest.mark.parametrize(
    "wrong",
    ["x", "01890a5d-ac96-474b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8057", "0" * 36],
    ids=["no UUID", "version 4", "old", "no dashes"],
)
def test_what_is_no_fresh_id_of_the_sdk_is_not_adopted(
    proxied: tuple[ProxyThread, MockUpstream], wrong: str
) -> None:
    proxy, _ = proxied
    with proxy.connect() as client:
        assert client.post(PATH, BODY, f"x-farebox-event-id: {wrong}").status == 200
    (done,) = proxy.settled(1)
    assert uuid_text(done.event_id) != wrong


def test_an_id_is_remembered_as_long_as_it_would_be_fresh() -> None:
    ids, start = AdoptedIds(), now_ns()
    event_id = uuid7(start)
    assert ids.adopt(event_id, start) == event_id
    for later in range(0, 120, 5):
        assert ids.adopt(event_id, start + later * 10**9) == b""
        other = uuid7(start + later * 10**9)
        assert ids.adopt(other, start + later * 10**9) == other


def test_text_that_looks_like_a_uuid_only_is_none() -> None:
    assert event_id_of(None) == event_id_of(b"-" * 36) == event_id_of(b"\xff" * 36) == b""
