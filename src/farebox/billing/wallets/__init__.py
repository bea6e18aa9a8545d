"""Wallets: what a customer has prepaid or was given, and how it pays invoices; see README.md."""
