"""Append-only segments with checksums: write, read, recover. See README.md here."""
