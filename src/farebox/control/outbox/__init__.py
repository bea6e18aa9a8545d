"""Messages to others: committed with what caused them, delivered at least once, in order to each."""
