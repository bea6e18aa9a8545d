"""Explain an invoice's lines, down to the calls."""
