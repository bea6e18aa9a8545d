"""How many calls a span stands for, where its trace was sampled.

OpenTelemetry's probability samplers write a rejection threshold into the trace state: `ot=th:c` says that a
quarter was kept. https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
Others say a probability or a rate in an attribute. A sampler that says nothing cannot be seen here.
"""

from __future__ import annotations

import re

from farebox.telemetry.otlp_in import attribute_names as names
from farebox.telemetry.otlp_in.attribute_values import number_of
from farebox.telemetry.otlp_in.records import Span

_THRESHOLD = re.compile(r"(?:^|,)\s*ot=(?:[^,]*;)?th:([0-9a-f]{1,14})(?:[;,]|\s*$)")
_STANDS_FOR_MAX = 1_000_000


def unseen_beside(span: Span) -> int:
    """Return how many calls like this one were not sent, as a whole number; 0 where nothing was left out."""
    found = _THRESHOLD.search(span.trace_state)
    if found is not None:
        kept = (1 << 56) - int(found[1].ljust(14, "0"), 16)
        return min(round((1 << 56) / kept) - 1, _STANDS_FOR_MAX) if kept else _STANDS_FOR_MAX
    for attributes in (span.attributes, span.resource):
        if attributes.get(names.SAMPLED[0]) in (True, "true"):
            return 1  # some: how many nobody says
        number = number_of(attributes, names.SAMPLED)
        if number is not None and number > 0 and number != 1:
            stands_for = number if number > 1 else 1 / number
            return max(1, min(int(stands_for.to_integral_value()) - 1, _STANDS_FOR_MAX))
    return 0
