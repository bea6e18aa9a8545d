"""What of a provider's error code may be written down.

A code is a word of the provider's. Some providers, and most servers in front of them, put into it what
they were sent, and that can be a key.
"""

from __future__ import annotations

import re

_SHOWN_MAX = 128
_KEY_LIKE = re.compile(r"(?=[A-Za-z]*[0-9])[A-Za-z0-9]{12,}|sk-|AIza|[^\x21-\x7e ]")
"""A long run of letters with digits among them: no code is written so, and every key is."""


def shown_code(code: str) -> str:
    """Return an error code that a record may carry; one that could be a key is only said to be there."""
    return "error" if _KEY_LIKE.search(code) else code[:_SHOWN_MAX]
