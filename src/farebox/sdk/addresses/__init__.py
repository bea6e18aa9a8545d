"""Which requests are metered: providers, by address and head."""
