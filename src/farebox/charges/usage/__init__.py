"""Usage as charges look at it: cells, their conditions, and what each charge consumes of them."""
