"""What vendors document of the requests they take, as servers on loopback that refuse everything else."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from webhook_receiver import Request, status

Check = Callable[[Any], None]


def vendor(check: Check, accepted: bytes, refused: bytes) -> Callable[[Request, socket.socket], bytes]:
    """Return what answers as a vendor: `accepted` for a request as documented, else `refused`."""

    def respond(request: Request, _: socket.socket) -> bytes:
        try:
            assert request.headers["content-type"].startswith("application/json")
            check(json.loads(request.body))
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            return refused.replace(b"%s", repr(error).encode("ascii", "replace")[:100])
        return accepted

    return respond


def slack(body: Any) -> None:
    """https://docs.slack.dev/reference/block-kit/blocks and .../composition-objects/text-object."""
    assert set(body) <= {"text", "blocks"}
    assert 0 < len(body["text"]) <= 40_000
    assert not re.search(r"<(?![@#!]?\w*&)", body["text"]), "an unescaped mention or link"
    assert 1 <= len(body["blocks"]) <= 50
    for block in body["blocks"]:
        text = block["text"]
        assert block["type"] in ("header", "section")
        assert text["type"] == "plain_text" or (block["type"] == "section" and text["type"] == "mrkdwn")
        assert 1 <= len(text["text"]) <= (150 if block["type"] == "header" else 3000)
        if text["type"] == "mrkdwn":  # the one link
            assert re.fullmatch(r"<http[^<>|\s]+\|[A-Za-z ]+>", text["text"]), text


def discord(body: Any) -> None:
    """https://discord.com/developers/docs/resources/webhook#execute-webhook and message#embed-limits."""
    assert body["allowed_mentions"] == {"parse": []}
    assert units(body.get("content", "")) <= 2000
    assert body.get("content") or body["embeds"]
    assert len(body["embeds"]) <= 10
    whole = 0
    for embed in body["embeds"]:
        assert set(embed) <= {"title", "description", "url", "color", "timestamp"}
        assert 0 < units(embed["title"]) <= 256
        assert units(embed.get("description", "x")) <= 4096
        assert 0 <= embed["color"] <= 0xFFFFFF
        assert urlsplit(embed.get("url", "http://x")).scheme in ("http", "https")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", embed["timestamp"])
        whole += units(embed["title"]) + units(embed.get("description", ""))
    assert whole <= 6000


def teams(body: Any) -> None:
    """https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using."""
    assert body["type"] == "message"
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["contentUrl"] is None
    card = attachment["content"]
    assert (card["type"], card["$schema"]) == (
        "AdaptiveCard",
        "http://adaptivecards.io/schemas/adaptive-card.json",
    )
    assert re.fullmatch(r"1\.[0-5]", card["version"])
    assert len(compact(body)) <= 28 << 10
    for block in card["body"]:
        assert block["type"] == "RichTextBlock"
        for run in block["inlines"]:
            assert run["type"] == "TextRun"
            assert isinstance(run["text"], str) and run["text"]
    for action in card.get("actions", []):
        assert action["type"] == "Action.OpenUrl"
        assert action["url"].startswith("http")


def pagerduty(body: Any) -> None:
    """https://developer.pagerduty.com/docs/send-alert-event."""
    assert body["routing_key"] == "R" * 32
    assert body["event_action"] in ("trigger", "resolve")
    assert 0 < len(body["dedup_key"]) <= 255
    if body["event_action"] == "resolve":
        assert set(body) == {"routing_key", "event_action", "dedup_key"}
        return
    said = body["payload"]
    assert 0 < len(said["summary"]) <= 1024
    assert said["source"]
    assert said["severity"] in ("critical", "error", "warning", "info")
    assert isinstance(said["custom_details"], dict)
    assert len(compact(body)) <= 512 << 10
    for link in body.get("links", []):
        assert link["href"].startswith("http")


def ntfy(body: Any) -> None:
    """https://docs.ntfy.sh/publish/#publish-as-json."""
    assert set(body) <= {"topic", "title", "message", "priority", "tags", "click"}
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", body["topic"])
    assert 0 < len(body["message"].encode()) <= 4096
    assert body["priority"] in (1, 2, 3, 4, 5)
    assert all(isinstance(tag, str) for tag in body["tags"])


def compact(body: Any) -> bytes:
    """Return the JSON as it was sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def units(text: str) -> int:
    """Return the length in UTF-16 code units, as JavaScript counts."""
    return sum(2 if ord(each) > 0xFFFF else 1 for each in text)


VENDORS: dict[str, Callable[[Request, socket.socket], bytes]] = {
    "slack": vendor(
        slack, status(200, b"ok", "content-type: text/html"), status(400, b"invalid_payload %s" + b" " * 98)
    ),
    "discord": vendor(
        discord,
        status(204),
        status(400, b'{"message": "Invalid Form Body", "code": 50035, "e": "%s"}' + b" " * 98),
    ),
    "teams": vendor(teams, status(202), status(400, b"%s" + b" " * 98)),
    "pagerduty": vendor(
        pagerduty,
        status(202, b'{"status": "success", "message": "Event processed", "dedup_key": "x"}'),
        status(400, b'{"status": "invalid event", "errors": ["%s"]}' + b" " * 98),
    ),
    "ntfy": vendor(ntfy, status(200, b'{"id": "x", "event": "message"}'), status(400, b"%s" + b" " * 98)),
}
