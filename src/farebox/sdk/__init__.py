"""Meter the calls of this process. The public names are in `farebox` itself; see README.md here."""
