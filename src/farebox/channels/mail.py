"""E-mail: a message (RFC 5322) with text and HTML, the same bytes whenever it is made."""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from farebox.channels.news import News, left_out_words, news_of
from farebox.channels.settings import MailSettings
from farebox.plain_text import line

SUBJECT_MAX = 180
_NAME = "Farebox"


def mail(payload: str, message: str, settings: MailSettings) -> bytes:
    """Return the mail of a stored payload. Its id is made of the message's, so that one sent twice is one."""
    news = news_of(payload)
    domain = settings.sender.rpartition("@")[2]
    made = EmailMessage(policy=SMTP)
    made["Subject"] = line(news.title, SUBJECT_MAX)
    made["From"] = Address(display_name=_NAME, addr_spec=settings.sender)
    made["To"] = [Address(addr_spec=each) for each in settings.to]
    made["Date"] = format_datetime(datetime.fromisoformat(news.occurred_at))
    made["Message-ID"] = f"<{message}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
    if news.severity == "critical" and news.state == "firing":
        made["Importance"] = "high"
    made.set_content(news.text() + "\n", cte="base64")
    made.add_alternative(html(news), subtype="html", cte="base64")
    made.set_boundary(f"=_{message.replace('-', '')}")
    return made.as_bytes()


def html(news: News) -> str:
    """Return the mail's HTML: every text of it escaped, no picture, nothing that is fetched."""
    rows = [f"<h2>{escape(news.title)}</h2>"]
    for entry in news.entries:
        if entry.title != news.title:
            rows.append(f"<h3>{escape(entry.title)}</h3>")
        rows.append("<p>" + "<br>".join(escape(each) for each in entry.lines) + "</p>")
    if news.left_out:
        rows.append(f"<p>{escape(left_out_words(news.left_out))}</p>")
    if news.link:
        rows.append(f'<p><a href="{escape(news.link)}">Open in Farebox</a></p>')
    return "<!doctype html><html><body>" + "\n".join(rows) + "</body></html>\n"
