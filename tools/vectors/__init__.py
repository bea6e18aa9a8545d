"""Billing test vectors, run through Farebox's own engines."""
