"""How text and bytes become tokens: `catalog/estimates.yaml`, read once."""

from __future__ import annotations

import functools
from decimal import Decimal
from fnmatch import fnmatchcase
from importlib import resources
from typing import NamedTuple

import msgspec

from farebox import yamltext

Range = tuple[int, int, int | None]
"""Tokens: lower bound, best guess, upper bound; None where there is no upper bound."""


class Rule(msgspec.Struct, frozen=True):
    """How the text of some models is counted."""

    models: tuple[str, ...]
    source: str
    vocabulary: str | None = None
    family: str = "openai"
    characters: tuple[Decimal, Decimal, Decimal] = (Decimal(4), Decimal(6), Decimal("2.5"))
    """Of ASCII text, a token: at a guess, at the fewest tokens, at the most."""
    hidden: int = 0
    """How many tokens of reasoning a response may have that no stream shows."""


class ByteRule(msgspec.Struct, frozen=True):
    """How many bytes of some surfaces' traffic a token is."""

    surfaces: tuple[str, ...]
    side: str
    at: tuple[Decimal, Decimal, Decimal]
    source: str
    streamed: bool | None = None


class Rules(NamedTuple):
    """The whole page."""

    rules: tuple[Rule, ...]
    bytes: tuple[ByteRule, ...]

    def of_model(self, model: str | None) -> Rule:
        """Return the first rule for a model."""
        name = (model or "").lower()
        return next(rule for rule in self.rules if any(fnmatchcase(name, each) for each in rule.models))

    def of_bytes(self, surface: str, side: str, *, streamed: bool) -> ByteRule | None:
        """Return the first rule for a side of a surface."""
        for rule in self.bytes:
            fits = rule.side == side and rule.streamed in (None, streamed)
            if fits and any(fnmatchcase(surface, each) for each in rule.surfaces):
                return rule
        return None


@functools.cache
def rules() -> Rules:
    """Return the rules that are shipped."""
    text = (resources.files("farebox.catalog") / "estimates.yaml").read_text(encoding="utf-8")
    root, findings = yamltext.parse(text, "estimates.yaml")
    if root is None or findings:
        raise ValueError(f"estimates.yaml: {findings}")
    plain = root.plain()
    return Rules(
        msgspec.convert(plain["rules"], tuple[Rule, ...], strict=False),
        msgspec.convert(plain["bytes"], tuple[ByteRule, ...], strict=False),
    )


def divided(count: int, per: tuple[Decimal, Decimal, Decimal]) -> tuple[int, int, int]:
    """Return how many tokens `count` characters or bytes are: at the least, at a guess, at the most."""
    guess, fewest, most = (-(-count * 1000 // int(each * 1000)) for each in per)
    return min(fewest, guess), guess, max(guess, most)
