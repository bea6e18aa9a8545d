"""What to paste to point a program at the proxy: the lines `up` and the empty state show."""

from __future__ import annotations


def lines(url: str) -> list[str]:
    """Return shell lines that point the most used clients at the proxy at `url`."""
    from farebox.cli.run.environment import base_urls

    urls = base_urls(url)
    shown = ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL")
    return [f"export {name}={urls[name]}" for name in shown if name in urls]


def direct_line() -> str:
    """Return the shell line that keeps calls to the proxy off an HTTP proxy, in both spellings."""
    return 'export NO_PROXY="${NO_PROXY:+$NO_PROXY,}127.0.0.1,localhost"; export no_proxy="$NO_PROXY"'
