"""Prometheus's text format, version 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Sample(NamedTuple):
    """One line: labels and a value; `suffix` is `_sum` or `_count` in a summary."""

    labels: Mapping[str, str]
    value: int | Decimal
    suffix: str = ""


class Family(NamedTuple):
    """A metric and its samples. Counters' names end in `_total`."""

    name: str
    kind: Literal["counter", "gauge", "summary"]
    help: str
    samples: Iterable[Sample]


def exposition(families: Iterable[Family]) -> bytes:
    """Return the text of some metrics."""
    lines: list[str] = []
    for family in families:
        lines.append(f"# HELP {family.name} {_escaped(family.help)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for sample in family.samples:
            labels = ",".join(f'{name}="{_quoted(value)}"' for name, value in sample.labels.items())
            named = f"{family.name}{sample.suffix}{{{labels}}}" if labels else f"{family.name}{sample.suffix}"
            lines.append(f"{named} {_plain(sample.value)}")
    return ("\n".join(lines) + "\n").encode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')


def _plain(value: int | Decimal) -> str:
    """Return a number without an exponent, exactly."""
    return f"{value:d}" if isinstance(value, int) else f"{value:f}"
