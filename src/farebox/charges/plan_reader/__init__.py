"""Read what people write of customers, plans and subscriptions: in YAML, to the API, on the command line.

Nodes in (`farebox.yamltext`, where every scalar is the text that was written), the structs of `charges.plan`
out, and everything that is wrong at once, each with its place.
"""

from __future__ import annotations

from farebox.charges.plan_reader.billing_terms import (
    SECTIONS,
    BillingTerms,
    PlannedSubscription,
    read_billing_terms,
)
from farebox.charges.plan_reader.consistency import consistency_findings

__all__ = [
    "SECTIONS",
    "BillingTerms",
    "PlannedSubscription",
    "consistency_findings",
    "read_billing_terms",
]
