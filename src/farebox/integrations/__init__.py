"""Frameworks: what they call the agents, chains and tools around a call, and calls that no transport saw.

`farebox.instrument()` attaches each framework that the program imports. See docs/guides/integrations.
"""
