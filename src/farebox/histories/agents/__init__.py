"""Logs that coding agents keep on this machine: found, and read from where the last reading ended."""
