"""Limits on what may be spent, kept by everybody who lets calls pass."""
