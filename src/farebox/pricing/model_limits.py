"""How much a model reads and writes at most: `catalog/model_limits.json`, read where budgets exist.

Upper bounds of what a call can cost, not prices: where the sources differ the larger figure is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

PLACE = Path(__file__).resolve().parents[1] / "catalog" / "model_limits.json"


class ModelLimits(NamedTuple):
    """Tokens of one call."""

    window: int
    """The context window: more is refused by the provider, and costs nothing."""
    output: int
    """Of one response."""
    is_known: bool
    """False where it is the largest of the provider's models, because nobody knows this one."""


class _File(msgspec.Struct):
    sources: tuple[str, ...]
    providers: dict[str, dict[str, tuple[int | None, int | None]]]


_decode = msgspec.json.Decoder(_File).decode


class LimitBook:
    """The limits of all models that are known."""

    def __init__(self, content: bytes) -> None:
        file = _decode(content)
        self.sources = file.sources
        self._providers = file.providers
        self._largest = {name: _largest(models.values()) for name, models in file.providers.items()}
        self._largest_of_all = _largest(self._largest.values())

    def of(self, providers: Iterable[str], names: Iterable[str]) -> ModelLimits:
        """Return the limits of the first name that a provider in the order given has.

        What is not known of a model is taken from the provider's largest, of an unknown provider from the
        largest of all.
        """
        wanted = [name.strip().lower() for name in names]
        chain = [name for name in providers if name in self._providers]
        window = output = None
        for provider in chain:
            models = self._providers[provider]
            for name in wanted:
                found = models.get(name)
                if found is not None:
                    window, output = window or found[0], output or found[1]
        most = next((self._largest[name] for name in chain), self._largest_of_all)
        is_known = window is not None and output is not None
        if window is None:
            window = max(most[0] or self._largest_of_all[0] or 0, output or 0)
        if output is None:
            output = min(window, most[1] or self._largest_of_all[1] or window)
        return ModelLimits(window, output, is_known)


def load_limits(place: Path = PLACE) -> LimitBook:
    """Return the limits that come with Farebox."""
    return LimitBook(place.read_bytes())


def _largest(every: Iterable[tuple[int | None, int | None]]) -> tuple[int | None, int | None]:
    """Return the largest figures; an output as large as the window says only that nobody knows it."""
    pairs = list(every)
    windows = [window for window, _ in pairs if window]
    outputs = [output for window, output in pairs if output and output < (window or output + 1)]
    return max(windows, default=None), max(outputs, default=None)
