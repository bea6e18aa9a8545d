"""Alerts, beside the ledger process's own work: sums of new rows, and what they are news of."""
