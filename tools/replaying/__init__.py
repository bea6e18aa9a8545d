"""Replay recorded provider traffic through Farebox and judge what it made of it."""
