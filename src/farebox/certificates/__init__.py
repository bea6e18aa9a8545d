"""Certificates of interception: an authority that can only speak for the hosts it was made for.

A root signs one intermediate that is constrained to names, and its key is gone before anything is
written. Owns making, the bundles that children are given, and the stores of a system. Nothing
here opens a connection; only `making` needs the `cryptography` package, in a process of its own.
"""
