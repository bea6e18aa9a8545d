"""The section `alerts:` of the home's `farebox.yaml`, and what the file says that alerts can name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.alerts.references import Known
    from farebox.config.configuration import Config
    from farebox.errors import Finding
    from farebox.yamltext import Node

ALERTS_EXAMPLE = (
    'alerts:\n  - {name: acme-spend, budget: acme-daily, at: ["80%", "100%"], to: [ops]}\n'
    "  - {name: jump, where: {app: ingest}, anomaly: cost, to: [ops]}\n"
)


def read_alerts_section(node: Node, config: Config, findings: list[Finding]) -> None:
    """Read the section. What it names may be said by commands, too: whoever publishes it knows them."""
    from farebox.alerts.definition import read_alerts
    from farebox.alerts.references import Reference

    references: list[Reference] = []
    config.alerts = read_alerts(node, findings, references)
    config.alert_references = tuple(references)


def known_of_file(config: Config) -> Known:
    """Return what the file says that alerts can name; what it has customers of may be wrong, and is there."""
    from farebox.alerts.references import Known

    terms = config.billing_terms
    customers = () if terms is None else (*terms.customers, *terms.wrong_customers)
    return Known(
        channels=frozenset(each.name for each in (*config.channels, *config.webhooks)),
        budgets={each.name: each.mode for each in config.budgets},
        customers=frozenset(customers),
    )
