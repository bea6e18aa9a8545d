"""ntfy, by publishing JSON: https://docs.ntfy.sh/publish/#publish-as-json."""

from __future__ import annotations

from typing import Any

import msgspec

from farebox.channels.cut_text import cut, utf8_bytes
from farebox.channels.news import News, news_of
from farebox.channels.request import JSON_HEADERS, Post, Sending
from farebox.channels.secret_url import topic

MESSAGE_BYTES_MAX = 4096
"""https://docs.ntfy.sh/publish/#limitations: a longer message would become an attachment."""
TITLE_MAX = 250

_PRIORITIES = {"critical": 5, "warning": 4, "info": 3}
_TAGS = {"critical": "rotating_light", "warning": "warning", "info": "information_source"}
_RECOVERED = "white_check_mark"


def posts(sending: Sending) -> list[Post]:
    """Return the one request of a message: to the server's root, with the topic in the body.

    Raises:
        ValueError: The URL names no topic.
    """
    found = topic(sending.to)
    if found is None:
        raise ValueError("its URL names no topic, as https://ntfy.sh/TOPIC")
    front, name = found
    headers = {**JSON_HEADERS}
    if sending.token:
        if not all("!" <= each <= "~" for each in sending.token):
            raise ValueError("its token has characters that no token has")
        headers["authorization"] = f"Bearer {sending.token}"
    body = msgspec.json.encode(content(news_of(sending.payload), name))
    return [Post(sending.to._replace(target=f"{front}/"), headers, body)]


def content(news: News, name: str) -> dict[str, Any]:
    """Return what is sent, before it is JSON."""
    recovered = news.state == "recovered"
    rows = news.text().split("\n")[1:]
    said: dict[str, Any] = {
        "topic": name,
        "title": cut(news.title, TITLE_MAX),
        "message": cut("\n".join(rows).strip() or news.title, MESSAGE_BYTES_MAX, utf8_bytes),
        "priority": 3 if recovered else _PRIORITIES[news.severity],
        "tags": [_RECOVERED if recovered else _TAGS[news.severity]],
    }
    if news.link:
        said["click"] = news.link
    return said
