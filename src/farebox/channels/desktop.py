"""A notification on this machine's screen: `notify-send` where it is there, `osascript` on macOS."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from html import escape

from farebox.channels.cut_text import cut
from farebox.channels.news import News, news_of

TITLE_MAX, BODY_MAX = 200, 1000

_SCRIPT = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"
"""The texts are arguments: nothing of them is read as AppleScript."""


def command(payload: str, which: Callable[[str], str | None] = shutil.which) -> list[str] | None:
    """Return the command that shows a stored payload, None where this machine has no program for it."""
    news = news_of(payload)
    if (program := which("notify-send")) is not None:
        urgency = {"critical": "critical", "warning": "normal", "info": "low"}[news.severity]
        if news.state == "recovered":
            urgency = "low"
        # The body may have markup (https://specifications.freedesktop.org/notification-spec): it is escaped.
        body = escape(_body(news), quote=False)
        return [program, f"--urgency={urgency}", "--app-name=Farebox", "--", _title(news), body]
    if (program := which("osascript")) is not None:
        return [program, "-e", _SCRIPT, "--", _title(news), _body(news)]
    return None


def _title(news: News) -> str:
    return cut(news.title, TITLE_MAX)


def _body(news: News) -> str:
    return cut("\n".join(news.text().split("\n")[1:]).strip(), BODY_MAX) or " "
