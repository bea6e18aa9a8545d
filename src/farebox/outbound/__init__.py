"""Requests and mail that Farebox sends by itself, to addresses that somebody configured: where, and how.

Used for webhooks, channels and mail; the proxy shares the check of addresses and the TLS context. No redirect
is followed and no proxy of the environment is used: both would go where nobody checked.
"""
