"""Calls on their way to a collector: written to a spool on the disk, sent in the background."""
