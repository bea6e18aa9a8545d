"""Slack, by an incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.

All text is `plain_text`, which Slack does not read as markup, except the one link; the fallback for
notifications is escaped as https://docs.slack.dev/messaging/formatting-message-text says.
"""

from __future__ import annotations

from typing import Any

import msgspec

from farebox.channels.cut_text import cut
from farebox.channels.news import Entry, News, left_out_words, news_of
from farebox.channels.request import JSON_HEADERS, Post, Sending

HEADER_MAX, SECTION_MAX, BLOCKS_MAX = 150, 3000, 50
"""https://docs.slack.dev/reference/block-kit/blocks."""
FALLBACK_MAX = 3000


def posts(sending: Sending) -> list[Post]:
    """Return the one request of a message."""
    body = msgspec.json.encode(content(news_of(sending.payload)))
    return [Post(sending.to, JSON_HEADERS, body)]


def content(news: News) -> dict[str, Any]:
    """Return what is sent, before it is JSON."""
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(news.title, HEADER_MAX)}]
    texts = (_text(entry, news) for entry in news.entries[: BLOCKS_MAX - 3])
    blocks += [{"type": "section", "text": _plain(text, SECTION_MAX)} for text in texts if text]
    if news.left_out:
        blocks.append({"type": "section", "text": _plain(left_out_words(news.left_out), SECTION_MAX)})
    if news.link:
        link = f"<{escaped(news.link)}|Open in Farebox>"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": link, "verbatim": True}})
    return {"text": cut(escaped(news.title), FALLBACK_MAX), "blocks": blocks}


def escaped(text: str) -> str:
    """Return text that is shown and not read as a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _text(entry: Entry, news: News) -> str:
    rows = entry.lines if entry.title == news.title else (entry.title, *entry.lines)
    return "\n".join(rows)


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(text, most), "emoji": False}
