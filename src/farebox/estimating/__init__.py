"""Estimate what providers charge and do not state. A process of its own: see `process.py`."""
