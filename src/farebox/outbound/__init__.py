"""Requests that Farebox makes by itself, to addresses that somebody configured: where they may go, and how.

Used for webhooks; the proxy shares the check of addresses and the TLS context. No redirect is followed and
no proxy of the environment is used: both would go where nobody checked.
"""
