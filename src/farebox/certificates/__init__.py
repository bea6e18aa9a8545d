"""Certificates of interception: an authority that can only sign for the hosts it was made for.

A root signs one intermediate that is constrained to names, and its key is dropped before anything is
written. Owns making them, the bundles for child processes, and the system's trust stores. Nothing here opens
a connection; only `making` needs the `cryptography` package, in a process of its own.
"""
