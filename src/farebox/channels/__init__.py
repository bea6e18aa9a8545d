"""The forms in which messages are told: one module a vendor, from a stored payload to its request and back.

Nothing here opens a connection or knows a database. Limits of the vendors are kept by cutting text.
"""
