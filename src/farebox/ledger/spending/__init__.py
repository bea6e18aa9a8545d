"""What rows of the record count for in budgets."""
