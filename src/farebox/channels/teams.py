"""Microsoft Teams, by a workflow's webhook: an Adaptive Card.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using. All text
is in text runs (https://adaptivecards.io/explorer/TextRun.html), which are not read as Markdown.
"""

from __future__ import annotations

from typing import Any

import msgspec

from farebox.channels.cut_text import cut
from farebox.channels.news import Entry, News, left_out_words, news_of
from farebox.channels.request import JSON_HEADERS, Post, Sending

BODY_BYTES_MAX = 28 << 10
"""https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages: 28 KB."""
_TEXT_MAX = 300


def posts(sending: Sending) -> list[Post]:
    """Return the one request of a message."""
    news = news_of(sending.payload)
    body = msgspec.json.encode(content(news, len(news.entries)))
    number = len(news.entries)
    while len(body) > BODY_BYTES_MAX and number:  # fewer alerts are listed, and the rest is counted
        number -= 1
        body = msgspec.json.encode(content(news, number))
    return [Post(sending.to, JSON_HEADERS, body)]


def content(news: News, listed: int) -> dict[str, Any]:
    """Return what is sent, before it is JSON, with so many entries."""
    body = [_rows([_run(news.title, weight="Bolder", size="Medium")])]
    for entry in news.entries[:listed]:
        body += _entry(entry, news)
    left_out = news.left_out + len(news.entries) - listed
    if left_out:
        body.append(_rows([_run(left_out_words(left_out), isSubtle=True)]))
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "msteams": {"width": "Full"},
    }
    if news.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in Farebox", "url": news.link}]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _entry(entry: Entry, news: News) -> list[dict[str, Any]]:
    title = (
        [] if entry.title == news.title else [_rows([_run(entry.title, weight="Bolder")], spacing="Medium")]
    )
    return [*title, *(_rows([_run(each)], spacing="None") for each in entry.lines)]


def _rows(inlines: list[dict[str, Any]], **more: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": inlines, **more}


def _run(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": cut(text, _TEXT_MAX), **more}
