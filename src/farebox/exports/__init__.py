"""The record handed over to other systems: usage to whoever bills by it, costs in FOCUS' columns."""
