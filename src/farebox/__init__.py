"""Meter every LLM call, price it exactly, and bill for it.

Importing this package starts nothing and loads nothing heavy.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
