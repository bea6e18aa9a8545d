"""Discord, by a webhook: https://discord.com/developers/docs/resources/webhook#execute-webhook.

One embed, which mentions nobody; `allowed_mentions` says so, too. Markdown in names is escaped.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from farebox.channels.cut_text import cut, utf16_units
from farebox.channels.news import News, left_out_words, news_of
from farebox.channels.request import JSON_HEADERS, Post, Sending

CONTENT_MAX, TITLE_MAX, DESCRIPTION_MAX, EMBED_MAX = 2000, 256, 4096, 6000
"""https://discord.com/developers/docs/resources/message#embed-object-embed-limits."""

_COLOURS = {"critical": 0xD92D20, "warning": 0xF79009, "info": 0x2E90FA}
_RECOVERED = 0x12B76A
_MARKUP = re.compile(r"([\\*_~`|<>@#:\[\]()\-])")


def posts(sending: Sending) -> list[Post]:
    """Return the one request of a message."""
    body = msgspec.json.encode(content(news_of(sending.payload)))
    return [Post(sending.to, JSON_HEADERS, body)]


def content(news: News) -> dict[str, Any]:
    """Return what is sent, before it is JSON."""
    rows: list[str] = []
    for entry in news.entries:
        title = [] if entry.title == news.title else [f"**{escaped(entry.title)}**"]
        rows += [*title, *map(escaped, entry.lines), ""]
    if news.left_out:
        rows.append(escaped(left_out_words(news.left_out)))
    colour = _RECOVERED if news.state == "recovered" else _COLOURS[news.severity]
    embed: dict[str, Any] = {
        "title": _cut(escaped(news.title), TITLE_MAX),
        "color": colour,
        "timestamp": news.occurred_at,
    }
    if text := "\n".join(rows).strip():
        embed["description"] = _cut(text, DESCRIPTION_MAX)
    if news.link:
        embed["url"] = news.link
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def escaped(text: str) -> str:
    """Return text that is shown and not read as Markdown, a mention or a link."""
    return _MARKUP.sub(r"\\\1", text)


def _cut(text: str, most: int) -> str:
    found = cut(text, most, utf16_units)
    return re.sub(r"(?<!\\)((?:\\\\)*)\\…$", r"\1…", found)  # no half of an escape before the ellipsis
