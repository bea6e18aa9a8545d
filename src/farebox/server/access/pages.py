"""The few pages that must work without the dashboard's files: sign in, build first, errors.

Self-contained: no script, and one style sheet that the page's policy names by hash.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

_STYLE = """
:root{color-scheme:light dark;--ink:#191b22;--quiet:#5d6472;--paper:#f6f5f1;--card:#fff;--line:#e3e1da;
--accent:#0b7a5c}
@media (prefers-color-scheme:dark){:root{--ink:#eceef2;--quiet:#9aa2b1;--paper:#0f1115;--card:#171a20;
--line:#272b34;--accent:#4ecca3}}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink);
font:16px/1.55 ui-sans-serif,system-ui,sans-serif}
main{max-width:27rem;margin:2rem;padding:2.25rem;background:var(--card);border:1px solid var(--line);
border-radius:14px}
h1{margin:0 0 .5rem;font-size:1.25rem;letter-spacing:-.01em}
p{margin:.75rem 0 0;color:var(--quiet)}
code{display:block;margin-top:1rem;padding:.75rem .9rem;border:1px solid var(--line);border-radius:8px;
color:var(--ink);font:14px/1.4 ui-monospace,monospace}
b{color:var(--accent);font-weight:650}
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The content security policy of these pages."""


def page(title: str, paragraphs: tuple[str, ...], command: str | None = None) -> bytes:
    """Return a whole HTML page; all of its text is escaped."""
    body = "".join(f"<p>{escape(text)}</p>" for text in paragraphs)
    typed = f"<code>{escape(command)}</code>" if command else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} · Farebox</title><style>{_STYLE}</style></head>"
        f"<body><main><b>Farebox</b><h1>{escape(title)}</h1>{body}{typed}</main></body></html>"
    ).encode()


def sign_in(way_in: str) -> bytes:
    return page(
        "Open the dashboard from a terminal",
        (
            "This browser has no session yet. Farebox shows what you spend only to you, so it asks "
            "for a link that only you can make. Type this where Farebox runs:",
        ),
        way_in,
    )


def link_is_spent(way_in: str) -> bytes:
    return page(
        "This link has been used, or is too old",
        ("A link works once and for ten minutes. Type this for a fresh one:",),
        way_in,
    )


def not_built() -> bytes:
    return page(
        "The dashboard has not been built",
        (
            "The server is running and the API works, but this copy of Farebox came without the "
            "dashboard's files. In a clone of the project, type:",
        ),
        "make build",
    )


def refused(message: str) -> bytes:
    return page("Not here", (message,))
