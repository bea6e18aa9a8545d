"""What is kept of a request's head: the next one like it is recorded the same, any other one anew."""

from __future__ import annotations

import threading
from typing import Any

import httpx
from metered import KEY, Metered, attributed, tokens

import farebox
from farebox.config import KeyConfig
from farebox.sdk.addresses.known_request import KnownRequest, KnownRequests
from farebox.sdk.process_meter import process_meter

ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


def ask(metered: Metered, client: httpx.Client, text: str = "hi", **headers: str) -> None:
    body = {**ASK, "messages": [{"role": "user", "content": text}]}
    url = metered.url("openai") + "/v1/chat/completions"
    client.post(url, json=body, headers={"authorization": f"Bearer {KEY}", **headers}).raise_for_status()


def test_a_head_that_differs_in_its_length_alone_is_judged_once(
    instrumented: Metered, monkeypatch: Any
) -> None:
    judged: list[tuple[bytes, ...]] = []
    judge = KnownRequests._judge

    def counted(self: KnownRequests, callers: Any, source: str, place: Any, *rest: Any) -> Any:
        judged.append(place)
        return judge(self, callers, source, place, *rest)

    monkeypatch.setattr(KnownRequests, "_judge", counted)
    with httpx.Client() as client:
        for text in ("hi", "hello", "good morning", "hi"):
            ask(instrumented, client, text)
        assert len(judged) == 1
        ask(instrumented, client, **{"x-farebox-customer": "acme"})
        assert len(judged) == 2  # negative control: another head
        ask(instrumented, client)
        assert len(judged) == 2  # both are known now
    assert [attributed(row, "customer") for row in instrumented.rows()] == [(None,)] * 4 + [
        ("acme",),
        (None,),
    ]


def test_a_known_request_is_recorded_for_whoever_the_code_around_it_names(instrumented: Metered) -> None:
    with httpx.Client() as client:
        for customer in ("acme", "umbrella", None, "acme"):
            with farebox.attribute(customer=customer):
                ask(instrumented, client, **{"x-farebox-user": "ada"})
    rows = instrumented.rows()
    assert [attributed(row, "customer", "user") for row in rows] == [
        ("acme", "ada"), ("umbrella", "ada"), (None, "ada"), ("acme", "ada"),
    ]  # fmt: skip
    assert len({tokens(row) for row in rows}) == 1


def test_threads_of_one_client_keep_their_own_customers(instrumented: Metered) -> None:
    rounds, names = 20, ("acme", "umbrella", "initech", "hooli")
    with httpx.Client() as client:

        def work(customer: str) -> None:
            for _ in range(rounds):
                with farebox.attribute(customer=customer):
                    ask(instrumented, client, text=customer)

        threads = [threading.Thread(target=work, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    counted = [attributed(row, "customer")[0] for row in instrumented.rows()]
    assert {name: counted.count(name) for name in names} == dict.fromkeys(names, rounds)


def test_another_key_is_another_fingerprint(instrumented: Metered) -> None:
    keys = [f"sk-test-{number:020d}" for number in (1, 2, 3, 1, 2, 3)]
    with httpx.Client() as client:
        for key in keys:
            ask(instrumented, client, authorization=f"Bearer {key}")
    found = [row.key_fingerprint for row in instrumented.rows()]
    assert found[:3] == found[3:]
    assert len(set(found)) == 3


def test_what_a_command_publishes_of_a_key_holds_from_the_next_call_on(instrumented: Metered) -> None:
    with httpx.Client() as client:
        ask(instrumented, client)
        (before,) = instrumented.rows()
        meter = process_meter()
        assert meter is not None and before.key_fingerprint is not None
        meter.published.current = type(meter.published.current)(
            labelled={before.key_fingerprint: KeyConfig(customer="acme")}
        )
        ask(instrumented, client)
    assert [attributed(row, "customer") for row in instrumented.rows()] == [(None,), ("acme",)]


def test_a_request_whose_url_holds_its_key_is_not_kept(instrumented: Metered) -> None:
    with httpx.Client() as client:
        for key in (KEY, "other-key-0123456789"):
            url = instrumented.url("google") + f"/v1beta/models/gemini-2.0-flash:generateContent?key={key}"
            client.post(url, json={"contents": []})
    meter = process_meter()
    assert meter is not None
    known = [found for each in meter.destinations._known.values() for place in each for found in place._known]
    assert all(b"key=" not in query for _, _, query in known)
    assert len({row.key_fingerprint for row in instrumented.rows()}) == 2


def test_what_is_kept_is_bounded(instrumented: Metered) -> None:
    with httpx.Client() as client:
        for number in range(300):
            client.get(instrumented.url("openai") + f"/v1/files/file-{number}", headers={"x": str(number)})
        for number in range(10):
            ask(instrumented, client, **{"x-trace": str(number)})
    meter = process_meter()
    assert meter is not None
    for places in meter.destinations._known.values():
        for place in places:
            known: dict[Any, tuple[KnownRequest, ...]] = place._known
            assert len(known) <= 128
            assert all(len(heads) <= 4 for heads in known.values())
