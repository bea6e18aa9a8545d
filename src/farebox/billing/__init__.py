"""Customers, plans, invoices, wallets: what usage is sold for."""
