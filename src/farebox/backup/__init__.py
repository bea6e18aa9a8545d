"""Copies of a whole state directory: taken while it is in use, verified, restored in one step."""
