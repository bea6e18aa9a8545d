"""Bodies of every form, whole and broken, within limits and beyond."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import msgspec
import pytest
import zstandard
from taken_in import Door, applied, event, statuses

from farebox.clock import now_ns
from farebox.home import Home
from farebox.ingest.bodies import BodyRefusedError, split_array
from farebox.ingest.event_reading import EventReader
from farebox.ingest.limits import IngestLimits
from farebox.recording.events import moment_text

encode = msgspec.json.encode


def cloud(**fields: Any) -> dict[str, Any]:
    """Return an event as a structured CloudEvent."""
    flat = event(**fields)
    envelope = {name: flat.pop(name) for name in ("id", "source", "time")}
    subject = flat.pop("customer")
    return {"specversion": "1.0", "type": "farebox.call", "subject": subject, **envelope, "data": flat}


def test_every_form_records_the_same_call(door: Door, home: Home) -> None:
    data = cloud(id="x")
    binary = {
        "ce-specversion": "1.0",
        "ce-type": "farebox.call",
        "ce-id": "binary%201",
        "ce-source": "shop",
        "ce-subject": "acme",
    }
    assert door.take(encode(event(id="1"))).is_single
    assert not door.take(encode([event(id="2"), event(id="3")])).is_single
    lines = b"\n".join(encode(event(id=name)) for name in "45") + b"\r\n\n"
    assert len(door.take(lines, "application/x-ndjson; charset=utf-8").receipt.items) == 2
    assert door.take(encode(cloud(id="6")), "application/cloudevents+json").receipt.accepted == 1
    both = [cloud(id="7"), cloud(id="8")]
    assert door.take(encode(both), "application/cloudevents-batch+json").receipt.accepted == 2
    assert door.take(encode(data["data"]), headers=binary).receipt.accepted == 1
    calls = applied(home).newest(20)
    assert len(calls) == 9
    assert {(c.source, c.request_model, c.attribution["customer"], c.cost_pico) for c in calls} == {
        ("shop", "gpt-4o", "acme", calls[0].cost_pico)
    }
    assert calls[0].cost_pico


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("gzip", gzip.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("deflate", zlib.compress),
        ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
    ],
)
def test_a_packed_body_is_unpacked(door: Door, name: str, packed: Callable[[bytes], bytes]) -> None:
    body = packed(encode([event(), event()]))
    assert door.take(body, headers={"content-encoding": name}).receipt.accepted == 2


MALFORMED: list[tuple[bytes, str | None]] = [
    (b"{}", "id"),
    (b"null", None),
    (b"17", None),
    (b'"text"', None),
    (b"[]", None),
    (b'{"id":7}', "id"),
    (b'{"id":"x","custmer":"acme"}', "custmer"),
    (b'{"id":"x","provider":"openai","model":"m","usage":{"input_uncached":1e400}}', "usage"),
    (b'{"id":"x","provider":"openai","model":"m","usage":{"input_uncached":%s}}' % (b"9" * 400), "usage"),
    (b'{"id":"x","provider":"openai","model":"m","usage":{"input_uncached":-1}}', "usage"),
    (b'{"id":"x","provider":"openai","model":"m","usage":{"input_uncached":1.5}}', "usage"),
    (b'{"id":"x","provider":"openai","model":"m","usage":{"input_uncached":true}}', "usage"),
    (b'{"id":"x","provider":"openai","model":"m","usage":{"input_uncached":null}}', "usage"),
    (b'{"id":"x","provider":"openai","model":"m","usage":[1]}', "usage"),
    (b'{"id":"x","provider":"openai","model":"m","usage":{"nothing":1}}', "usage"),
    (b'{"id":"x","provider":"openai","surface":"s","total_us":%s}' % (b"9" * 40), "total_us"),
    (b'{"id":"x","provider":"openai","customer":"%s"}' % (b"c" * 257), "customer"),
    (b'{"id":"%s","provider":"openai"}' % (b"i" * 257), "id"),
    (b'{"id":"x","provider":"openai","witness":"proxy"}', "witness"),
    (b'{"id":"x","type":"score","name":"n"}', "value"),
    (b'{"id":"x","type":"outcome"}', "name"),
    (b'{"id":"x","type":"score","name":"n","value":1e999999999}', "value"),
    (b'{"id":"x","type":"loss"}', "records"),
    (b'{"id":"x","provider":"openai","time":"2026-11-29 08:30"}', "time"),
    (b'{"id":"x","provider":"openai","time":"9999-99-99T99:99:99Z"}', "time"),
    (b'{"id":"x","provider":"openai","time":1764405000}', "time"),
    (b'{"id":"sk-proj-aaaaaaaaaaaaaaaaaaaaaaa1","provider":"openai"}', "id"),
    (b'{"id":"\xff","provider":"openai"}', None),
    (b'{"id":"x","a":"\\ud800"}', None),
    (b'{"id":"x","tags":{"a":' + b"[" * 3000 + b"]" * 3000 + b"}}", None),
    (b'{"id":"x","usage":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", None),
    (b'{"id":"x" "y"}', None),
    (b"{,}", None),
]


@pytest.mark.parametrize(("text", "field"), MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("form", ["array", "ndjson"])
def test_a_malformed_item_gets_its_reason_and_hurts_no_neighbour(
    door: Door, home: Home, text: bytes, field: str | None, form: str
) -> None:
    before, after = encode(event()), encode(event())
    if form == "array":
        told = door.take(b"[" + b", ".join((before, text, after)) + b"]")
    else:
        told = door.take(b"\n".join((before, text, after)), "application/x-ndjson")
    assert statuses(told.receipt.items) == ["accepted", "invalid", "accepted"]
    verdict = told.receipt.items[1]
    assert verdict.reason
    if field is not None:
        assert verdict.field is not None and verdict.field.startswith(field)
    assert len(applied(home).newest(10)) == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"type": "com.example.order"}, "type"),
        ({"type": "farebox.order"}, "type"),
        ({"source": ""}, "source"),
        ({"source": None}, "source"),
        ({"data": {"id": "y"}}, "data.id"),
        ({"data": 7}, ""),
        ({"data_base64": "eA=="}, "data_base64"),
    ],
)
def test_a_cloud_event_that_is_none_of_ours_is_invalid_and_hurts_no_neighbour(
    door: Door, fields: dict[str, Any], field: str
) -> None:
    bad = {name: value for name, value in {**cloud(), **fields}.items() if value is not None}
    body = encode([cloud(), bad, cloud()])
    told = door.take(body, "application/cloudevents-batch+json").receipt.items
    assert statuses(told) == ["accepted", "invalid", "accepted"]
    assert (told[1].field or "").startswith(field)


def test_a_cloud_event_of_an_outcome_is_recorded(door: Door) -> None:
    outcome = {
        "specversion": "1.0",
        "type": "farebox.outcome",
        "id": "o-1",
        "source": "shop",
        "subject": "acme",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": {"name": "lead.qualified", "value": "40.00", "task": "t-1"},
    }
    assert door.take(encode(outcome), "application/cloudevents+json").receipt.accepted == 1


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "status"),
    [
        (b"", "application/json", {}, 400),
        (b"17", "application/json", {}, 400),
        (b"[1", "application/json", {}, 400),
        (b"[1]]", "application/json", {}, 400),
        (b"[{]", "application/json", {}, 400),
        (b"{}", "application/cloudevents-batch+json", {}, 400),
        (b"{}", None, {}, 415),
        (b"{}", "text/plain", {}, 415),
        (b"a=b", "application/x-www-form-urlencoded", {}, 415),
        (b"{}", "application/json; charset=latin-1", {}, 415),
        (b"{}", "application/json", {"content-encoding": "compress"}, 415),
        (b"{}", "application/json", {"content-encoding": "gzip, gzip, gzip, gzip"}, 415),
        (b"not packed", "application/json", {"content-encoding": "gzip"}, 400),
        (b"not packed", "application/json", {"content-encoding": "zstd"}, 400),
        (b"", "application/json", {"content-encoding": "gzip"}, 400),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_whole(
    door: Door, body: bytes, content_type: str | None, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(BodyRefusedError) as refused:
        door.take(body, content_type, headers=headers)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("br", brotli.compress),
        ("gzip, zstd", lambda body: zstandard.ZstdCompressor().compress(gzip.compress(body))),
    ],
)
def test_a_packed_body_that_was_cut_off_is_refused_whole(
    door: Door, home: Home, name: str, pack: Callable[[bytes], bytes]
) -> None:
    body = b"\n".join(encode(event(tags={"n": str(number)})) for number in range(200)) + b"\n"
    packed, headers = pack(body), {"content-encoding": name}
    for cut in (len(packed) // 2, len(packed) - 1):
        with pytest.raises(BodyRefusedError) as refused:
            door.take(packed[:cut], "application/x-ndjson", headers=headers)
        assert (refused.value.status, refused.value.code) == (400, "body_malformed")
    assert len(applied(home).newest(300)) == 0
    assert door.take(packed, "application/x-ndjson", headers=headers).receipt.accepted == 200


def test_a_string_without_an_end_is_looked_at_once() -> None:
    """Begun again at each of its quotes, half a megabyte would keep the collector busy for hours."""
    body = b'["' + b'\\"' * 250_000
    for malformed in (body, body + b"\\"):
        with pytest.raises(BodyRefusedError):
            split_array(malformed, IngestLimits())
    assert split_array(b'[{bad "a,]\\"" },{}]', IngestLimits()) == [b'{bad "a,]\\"" }', b"{}"]


def test_no_items_are_no_error(door: Door) -> None:
    assert door.take(b"[]").receipt.items == []
    assert door.take(b" [ ]\n").receipt.items == []
    assert door.take(b"\n\n", "application/x-ndjson").receipt.items == []


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_that_unpacks_to_more_than_the_limit_is_refused_before_it_is_held(
    doors: Callable[..., Door], encoding: str
) -> None:
    limits = IngestLimits(unpacked_bytes_max=64 * 1024)
    pack = gzip.compress if encoding == "gzip" else zstandard.ZstdCompressor().compress
    door = doors(limits)
    with pytest.raises(BodyRefusedError) as refused:
        door.take(pack(b" " * (256 << 20)), headers={"content-encoding": encoding})
    assert (refused.value.status, refused.value.code) == (413, "body_too_large")
    fits = b"[" + b" " * (64 * 1024 - 2) + b"]"
    assert door.take(pack(fits), headers={"content-encoding": encoding}).receipt.items == []
    with pytest.raises(BodyRefusedError):
        door.take(pack(fits + b" "), headers={"content-encoding": encoding})


def test_as_many_items_as_the_limit_and_no_more(doors: Callable[..., Door]) -> None:
    door = doors(IngestLimits(items_max=3))
    assert statuses(door.send(*(event() for _ in range(3)))) == ["accepted"] * 3
    with pytest.raises(BodyRefusedError) as refused:
        door.send(*(event() for _ in range(4)))
    assert (refused.value.status, refused.value.code) == (413, "too_many_items")


def test_an_item_as_large_as_the_limit_and_no_larger(doors: Callable[..., Door]) -> None:
    size = len(encode(event(id="12")))
    door = doors(IngestLimits(item_bytes_max=size))
    told = door.send(event(id="12"), event(id="123"), event(id="13"))
    assert statuses(told) == ["accepted", "invalid", "accepted"]


def test_an_event_whose_record_no_journal_takes_is_invalid_and_stops_nobody(door: Door, home: Home) -> None:
    """A sender that gets 503 sends again: what can never be stored must not be answered so."""
    parts = [{"kind": "x" * 200, "usage": {"input_uncached": 1}} for _ in range(6_000)]
    tags = {f"tag-{number}": "x" for number in range(257)}
    told = door.send(event(), event(usage=None, model=None, parts=parts), event(tags=tags), event())
    assert statuses(told) == ["accepted", "invalid", "invalid", "accepted"]
    assert told[2].field == "tags"
    few = {f"tag-{number}": "x" for number in range(255)}
    assert statuses(door.send(event(tags=few))) == ["accepted"]
    assert len(applied(home).newest(10)) == 3


@pytest.mark.parametrize(
    ("ago_s", "status"),
    [(3600, "accepted"), (3590, "accepted"), (3700, "invalid"), (-55, "accepted"), (-70, "invalid")],
)
def test_events_of_long_ago_and_of_the_future_are_refused(
    doors: Callable[..., Door], ago_s: int, status: str
) -> None:
    door = doors(IngestLimits(age_s_max=3605, ahead_s_max=60))
    told = door.send(event(time=moment_text(now_ns() - ago_s * 10**9)), event())
    assert statuses(told) == [status, "accepted"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"time": "0001-01-01T00:00:00+14:00"}, "time"),
        ({"time": "9999-12-31T23:59:59-14:00"}, "time"),
        ({"time": "1969-12-31T23:59:59Z"}, "time"),
        ({"ended_at": "0001-01-01T00:00:00+14:00"}, "ended_at"),
        ({"ended_at": "2262-04-11T00:00:00Z"}, "ended_at"),
        ({"total_us": 2**63 - 1}, "total_us"),
        ({"ended_at": moment_text(now_ns()), "time": None, "total_us": 2**63 - 1}, "time"),
    ],
)
def test_a_moment_that_no_record_can_have_is_invalid_and_hurts_no_neighbour(
    door: Door, fields: dict[str, Any], field: str
) -> None:
    told = door.send(event(), event(**fields), event())
    assert statuses(told) == ["accepted", "invalid", "accepted"]
    assert told[1].field == field


def test_an_event_that_we_fail_at_hurts_no_neighbour(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A response of 500 would be sent again for ever, and everything behind that event would wait."""
    read = EventReader.read

    def read_or_fail(self: EventReader, text: bytes, *rest: Any) -> Any:
        if b"poison" in text:
            raise OverflowError
        return read(self, text, *rest)

    monkeypatch.setattr(EventReader, "read", read_or_fail)
    told = door.send(event(), event(id="poison"), event())
    assert statuses(told) == ["accepted", "invalid", "accepted"]
    assert told[1].id == "poison"


def test_every_receipt_says_the_limits(door: Door) -> None:
    assert door.take(b"[]").receipt.limits == IngestLimits()


def test_a_key_that_somebody_sends_is_repeated_nowhere(door: Door, home: Home) -> None:
    key = "sk-proj-" + "a1B2" * 8
    told = door.take(encode([event(id=key), {key: key}, event(time=key), event(customer=key)]))
    assert key.encode() not in encode(told.receipt)
    journals = list(home.journal.rglob("*.seg"))
    assert journals and all(key.encode() not in path.read_bytes() for path in journals)
