"""News of what calls cost and of how metering does: each once, when it happens, with its recovery."""
