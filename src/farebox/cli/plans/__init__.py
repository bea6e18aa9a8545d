"""`farebox customers`, `plans` and `subscriptions`: who is billed, and by which terms."""
