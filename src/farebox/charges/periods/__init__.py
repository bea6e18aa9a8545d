"""Billing periods in a customer's time zone: their days, their bounds, and parts of them."""
