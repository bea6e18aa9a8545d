"""Customers, plans and subscriptions as commands and the API change and show them."""
