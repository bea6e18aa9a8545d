"""Rate a period's usage by its plan, line by line."""
