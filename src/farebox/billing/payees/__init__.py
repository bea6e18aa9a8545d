"""Payees: whose share of a line is whose, and the statement of a month."""
