"""Match a request path to an endpoint and to the values inside it (`{model}`, `{region}`)."""

from __future__ import annotations

import re
from urllib.parse import unquote

_TOKEN = re.compile(r"/\*\*|\{(\w+)(\*?)\}|\*")


def compile_path(template: str) -> re.Pattern[str]:
    """Return the pattern of a path template.

    `{model}` stands for one segment (up to a `:` that follows it in the template), `{model*}`
    for the rest, `/**` for any number of whole segments. A `{region}` is what regions look like, since
    it decides prices.
    """
    pattern: list[str] = []
    position = 0
    for match in _TOKEN.finditer(template):
        pattern.append(re.escape(template[position : match.start()]))
        position = match.end()
        if match.group(0) == "/**":
            pattern.append(r"(?:/[^/]+)*?")
        elif match.group(0) == "*":
            pattern.append(r"[^/]*")
        else:
            name, rest = match.groups()
            value = ".+" if rest else "[a-z0-9-]+" if name == "region" else "[^/]+?"
            pattern.append(f"(?P<{name}>{value})")
    pattern.append(re.escape(template[position:]))
    return re.compile("".join(pattern) + r"/?\Z")


def path_values(pattern: re.Pattern[str], path: str) -> dict[str, str]:
    """Return the named values of a path, percent-decoded; empty when it does not match."""
    match = pattern.match(path)
    if match is None:
        return {}
    return {name: unquote(value) for name, value in match.groupdict().items() if value}
