"""Billing periods: which there are, what was agreed for each, and their local days."""
